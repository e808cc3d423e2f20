"""Windows in which alike events stand closer than labels dealt out anew within district and season would put them.

Every incident is the centre of a window of place and time. Its score is minus the decimal logarithm of the binomial
chance of so many alike events among the incidents in the window, at the base rate of their values. City-wide windows of
one, two and four weeks are scored against what districts and seasons expect. Under the null hypothesis the labels of
incidents (category and behaviour together) are exchangeable within district and season; places and times stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crimepatterns.domain.pattern import PatternType
from crimepatterns.patterns.cards_fields import KeySet
from crimepatterns.patterns.cards_past import Past
from crimepatterns.patterns.cards_windows import Windows

__all__ = ["NO_SCORE", "WEEKS", "Family", "LabelScan", "Scale"]

WEEKS = (1, 2, 4)
"""Lengths of city-wide windows."""

NO_SCORE = -1e3
"""Stands for no score among standardised ones: finite, so that it ties with nothing else."""

_LEAST_SCALE = 0.25


@dataclass(frozen=True, eq=False)
class Family:
    """One way of being alike, at one reach.

    Parameters
    ----------
    iaca_type : str
    keys : tuple of str
        Fields that agree.
    code : ndarray of int64, shape (n,)
        Combination of their values, -1 where unknown.
    rate : ndarray of float, shape (n,)
        Base rate of that combination in the incident's district.
    before : ndarray of int64, shape (m,)
        The same combination of the incidents before, -1 where it does not occur any more.
    past : Past or None
        What was usual at the places before; None for city-wide types, and while it is not counted yet.
    """

    iaca_type: PatternType
    keys: KeySet
    code: NDArray[np.int64] = field(repr=False)
    rate: NDArray[np.float64] = field(repr=False)
    before: NDArray[np.int64] = field(repr=False)
    past: Past | None = field(default=None, repr=False)

    def only(self, rows: NDArray[np.int64]) -> "Family":
        """Return the same for some of the incidents."""
        past = None if self.past is None else self.past.only(rows)
        return replace(self, code=self.code[rows], rate=self.rate[rows], past=past)

    def rates(self, rows: NDArray[np.int64], code: NDArray[np.int64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the base rates of values at the places of some incidents; see `Past.rates`."""
        return rate if self.past is None else self.past.rates(rows, code, rate)


