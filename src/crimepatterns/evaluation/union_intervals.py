"""What is to be expected in any set of cells, with an interval: draws that share the city's and the areas' effects."""

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.shared_effects import SharedEffects

__all__ = ["UnionSums", "cell_quantiles", "central_interval", "chance_of_none", "simulate_unions", "union_sums"]

Floats = NDArray[np.float64]

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class UnionSums:
    """What a forecast holds for unions of cells: enough to simulate them.

    Parameters
    ----------
    masses : ndarray of float, shape (n_unions, n_areas)
        Expected count by area.
    squares : ndarray of float, shape (n_unions,)
        Sum over cells of the squared expected count.
    """

    masses: Floats = field(repr=False)
    squares: Floats = field(repr=False)

    @property
    def expected(self) -> Floats:
        """Expected count of each union, shape (n_unions,)."""
        return np.asarray(self.masses.sum(axis=1))


def union_sums(members: sparse.csr_array, expected: Floats, areas: NDArray[np.int64], *, n_areas: int) -> UnionSums:
    """Sum a forecast up over unions.

    Parameters
    ----------
    members : sparse array of float, shape (n_unions, n_cells)
        Share of each cell that belongs to the union, 0 to 1.
    expected : ndarray of float, shape (n_cells,)
    areas : ndarray of int, shape (n_cells,)
        Which area each cell belongs to.
    n_areas : int

    Raises
    ------
    DomainError
        If shapes do not fit.
    """
    cells = len(expected)
    if members.shape[1] != cells or len(areas) != cells:
        raise DomainError(f"Unions are over {members.shape[1]} cells, the forecast has {cells}, areas {len(areas)}.")
    by_area = sparse.csr_array((expected, (np.arange(cells), areas)), shape=(cells, n_areas))
    masses = (members @ by_area).toarray()
    return UnionSums(np.asarray(masses, dtype=float), np.asarray(members.multiply(members) @ expected**2, dtype=float))


def simulate_unions(sums: UnionSums, effects: SharedEffects, *, draws: int, seed: int) -> NDArray[np.int64]:
    """Draw the counts of unions together: in each draw all share the city's and the areas' multipliers.

    The same seed gives the same multipliers whatever is asked, and the same answer for the same union.

    Parameters
    ----------
    sums : UnionSums
    effects : SharedEffects
    draws, seed : int

    Returns
    -------
    ndarray of int, shape (n_unions, draws)
    """
    level = _levels(sums, effects, draws=draws, seed=seed)
    expected = sums.expected[:, None]
    spread = np.divide(effects.cell_linear, level, out=np.zeros_like(level), where=level > 0)
    spread += effects.cell_square * np.divide(
        sums.squares[:, None], expected**2, out=np.zeros_like(expected), where=expected > 0
    )
    counts = np.empty(level.shape, dtype=np.int64)
    for i, mass in enumerate(sums.masses):
        # What cells do on their own has a stream that depends on the union only, not on what else is asked.
        rng = np.random.default_rng([seed, 2, zlib.crc32(np.round(mass, 9).tobytes())])
        counts[i] = rng.poisson(level[i] * _multipliers(rng, spread[i], level[i].shape))
    return counts


def chance_of_none(sums: UnionSums, effects: SharedEffects, *, draws: int, seed: int) -> Floats:
    """Return the chance that nothing happens in each union, shape (n_unions,); exact given the drawn multipliers."""
    level = _levels(sums, effects, draws=draws, seed=seed)
    expected = sums.expected[:, None]
    shape = level**2 / np.maximum(
        effects.cell_linear * level
        + effects.cell_square * level**2 * sums.squares[:, None] / np.maximum(expected**2, _TINY),
        _TINY,
    )
    none = np.where(level > 0, np.exp(-shape * np.log1p(level / np.maximum(shape, _TINY))), 1.0)
    return np.asarray(none.mean(axis=1))


def central_interval(draws: NDArray[np.int64], *, confidence: float, seed: int) -> tuple[Floats, Floats]:
    """Return the central interval of each union, as edges between counts.

    Counts are whole; spreading each over the unit around it lets an interval have its stated chance on average, where
    whole ends would nearly always hold too much.

    Parameters
    ----------
    draws : ndarray of int, shape (n_unions, n_draws)
    confidence : float
    seed : int

    Returns
    -------
    lower, upper : ndarray of float, shape (n_unions,)
        A count lies within if ``lower <= count <= upper``.
    """
    # Evenly spaced rather than random parts of a unit: the ends move less from seed to seed.
    within = np.random.default_rng([seed, 3]).permutation((np.arange(draws.shape[1]) + 0.5) / draws.shape[1]) - 0.5
    tails = np.array([0.5 - confidence / 2, 0.5 + confidence / 2])
    lower, upper = np.quantile(draws + within, tails, axis=1)
    return np.asarray(lower), np.asarray(upper)


def cell_quantiles(mean: Floats, effects: SharedEffects, levels: tuple[float, ...]) -> dict[float, Floats]:
    """Return quantiles of single cells under the same effects: negative binomial with their mean and variance.

    Parameters
    ----------
    mean : ndarray of float, any shape
    effects : SharedEffects
    levels : tuple of float

    Returns
    -------
    dict of float to ndarray, same shape as `mean`
    """
    extra = effects.cell_variance(mean) - mean
    some = extra > 1e-9 * np.maximum(mean, 1e-9)
    size = np.divide(mean**2, extra, out=np.ones_like(mean), where=some)
    spread_out = {level: stats.nbinom.ppf(level, size, size / (size + mean)) for level in levels}
    return {
        level: np.where(some & (mean > 0), values, stats.poisson.ppf(level, mean)).astype(float)
        for level, values in spread_out.items()
    }


def _levels(sums: UnionSums, effects: SharedEffects, *, draws: int, seed: int) -> Floats:
    """Return the expected count of each union given the multipliers of each draw, shape (n_unions, draws)."""
    rng = np.random.default_rng([seed, 1])
    city = _multipliers(rng, np.array(effects.city), (1, draws))
    areas = _multipliers(rng, np.array(effects.area), (sums.masses.shape[1], draws))
    return np.asarray((sums.masses @ areas) * city)


def _multipliers(rng: np.random.Generator, variance: Floats, shape: tuple[int, ...]) -> Floats:
    """Draw gamma variables of mean 1; all 1 where their variance is 0."""
    if not variance.any():
        return np.ones(shape)
    spread = np.broadcast_to(np.maximum(variance, _TINY), shape)
    drawn = rng.gamma(1.0 / spread) * spread
    return np.asarray(np.where(np.broadcast_to(variance, shape) > _TINY, drawn, 1.0))
