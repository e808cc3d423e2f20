r"""Have the records changed: an effect that matters and a test that respects weeks, corrected for looking often.

Every feature is compared between the last weeks and those before. One alone deceives: with many records a test finds
differences that do not matter, and with few an index such as the PSI is large by chance or, at its usual limit of 0.1,
misses a shift by a third of a standard deviation. An alarm needs both: an effect above its limit, and a q-value of
Benjamini and Hochberg (1995) below the level of its family.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.errors import DomainError
from crimepatterns.monitoring.weekly import design_effect

__all__ = ["FEATURE_LEVEL", "Feature", "Shift", "alarms", "compare", "population_stability"]

FEATURE_LEVEL: Final = 0.01
"""False discovery rate among features; the rest of the 5 % of a month is left to breaks of volume."""

_LEAST_RECORDS, _LEAST_WEEKS = 30, 6
_LIMITS: Final = {"Wasserstein distance / standard deviation": 0.15, "PSI": 0.05}
_WEIGHTS: Final = (0.8, 0.1, 0.1)
"""Of the tests that see shifts, changes of spread and all other changes."""
_NEVER: Final = 0.99
"""A p-value above it says no more than it: at 1 the Cauchy combination would silence the other tests for good."""
_RARE = 5.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Feature:
    """One fact about records, week by week.

    Parameters
    ----------
    group : str
        Feature group, such as ``places``.
    name : str
    records : ndarray, shape (n,)
        Numbers, or labels as text.
    week : ndarray of int, shape (n,)
        Number of the week of each record; gaps are allowed.
    """

    group: str
    name: str
    records: NDArray[Any]
    week: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.records.shape != self.week.shape or self.records.ndim != 1:
            raise DomainError(f"Feature {self.name} needs one week per record, got {self.records.shape}.")

    @property
    def least(self) -> int:
        """So many records are needed on either side; fewer where each stands for a whole week."""
        return _LEAST_WEEKS if len(np.unique(self.week)) == len(self.week) else _LEAST_RECORDS


@dataclass(frozen=True)
class Shift:
    """How far the last weeks lie from those before.

    Parameters
    ----------
    group, name : str
    measure : str
        What `effect` is.
    effect, limit : float
        Only an effect of at least `limit` can be an alarm.
    p_value, q_value : float
        1 where there are too few records to tell.
    design_effect : float
        See `crimepatterns.monitoring.weekly.design_effect`.
    before, after : int
        Records on both sides.
    direction : str
        In words.
    alarm : bool
    """

    group: str
    name: str
    measure: str
    effect: float
    limit: float
    p_value: float
    design_effect: float
    before: int
    after: int
    direction: str = ""
    q_value: float = 1.0
    alarm: bool = False


def compare(feature: Feature, *, since: int) -> Shift:
    r"""Compare the weeks from `since` on with those before.

    Numbers: the effect is the Wasserstein distance in standard deviations of the weeks before. Three tests are joined
    by the Cauchy combination (Y. Liu & J. Xie 2020, doi:10.1080/01621459.2018.1554485) at weights 8 : 1 : 1. One of
    normal scores (B. L. van der Waerden 1952) sees shifts, one of their size changes of spread, each with its variance
    inflated by its design effect; that of Kolmogorov and Smirnov sees other changes, at the effective number
    :math:`n_1 n_2 / (n_1 + n_2) / D`, where D is the larger of the two design effects.

    Labels: the effect is the population stability index; the test is chi-squared divided by the mean design effect of
    the labels (J. N. K. Rao & A. J. Scott 1981, doi:10.1080/01621459.1981.10477633). Rare labels are taken together.

    Parameters
    ----------
    feature : Feature
    since : int
        First of the last weeks.

    Returns
    -------
    Shift
        Without q-value; see `alarms`.
    """
    recent = feature.week >= since
    if min(int(recent.sum()), int((~recent).sum())) < feature.least:
        return _untold(feature, recent)
    if feature.records.dtype.kind in "OUS":
        return _labels(feature, recent)
    return _numbers(feature, recent)


def alarms(shifts: Sequence[Shift], *, level: float = FEATURE_LEVEL) -> list[Shift]:
    """Give each shift its q-value, and an alarm where both test and effect say so.

    Parameters
    ----------
    shifts : sequence of Shift
        All features that were looked at together.
    level : float
        False discovery rate.
    """
    if not shifts:
        return []
    q_values = stats.false_discovery_control([one.p_value for one in shifts])
    return [
        _with(one, q_value=float(q), alarm=bool(q <= level and abs(one.effect) >= one.limit))
        for one, q in zip(shifts, q_values, strict=True)
    ]


def population_stability(before: Floats, after: Floats) -> float:
    r"""Return the population stability index, :math:`\sum (p - q) \ln (p / q)`; 0 where the shares are the same.

    Parameters
    ----------
    before, after : ndarray of float, shape (n_classes,)
        Counts; half a record is added to each, so that empty classes can be told.
    """
    p, q = (before + 0.5) / (before + 0.5).sum(), (after + 0.5) / (after + 0.5).sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _numbers(feature: Feature, recent: NDArray[np.bool_]) -> Shift:
    values = np.asarray(feature.records, dtype=float)
    old, new = values[~recent], values[recent]
    scores = stats.norm.ppf(stats.rankdata(values) / (len(values) + 1))
    by_shift, difference, shifted = _by_scores(scores, feature.week, recent)
    by_spread, widening, spread_out = _by_scores(np.abs(scores), feature.week, recent)
    inflation = max(shifted, spread_out)
    effective = len(old) * len(new) / (len(old) + len(new)) / inflation
    by_shape = float(stats.kstwobign.sf(stats.ks_2samp(old, new).statistic * np.sqrt(effective)))
    spread = float(old.std())
    effect = float(stats.wasserstein_distance(old, new)) / spread if spread > 0 else float((new != old[0]).any())
    measure = "Wasserstein distance / standard deviation"
    words = "higher than before" if difference > 0 else "lower than before"
    if by_spread < by_shift:
        words = "more spread out than before" if widening > 0 else "less spread out than before"
    p_value = _joined(by_shift, by_spread, by_shape)
    return Shift(
        feature.group, feature.name, measure, effect, _LIMITS[measure], p_value, inflation, len(old), len(new), words,
    )  # fmt: skip


def _by_scores(scores: Floats, week: NDArray[np.int64], recent: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the p-value of a difference in mean score, the difference, and the design effect."""
    inflation = design_effect(scores[~recent], week[~recent])
    difference = float(scores[recent].mean() - scores[~recent].mean())
    error = float(scores.std()) * np.sqrt(inflation.factor * (1 / recent.sum() + 1 / (~recent).sum()))
    freedom = min(inflation.freedom, len(scores) - 2)
    p_value = 2 * float(stats.t.sf(abs(difference) / error, freedom)) if error > 0 else 1.0
    return p_value, difference, inflation.factor


