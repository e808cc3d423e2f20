"""The process by which incidents bring further ones: its parameters, and records drawn from it for tests and checks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import PatternError

__all__ = ["Excitation", "Record", "simulate"]

_WARM_UP_HALF_LIVES = 12.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Excitation:
    """How many further incidents one brings, how soon and how near.

    One incident brings Poisson(`branching`) direct followers; the delay of each is exponential, its displacement is
    Gaussian and equal in all directions.

    Parameters
    ----------
    branching : float
        In [0, 1): expected direct followers, and in the long run the share of incidents that follow another one.
    half_life_days : float
        Half of the followers come within so many days.
    half_distance_m : float
        Half of them lie within so many metres.

    Raises
    ------
    PatternError
        If a parameter is out of range.
    """

    branching: float
    half_life_days: float
    half_distance_m: float

    def __post_init__(self) -> None:
        if not 0 <= self.branching < 1 or not self.half_life_days > 0 or not self.half_distance_m > 0:
            raise PatternError(
                "Excitation needs 0 <= branching < 1, half_life_days > 0 and half_distance_m > 0, got "
                f"{self.branching}, {self.half_life_days} and {self.half_distance_m}."
            )

    @property
    def decay_per_day(self) -> float:
        """Rate of the exponential delay, 1 / days."""
        return float(np.log(2.0) / self.half_life_days)

    @property
    def spread_m(self) -> float:
        """Standard deviation of the displacement on either axis, metres."""
        return float(self.half_distance_m / np.sqrt(2.0 * np.log(2.0)))


@dataclass(frozen=True, eq=False)
class Record:
    """A record of points, in order of time.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,)
        Metres.
    day : ndarray of float, shape (n,)
        Days since the beginning.
    triggered : ndarray of bool, shape (n,)
        Whether an earlier incident brought it.
    """

    x: Floats
    y: Floats
    day: Floats
    triggered: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.day)


def simulate(
    excitation: Excitation,
    background: Callable[[int, Floats, np.random.Generator], tuple[Floats, Floats]],
    *,
    per_day: float,
    days: float,
    rng: np.random.Generator,
) -> Record:
    """Draw a record of a self-exciting process by its clusters, which is the same process.

    Parameters
    ----------
    excitation : Excitation
    background : callable
        ``background(n, day, rng)`` draws the places of n incidents that no other one brought, at these days.
    per_day : float
        Expected number of these a day.
    days : float
        Length of the record. The process runs for 12 half-lives before it, so that it begins in full swing.
    rng : numpy.random.Generator

    Returns
    -------
    Record
        Followers may lie anywhere: leave those outside of the study area out afterwards.

    References
    ----------
    Hawkes and Oakes (1974), https://doi.org/10.2307/3212693
    """
    warm_up = _WARM_UP_HALF_LIVES * excitation.half_life_days
    count = int(rng.poisson(per_day * (days + warm_up)))
    day = rng.uniform(-warm_up, days, count)
    x, y = background(count, day, rng)
    parts = [(x, y, day, np.zeros(count, dtype=bool))]
    while len(parts[-1][0]):
        x, y, day, _ = parts[-1]
        parent = np.repeat(np.arange(len(day)), rng.poisson(excitation.branching, len(day)))
        step = rng.normal(0.0, excitation.spread_m, size=(2, len(parent)))
        later = day[parent] + rng.exponential(1.0 / excitation.decay_per_day, len(parent))
        born = later < days
        x, y = (x[parent] + step[0])[born], (y[parent] + step[1])[born]
        parts.append((x, y, later[born], np.ones(len(x), dtype=bool)))
    x, y, day, triggered = (np.concatenate(column) for column in zip(*parts, strict=True))
    seen = np.flatnonzero(day >= 0)
    order = seen[np.argsort(day[seen], kind="stable")]
    return Record(x[order], y[order], day[order], triggered[order])
