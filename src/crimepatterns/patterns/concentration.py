"""How few places hold how many of the incidents, corrected for what chance does to sparse counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import replicates as draw_replicates

__all__ = ["Concentration", "chance_curve", "concentration", "gini", "gini_by_chance", "gini_of_rates", "lorenz_curve"]

_Histogram = tuple[NDArray[np.float64], NDArray[np.float64]]
_STEADY_SHAPE = 1e5
"""A gamma shape above which rates do not differ by anything that counts."""


@dataclass(frozen=True, eq=False)
class Concentration:
    """The concentration of incidents at places.

    Parameters
    ----------
    incidents, places, occupied : int
        Incidents, places in all, and places with at least one incident.
    gini : float
        The customary coefficient: 0 where all places have as many, near 1 where one place has all. Where incidents are
        fewer than places it is high for that reason alone.
    gini_adjusted : float
        Measured from the most even spread that so few incidents allow (Bernasco and Steenbeek).
    gini_interval, gini_adjusted_interval : tuple of float
        Percentiles of a bootstrap of places.
    gini_by_chance : float
        What the customary coefficient would be if every place ran the same risk.
    gini_rates : float
        That of the places' underlying rates, estimated by a gamma-Poisson model: free of chance (Mohler et al.).
    shares : DataFrame
        For each share of the incidents: ``incidents_share``, ``places_share`` with ``low`` and ``high``, ``places``
        (how many), ``occupied_share`` (of the occupied places) and ``by_chance``; shares lie in [0, 1].
    curve : DataFrame
        The Lorenz curve; see `lorenz_curve`.
    parameters : mapping
    """

    incidents: int
    places: int
    occupied: int
    gini: float
    gini_adjusted: float
    gini_interval: tuple[float, float]
    gini_adjusted_interval: tuple[float, float]
    gini_by_chance: float
    gini_rates: float
    shares: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> pd.DataFrame:
        """Return `shares`, with the coefficients beside."""
        return self.shares.assign(
            gini=self.gini,
            gini_adjusted=self.gini_adjusted,
            gini_by_chance=self.gini_by_chance,
            gini_rates=self.gini_rates,
        )


def concentration(
    counts: ArrayLike,
    *,
    shares: Sequence[float] = (0.25, 0.5, 0.8),
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 0,
    executor: Executor | None = None,
) -> Concentration:
    """Measure how concentrated incidents are: "x % of the incidents at y % of the places".

    Parameters
    ----------
    counts : array_like of int, shape (n_places,)
        Incidents per place: cells, street segments or addresses, the empty ones among them.
    shares : sequence of float
        Shares of the incidents, each in (0, 1].
    level : float
        Of the intervals.
    replicates, seed : int
        Bootstrap samples of places, and what they are drawn by.
    executor : Executor, optional

    Raises
    ------
    PatternError
        If counts are not whole, negative or all zero, or a share or the level is out of range.

    References
    ----------
    Bernasco and Steenbeek (2017), https://doi.org/10.1007/s10940-016-9324-7; Mohler et al. (2019),
    https://doi.org/10.1007/s10940-018-09404-1; Weisburd (2015), https://doi.org/10.1111/1745-9125.12070
    """
    wanted = np.asarray(tuple(shares), dtype=float)
    if wanted.size == 0 or not ((wanted > 0) & (wanted <= 1)).all() or not 0 < level < 1:
        raise PatternError(f"Shares must lie in (0, 1] and the level in (0, 1), got {list(shares)} and {level}.")
    histogram = _histogram(counts)
    values, places = histogram
    incidents, n = int(values @ places), int(places.sum())
    seen = _statistics(histogram, wanted)
    sample = partial(_resampled, histogram, wanted)
    drawn = np.array(list(draw_replicates(sample, replicates, seed=seed, executor=executor)))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    occupied = int(places[values > 0].sum())
    table = pd.DataFrame(
        {
            "incidents_share": wanted,
            "places_share": seen[2:],
            "low": low[2:],
            "high": high[2:],
            "places": np.ceil(seen[2:] * n - 1e-9).astype(int),
            "occupied_share": seen[2:] * n / occupied,
            "by_chance": _places_holding(_chance_histogram(incidents / n), wanted),
        }
    )
    return Concentration(
        incidents=incidents,
        places=n,
        occupied=occupied,
        gini=float(seen[0]),
        gini_adjusted=float(seen[1]),
        gini_interval=(float(low[0]), float(high[0])),
        gini_adjusted_interval=(float(low[1]), float(high[1])),
        gini_by_chance=gini_by_chance(incidents, n),
        gini_rates=_gini_of_rates(histogram),
        shares=table,
        curve=lorenz_curve(counts),
        parameters=MappingProxyType({"level": level, "replicates": replicates, "seed": seed, "resampled": "places"}),
    )


def gini(counts: ArrayLike, *, adjusted: bool = False) -> float:
    """Return the Gini coefficient of counts over places.

    Parameters
    ----------
    counts : array_like of int, shape (n_places,)
    adjusted : bool
        Compare with the most even spread that c incidents over n > c places allow:
        ``1 - max(n / c, 1) (1 - G)``.

    Examples
    --------
    >>> gini([1, 1, 0, 0]), gini([1, 1, 0, 0], adjusted=True), gini([2, 0, 0, 0], adjusted=True)
    (0.5, 0.0, 0.5)
    """
    histogram = _histogram(counts)
    plain = _gini(histogram)
    return _adjusted(plain, histogram) if adjusted else plain


def gini_by_chance(incidents: float, places: int) -> float:
    """Return the Gini coefficient to expect when all places run the same risk: that of Poisson counts.

    Notes
    -----
    ``exp(-2m) (I0(2m) + I1(2m))`` with m the mean count and I the modified Bessel functions.
    """
    mean = incidents / places
    return float(special.ive(0, 2 * mean) + special.ive(1, 2 * mean))


def gini_of_rates(counts: ArrayLike) -> float:
    """Estimate the Gini coefficient of the places' underlying rates, as if the record were endless.

    The rates are taken to follow a gamma distribution, so that counts are negative binomial; its shape k is that of the
    greatest likelihood, and the coefficient is ``Gamma(k + 1/2) / (sqrt(pi) Gamma(k + 1))``.

    Returns
    -------
    float
        0 where counts vary no more than chance makes them.
    """
    return _gini_of_rates(_histogram(counts))


def lorenz_curve(counts: ArrayLike) -> pd.DataFrame:
    """Return the Lorenz curve, the busiest places first.

    Returns
    -------
    DataFrame
        ``places_share``, ``incidents_share``, and ``most_even``: the share of incidents these places would hold in the
        most even spread that so few incidents allow. One row per distinct count: between rows the curve is straight.
    """
    values, places = _histogram(counts)
    values, places = values[::-1], places[::-1]
    total, n = float(values @ places), float(places.sum())
    along = np.concatenate([[0.0], np.cumsum(places) / n])
    held = np.concatenate([[0.0], np.cumsum(values * places) / total])
    even = np.minimum(along * max(n / total, 1.0), 1.0)
    return pd.DataFrame({"places_share": along, "incidents_share": held, "most_even": even})


def chance_curve(incidents: float, places: int) -> pd.DataFrame:
    """Return the Lorenz curve to expect when all places run the same risk: that of Poisson counts.

    Returns
    -------
    DataFrame
        ``places_share`` and ``incidents_share``, the busiest places first.
    """
    values, mass = (side[::-1] for side in _chance_histogram(incidents / places))
    along, held = (np.concatenate([[0.0], np.cumsum(part) / part.sum()]) for part in (mass, values * mass))
    return pd.DataFrame({"places_share": along, "incidents_share": held})


def _histogram(counts: ArrayLike) -> _Histogram:
    """Return the distinct counts in ascending order and how many places have each."""
    array = np.asarray(counts, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise PatternError(f"Concentration needs one count per place, got an array of shape {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any() or (array != np.floor(array)).any():
        raise PatternError("Concentration needs whole, non-negative counts: weigh incidents elsewhere.")
    if not array.any():
        raise PatternError("Concentration needs at least one incident, got none: widen the window or the category.")
    values, places = np.unique(array, return_counts=True)
    return values, places.astype(float)


def _gini(histogram: _Histogram) -> float:
    values, places = histogram
    before = np.cumsum(places) - places
    ranks = places * (2.0 * before + places + 1.0) / 2.0
    n, total = places.sum(), values @ places
    return float((2.0 * (values @ ranks) / total - n - 1.0) / n)


def _adjusted(plain: float, histogram: _Histogram) -> float:
    values, places = histogram
    return 1.0 - max(float(places.sum() / (values @ places)), 1.0) * (1.0 - plain)


def _places_holding(histogram: _Histogram, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least share of places that holds each share of the incidents; equal places get fractional credit."""
    values, places = (side[::-1] for side in histogram)
    busy = values > 0
    held = np.concatenate([[0.0], np.cumsum(values[busy] * places[busy])])
    used = np.concatenate([[0.0], np.cumsum(places[busy])])
    return np.interp(shares * held[-1], held, used) / places.sum()