@dataclass(frozen=True, eq=False)
class LabelScan:
    """The scores of all families for one dealing-out of the labels.

    Parameters
    ----------
    local, citywide : tuple of Family
    windows : mapping of type to Windows
        Of each local type.
    category : ndarray of int64, shape (n,)
        Members of a local family agree in it, whatever else they agree in.
    order, stratum : ndarray of int64, shape (n,)
        Incidents sorted by district and season, and the number of it in the order of the incidents.
    week : ndarray of int64, shape (n,)
        Week of each incident, 0 the first.
    least : int
        Fewest alike events that count.
    blocks : int
        Number of districts and seasons, and one for the city as a whole.
    """

    local: tuple[Family, ...]
    citywide: tuple[Family, ...]
    windows: Mapping[str, Windows] = field(repr=False)
    category: NDArray[np.int64] = field(repr=False)
    order: NDArray[np.int64] = field(repr=False)
    stratum: NDArray[np.int64] = field(repr=False)
    week: NDArray[np.int64] = field(repr=False)
    least: int
    blocks: int

    @property
    def families(self) -> tuple[Family, ...]:
        """All families, in the order of the scores."""
        return (*self.local, *self.citywide)

    def dealt_maxima(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Deal the labels out anew within district and season, and return the best scores; see `maxima`."""
        dealt = np.empty(len(self.order), dtype=np.int64)
        dealt[self.order] = np.lexsort((rng.random(len(self.order)), self.stratum))
        return self.maxima(self.scores(dealt))

    def maxima(self, scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the best score of each family by district and season of the centre, shape (n_families, n_blocks).

        City-wide windows stand in the last block.
        """
        best = np.zeros((len(scores), self.blocks))
        for number, own in enumerate(scores):
            if number < len(self.local):
                worth = np.flatnonzero(own)
                np.maximum.at(best[number], self.stratum[worth], own[worth])
            else:
                best[number, -1] = own.max(initial=0.0)
        return best

    def scores(self, dealt: NDArray[np.int64] | None = None) -> list[NDArray[np.float64]]:
        """Score every centre of every local family, and every window and value of the city-wide ones."""
        found = {}
        for kind, windows in self.windows.items():
            own = [number for number, family in enumerate(self.local) if family.iaca_type == kind]
            if own:
                centre, member = _of_one_category(windows, self.category if dealt is None else self.category[dealt])
            for number in own:
                family = self.local[number]
                code, rate = self._dealt(family.code, dealt), self._dealt(family.rate, dealt)
                alike = _alike(centre, member, code.astype(np.int32))
                rows = np.flatnonzero(alike >= self.least)
                rates = family.rates(rows, code[rows], rate[rows])
                found[number] = _local_scores(alike, windows.among, rows, rates)
        local = [found[number] for number in range(len(self.local))]
        return [*local, *(self.window_scores(self._dealt(one.code, dealt))[0].ravel() for one in self.citywide)]

    @staticmethod
    def _dealt(values: NDArray[Any], dealt: NDArray[np.int64] | None) -> NDArray[Any]:
        return values if dealt is None else values[dealt]

    def window_scores(
        self, code: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Score city-wide windows.

        Returns
        -------
        scores, counts, expected : ndarray, shape (n_lengths, n_weeks, n_codes)
            Windows by their last week; those that begin before the first week have score 0.
        """
        known = np.flatnonzero(code >= 0)
        codes, weeks = int(code.max(initial=0)) + 1, int(self.week.max(initial=0)) + 1
        strata = int(self.stratum.max(initial=0)) + 1
        by_week = np.bincount(self.week[known] * codes + code[known], minlength=weeks * codes).reshape(weeks, codes)
        in_stratum = np.bincount(self.stratum[known] * codes + code[known], minlength=strata * codes)
        every = np.bincount(self.week * strata + self.stratum, minlength=weeks * strata).reshape(weeks, strata)
        share = in_stratum.reshape(strata, codes) / np.maximum(every.sum(axis=0), 1)[:, None]
        expected = every @ share
        shape = (len(WEEKS), weeks, codes)
        scores, counts, means = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for k, length in enumerate(WEEKS):
            counts[k], means[k] = _rolling(by_week, length), _rolling(expected, length)
            counts[k, : length - 1] = 0
        worth = counts >= self.least
        chance = special.gammainc(counts[worth], np.maximum(means[worth], 1e-12))
        scores[worth] = -np.log10(np.maximum(chance, 1e-300))
        return scores, counts, means


@dataclass(frozen=True, eq=False)
class Scale:
    """Puts the scores of families of different fineness on one scale.

    Location and scale of each family are the median and the quartile range of its best scores in the city over all
    replicates, the observed one among them, and at least those of the median family.

    Parameters
    ----------
    middle, spread : ndarray of float, shape (n_families,)
    """

    middle: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, maxima: NDArray[np.float64], observed: NDArray[np.float64]) -> "Scale":
        """Measure it on the best scores of replicates, shape (r, n_families, n_blocks), and the observed ones."""
        best = np.vstack([maxima.max(axis=2), observed.max(axis=1)])
        low, middle, high = np.quantile(best, [0.25, 0.5, 0.75], axis=0)
        # In most replicates nothing is alike in a very fine way: its scale would be nought, its rare scores endless.
        usual = middle > 0
        least = np.median(middle[usual]) if usual.any() else 1.0
        spread = np.maximum(high - low, _LEAST_SCALE)
        least_spread = np.median(spread[usual]) if usual.any() else 1.0
        return cls(np.maximum(middle, least), np.maximum(spread, least_spread))

    def apply(self, scores: NDArray[np.float64], family: int) -> NDArray[np.float64]:
        """Return standardised scores of one family; `NO_SCORE` where there is none."""
        return np.where(scores > 0, (scores - self.middle[family]) / self.spread[family], NO_SCORE)

    def by_block(self, maxima: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the best standardised score over the families, shape (..., n_blocks)."""
        scaled = (maxima - self.middle[:, None]) / self.spread[:, None]
        return np.asarray(np.where(maxima > 0, scaled, NO_SCORE).max(axis=-2))


def _of_one_category(windows: Windows, category: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    small = category.astype(np.int32)
    same = np.flatnonzero(small[windows.centre] == small[windows.member])
    return windows.centre[same], windows.member[same]


def _alike(centre: NDArray[np.int32], member: NDArray[np.int32], code: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count the alike events in the window of each centre, itself included; 0 where its values are unknown."""
    same = centre[code[centre] == code[member]]
    return np.where(code >= 0, np.bincount(same, minlength=len(code)) + 1, 0)


def _local_scores(
    alike: NDArray[np.int64], among: NDArray[np.int64], rows: NDArray[np.int64], rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score the centres in `rows` by the chance of so many alike; 0 where no more than the base rate gives."""
    scores = np.zeros(len(alike))
    more = alike[rows] - 1 > rate * (among[rows] - 1)
    worth, rate = rows[more], rate[more]
    k, n = alike[worth].astype(float), among[worth].astype(float)
    scores[worth] = -np.log10(np.maximum(special.betainc(k - 1.0, n - k + 1.0, rate), 1e-300))
    return scores


def _rolling(values: NDArray[np.generic], length: int) -> NDArray[np.generic]:
    total = np.cumsum(values, axis=0)
    total[length:] = total[length:] - total[:-length]
    return total
