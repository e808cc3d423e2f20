"""Poisson regression whose effects may only raise a rate, with a penalty that leaves most of them at nothing."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["NonnegativeFit", "choose_nonnegative", "fit_nonnegative"]

_STEPS = 100
_SWEEPS = 500
_HALVINGS = 30
_PATH = 25
_LEAST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class NonnegativeFit:
    """A fitted regression log(mean / exposure) = constant + design @ effects, effects >= 0.

    Parameters
    ----------
    constant : float
    effects : ndarray of float, shape (n_columns,)
    deviance : float
        Poisson deviance of the fit.
    """

    constant: float
    effects: NDArray[np.float64] = field(repr=False)
    deviance: float


def fit_nonnegative(
    design: sparse.csr_array,
    counts: NDArray[np.integer],
    exposure: NDArray[np.float64],
    *,
    penalty: float = 0.0,
    start: NDArray[np.float64] | None = None,
) -> NonnegativeFit:
    """Minimise the negative log likelihood plus ``penalty * sum(effects)`` under effects >= 0.

    Quadratic approximations around the current fit are minimised by cyclic coordinate descent (Friedman, Hastie &
    Tibshirani 2010, https://doi.org/10.18637/jss.v033.i01); steps are halved until the objective falls.

    Parameters
    ----------
    design : sparse array of float, shape (n_rows, n_columns)
    counts : ndarray of int, shape (n_rows,)
        At least one incident in all.
    exposure : ndarray of float, shape (n_rows,)
    penalty : float
    start : ndarray of float, shape (n_columns,), optional
        Effects to begin from.

    Returns
    -------
    NonnegativeFit
    """
    turned = sparse.csr_array(design.T)
    effects = np.zeros(design.shape[1]) if start is None else start.copy()
    constant = _constant(counts, exposure * np.exp(design @ effects))
    value = _objective(design, counts, exposure, constant, effects, penalty)
    for _ in range(_STEPS):
        mean = exposure * np.exp(constant + design @ effects)
        reached = turned @ mean
        gram = (turned @ sparse.csr_array(design.multiply(mean[:, None]))).toarray()
        # The constant is taken out: columns count as departures from their weighted mean.
        gram -= np.outer(reached, reached) / mean.sum()
        pull = turned @ (counts - mean)
        aim = _descend(gram, gram @ effects + pull, effects, penalty)
        step, size = aim - effects, 1.0
        for _ in range(_HALVINGS):
            tried = effects + size * step
            there = _constant(counts, exposure * np.exp(design @ tried))
            new = _objective(design, counts, exposure, there, tried, penalty)
            if new <= value + 1e-12 * abs(value):
                break
            size /= 2.0
        moved = float(np.abs(tried - effects).max(initial=0.0))
        effects, constant, value = tried, there, new
        if moved < 1e-9:
            break
    return NonnegativeFit(constant, effects, _deviance(counts, exposure * np.exp(constant + design @ effects)))


def choose_nonnegative(
    design: sparse.csr_array, counts: NDArray[np.integer], exposure: NDArray[np.float64]
) -> tuple[NonnegativeFit, float]:
    """Choose columns along a path of penalties by a quasi-likelihood BIC, then fit the chosen ones unpenalised.

    Each fit of the path is scored by deviance / dispersion + columns * log(rows); the dispersion is Pearson's of the
    least penalised fit, so that clustered counts do not choose columns by chance.

    Returns
    -------
    fit : NonnegativeFit
        Effects of columns that were not chosen are 0.
    dispersion : float
    """
    rows = design.shape[0]
    expected = exposure * counts.sum() / exposure.sum()
    greatest = float((sparse.csr_array(design.T) @ (counts - expected)).max(initial=0.0))
    none = NonnegativeFit(_constant(counts, exposure), np.zeros(design.shape[1]), _deviance(counts, expected))
    if greatest <= 0:
        return none, _dispersion(counts, expected, 1)
    path = [none]
    for penalty in greatest * np.geomspace(1.0, _LEAST_SHARE, _PATH)[1:]:
        path.append(fit_nonnegative(design, counts, exposure, penalty=float(penalty), start=path[-1].effects))
    last = path[-1]
    dispersion = _dispersion(
        counts, exposure * np.exp(last.constant + design @ last.effects), 1 + int((last.effects > 0).sum())
    )
    best, least = none, np.inf
    for chosen in {tuple(np.flatnonzero(one.effects > 0).tolist()): None for one in path}:
        columns = list(chosen)
        part = fit_nonnegative(sparse.csr_array(design[:, columns]), counts, exposure) if columns else none
        score = part.deviance / dispersion + len(columns) * np.log(rows)
        if score < least:
            effects = np.zeros(design.shape[1])
            effects[columns] = part.effects if columns else 0.0
            best, least = NonnegativeFit(part.constant, effects, part.deviance), score
    return best, dispersion


def _descend(
    gram: NDArray[np.float64], target: NDArray[np.float64], start: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Minimise b' gram b / 2 - target' b + penalty * sum(b) over b >= 0, one coordinate after another."""
    found = start.copy()
    diagonal = np.maximum(np.diagonal(gram), 1e-12)
    residual = target - gram @ found
    for _ in range(_SWEEPS):
        moved = 0.0
        for j in range(len(found)):
            new = max(0.0, found[j] + (residual[j] - penalty) / diagonal[j])
            if new != found[j]:
                residual -= gram[:, j] * (new - found[j])
                moved = max(moved, abs(new - found[j]))
                found[j] = new
        if moved < 1e-12:
            break
    return found


def _constant(counts: NDArray[np.integer], mean: NDArray[np.float64]) -> float:
    """Constant that sets the total right."""
    return float(np.log(counts.sum() / mean.sum()))


def _objective(
    design: sparse.csr_array,
    counts: NDArray[np.integer],
    exposure: NDArray[np.float64],
    constant: float,
    effects: NDArray[np.float64],
    penalty: float,
) -> float:
    rate = constant + design @ effects
    return float((exposure * np.exp(rate) - counts * rate).sum()) + penalty * float(effects.sum())


def _deviance(counts: NDArray[np.integer], mean: NDArray[np.float64]) -> float:
    seen = counts > 0
    return 2.0 * float((counts[seen] * np.log(counts[seen] / mean[seen])).sum() - (counts - mean).sum())


def _dispersion(counts: NDArray[np.integer], mean: NDArray[np.float64], columns: int) -> float:
    """Pearson's, at least 1."""
    return max(1.0, float(((counts - mean) ** 2 / mean).sum()) / max(1, len(counts) - columns))