def _chance_histogram(mean: float) -> _Histogram:
    low, high = int(stats.poisson.ppf(1e-12, mean)), int(stats.poisson.ppf(1.0 - 1e-12, mean))
    values = np.arange(low, high + 1)
    return values.astype(float), stats.poisson.pmf(values, mean)


def _statistics(histogram: _Histogram, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    plain = _gini(histogram)
    return np.concatenate([[plain, _adjusted(plain, histogram)], _places_holding(histogram, shares)])


def _resampled(histogram: _Histogram, shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw as many places anew; nan where none of them has an incident."""
    values, places = histogram
    n = int(places.sum())
    drawn = rng.multinomial(n, places / n).astype(float)
    if not values @ drawn:
        return np.full(2 + len(shares), np.nan)
    return _statistics((values, drawn), shares)


def _gini_of_rates(histogram: _Histogram) -> float:
    values, places = histogram
    n = places.sum()
    mean = float(values @ places / n)
    variance = float((values - mean) ** 2 @ places / n)
    if variance <= mean:
        return 0.0

    def loss(log_shape: float) -> float:
        k = np.exp(log_shape)
        terms = special.gammaln(values + k) - special.gammaln(k) + k * np.log(k / (k + mean))
        return -float(places @ (terms + values * np.log(mean / (k + mean)))) / float(n)

    best = optimize.minimize_scalar(loss, bounds=(np.log(1e-4), np.log(_STEADY_SHAPE)), method="bounded")
    shape = float(np.exp(best.x))
    return float(np.exp(special.gammaln(shape + 0.5) - special.gammaln(shape + 1.0)) / np.sqrt(np.pi))