def _joined(*p_values: float) -> float:
    """Combine p-values however they depend on each other."""
    told = np.clip(p_values, np.finfo(float).tiny, _NEVER)
    return float(stats.cauchy.sf(np.dot(_WEIGHTS, 1 / np.tan(np.pi * told))))


def _labels(feature: Feature, recent: NDArray[np.bool_]) -> Shift:
    names, codes = np.unique(feature.records.astype(str), return_inverse=True)
    names, codes = _without_rare(names, codes, recent)
    old, new = (np.bincount(codes[side], minlength=len(names)).astype(float) for side in (~recent, recent))
    week = feature.week[~recent]
    effects = [design_effect((codes[~recent] == i).astype(float), week).factor for i in range(len(names))]
    inflation = float(np.mean(effects))
    p_value, words = 1.0, "as before"
    if len(names) > 1:
        expected = np.vstack([old, new])
        usual = expected.sum(axis=1, keepdims=True) * expected.sum(axis=0) / expected.sum()
        statistic = float(np.sum((expected - usual) ** 2 / usual)) / inflation
        p_value = float(stats.chi2.sf(statistic, len(names) - 1))
        gained = int(np.argmax(np.abs(new / new.sum() - old / old.sum())))
        share = (old[gained] / old.sum(), new[gained] / new.sum())
        words = f"{names[gained]}: {share[0] * 100:.1f} % before, {share[1] * 100:.1f} % now"
    return Shift(
        feature.group, feature.name, "PSI", population_stability(old, new), _LIMITS["PSI"], p_value, inflation,
        int(old.sum()), int(new.sum()), words,
    )  # fmt: skip


def _without_rare(
    names: NDArray[np.str_], codes: NDArray[np.int64], recent: NDArray[np.bool_]
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Take labels of which fewer than five are expected on the smaller side together as one."""
    share = min(recent.mean(), 1 - recent.mean())
    rare = np.bincount(codes, minlength=len(names)) * share < _RARE
    if rare.sum() < 2:
        return names, codes
    order = np.concatenate([np.flatnonzero(~rare), np.flatnonzero(rare)])
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.minimum(np.arange(len(names)), (~rare).sum())
    return np.append(names[~rare], "all others"), place[codes]


def _untold(feature: Feature, recent: NDArray[np.bool_]) -> Shift:
    counts = int((~recent).sum()), int(recent.sum())
    return Shift(feature.group, feature.name, "none", 0.0, 1.0, 1.0, 1.0, *counts, "too few records to tell")


def _with(shift: Shift, *, q_value: float, alarm: bool) -> Shift:
    return Shift(**{**shift.__dict__, "q_value": q_value, "alarm": alarm})
