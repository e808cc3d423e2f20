"""What whole areas and the whole city have in common in a period: learned from past forecasts and what happened.

A rainy week, a festival or a drifting level moves many cells at once. Poisson intervals know nothing of it: each cell
may be right while sums of cells are off far more often than stated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["OriginMoments", "SharedEffects", "learn_effects", "origin_moments"]

Floats = NDArray[np.float64]

_ROUNDS = 4
_MOST = 1.0
"""A variance of a multiplier above this is not believed: so few incidents cannot tell."""


@dataclass(frozen=True)
class SharedEffects:
    """How far counts stray from their forecast: together in a city, together in an area, and cell by cell.

    A count in cell c of area a in period t has the mean ``e_c * W_t * V_at``: W and V are gamma multipliers of mean 1.
    Within a cell the variance beyond that of a Poisson count is ``cell_linear * e + cell_square * e^2``.

    Parameters
    ----------
    city : float
        Variance of the multiplier W that all cells share in a period.
    area : float
        Variance of the multiplier V that the cells of one area (neighbourhood) share in a period, beyond W.
    cell_linear, cell_square : float
    """

    city: float = 0.0
    area: float = 0.0
    cell_linear: float = 0.0
    cell_square: float = 0.0

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in asdict(self).items() if not (np.isfinite(value) and value >= 0)}
        if wrong:
            raise DomainError(f"Shared effects must be finite and not negative, got {wrong}: run `evaluate` again.")

    def cell_variance(self, mean: Floats) -> Floats:
        """Return the variance of the counts of single cells with these means; same shape."""
        shared = (1 + self.city) * (1 + self.area)
        own = mean + self.cell_linear * mean + self.cell_square * mean**2 * shared
        return np.asarray(own + (shared - 1) * mean**2)

    def to_json(self) -> dict[str, float]:
        """Return the four numbers, for a file."""
        return {name: float(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SharedEffects":
        """Read what `to_json` gave."""
        return cls(**{name: float(value) for name, value in stored.items()})


@dataclass(frozen=True, eq=False)
class OriginMoments:
    """Sums of one forecast and its outcome from which effects are learned; sums of several origins add up.

    Parameters
    ----------
    mass, error : ndarray of float, shape (n_areas,)
        Expected count, and observed less expected, by area.
    mass_squares, error_squares : ndarray of float, shape (n_areas,)
        Sums over the cells of the area of their squares.
    normal : ndarray of float, shape (2, 2)
        Of the regression of (error^2 - expected) on expected and expected^2, over cells.
    right : ndarray of float, shape (2,)
    """

    mass: Floats = field(repr=False)
    error: Floats = field(repr=False)
    mass_squares: Floats = field(repr=False)
    error_squares: Floats = field(repr=False)
    normal: Floats = field(repr=False)
    right: Floats = field(repr=False)


def origin_moments(
    expected: Floats, observed: NDArray[np.int64], areas: NDArray[np.int64], *, n_areas: int
) -> OriginMoments:
    """Sum up one origin.

    Parameters
    ----------
    expected : ndarray of float, shape (n_cells,)
    observed : ndarray of int, shape (n_cells,)
    areas : ndarray of int, shape (n_cells,)
        Which area each cell belongs to.
    n_areas : int
    """
    error = observed - expected

    def summed(values: Floats) -> Floats:
        return np.bincount(areas, weights=values, minlength=n_areas).astype(float)

    # Cells that expect nothing have no variance to compare with; weights are exact for Poisson counts.
    some = expected > 0
    mean = expected[some]
    weight = 1.0 / (mean + 2.0 * mean**2)
    design = np.column_stack([mean, mean**2])
    excess = error[some] ** 2 - mean
    return OriginMoments(
        mass=summed(expected),
        error=summed(error),
        mass_squares=summed(expected**2),
        error_squares=summed(error**2),
        normal=design.T @ (design * weight[:, None]),
        right=design.T @ (excess * weight),
    )


def learn_effects(origins: Sequence[OriginMoments]) -> SharedEffects:
    """Estimate the effects by the method of moments.

    The variance of W follows from products of the errors of different areas in one period, E[R_a R_b] = W2 e_a e_b;
    that of W and V together from products of the errors of different cells of one area, areas weighted by how exactly
    they tell it; and the variance of single cells from a weighted regression. A bias of the forecast counts as part of
    its spread.

    Parameters
    ----------
    origins : sequence of OriginMoments
        At least one, of forecasts that are past and whose outcome is known.

    Raises
    ------
    DomainError
        If there is none.
    """
    if not origins:
        raise DomainError("Shared effects need at least one past forecast and its outcome, got none.")
    mass, error, squares, error_squares = (
        np.array([getattr(one, name) for one in origins]) for name in ("mass", "error", "mass_squares", "error_squares")
    )
    normal, right = (np.sum([getattr(one, name) for one in origins], axis=0) for name in ("normal", "right"))
    linear, square = _non_negative(normal, right)
    city = _between_areas(mass, error)
    both = _within_areas(mass, error, squares, error_squares, linear)
    # The products within an area hold (1 + W2)(1 + V2) - 1.
    area = max((1 + both) / (1 + city) - 1, 0.0)
    shared = (1 + city) * (1 + area)
    return SharedEffects(
        city=min(city, _MOST),
        area=min(area, _MOST),
        cell_linear=linear,
        cell_square=max((square + 1) / shared - 1, 0.0),
    )


def _between_areas(mass: Floats, error: Floats) -> float:
    top = float((error.sum(axis=1) ** 2 - (error**2).sum(axis=1)).sum())
    bottom = float((mass.sum(axis=1) ** 2 - (mass**2).sum(axis=1)).sum())
    return max(top / bottom, 0.0) if bottom > 0 else 0.0


def _within_areas(mass: Floats, error: Floats, squares: Floats, error_squares: Floats, linear: float) -> float:
    pairs, products = mass**2 - squares, error**2 - error_squares
    some = pairs > 0
    pairs, products, expected = pairs[some], products[some], mass[some]
    if not pairs.size:
        return 0.0
    found = 0.01
    for _ in range(_ROUNDS):
        weight = (expected * (1 + linear) + found * expected**2) ** -2.0
        found = max(float((weight * products * pairs).sum() / (weight * pairs**2).sum()), 0.0)
    return found


def _non_negative(normal: Floats, right: Floats) -> tuple[float, float]:
    """Solve two normal equations with neither coefficient below zero."""
    alone = [max(float(right[i] / normal[i, i]), 0.0) if normal[i, i] > 0 else 0.0 for i in range(2)]
    determinant = float(np.linalg.det(normal))
    if determinant > 1e-12 * float(normal[0, 0] * normal[1, 1]):
        both = np.linalg.solve(normal, right)
        if (both >= 0).all():
            return float(both[0]), float(both[1])

    # One of the two is zero: the other alone, whichever leaves less unexplained.
    def left_over(linear: float, square: float) -> float:
        found = np.array([linear, square])
        return float(found @ normal @ found - 2 * found @ right)

    candidates = [(alone[0], 0.0), (0.0, alone[1])]
    return min(candidates, key=lambda pair: left_over(*pair))
