"""Candidates for pattern cards: sets of alike events that stand out, each taken out before the next search.

Strong patterns hide weaker ones, since dealt-out labels contain the strong ones' labels too. So what was found is taken
out and the search is done again, until nothing stands out (Zhang, Assuncao and Kulldorff 2010,
https://doi.org/10.1155/2010/642379).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.pattern import PatternType
from crimepatterns.domain.protocols import Executor
from crimepatterns.patterns.cards_fields import Fields, KeySet
from crimepatterns.patterns.cards_scan import NO_SCORE, WEEKS, Family, LabelScan, Reach, Scale, close_pairs
from crimepatterns.patterns.permutation import exceeds, replicates

__all__ = ["CITYWIDE", "REACHES", "Candidate", "Scene", "find_candidates", "key_sets"]

REACHES: Mapping[PatternType, Reach] = {
    "series": Reach(1_000.0, 21.0),
    "spree": Reach(1_500.0, 1.0),
    "hot spot": Reach(250.0, 28.0),
    "hot place": Reach(1.0, 91.0),
}
"""Reach of a window around its centre, by local type."""

CITYWIDE: tuple[PatternType, ...] = ("hot product", "hot prey", "hot setting")
"""Types that are related by product, target or setting, wherever they happen."""

_Ends = tuple[NDArray[np.int32], NDArray[np.int32]]

_MOST_ROUNDS = 8
_LEAST_PLACES = 3
_MOST_BY_CHANCE = 0.5


@dataclass(frozen=True, eq=False)
class Scene:
    """The incidents among which candidates are looked for; arrays of shape (n,).

    Parameters
    ----------
    x, y : ndarray of float, metres
    time_days : ndarray of float
        Middle of the time in which each can have happened, civil days.
    week, stratum : ndarray of int64
        Week of the window, and number of district and season.
    families : tuple of Family
    category : ndarray of int64
    """

    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    time_days: NDArray[np.float64] = field(repr=False)
    week: NDArray[np.int64] = field(repr=False)
    stratum: NDArray[np.int64] = field(repr=False)
    families: tuple[Family, ...]
    category: NDArray[np.int64] = field(repr=False)

    def only(self, rows: NDArray[np.int64]) -> "Scene":
        """Return the scene with the given incidents only."""
        families = tuple(Family(f.iaca_type, f.keys, f.code[rows], f.rate[rows]) for f in self.families)
        return Scene(
            self.x[rows],
            self.y[rows],
            self.time_days[rows],
            self.week[rows],
            self.stratum[rows],
            families,
            self.category[rows],
        )

    def places(self, rows: NDArray[np.int64]) -> int:
        """Count distinct places, to the metre."""
        return len(np.unique(np.round(np.column_stack([self.x[rows], self.y[rows]])), axis=0))


@dataclass(frozen=True, eq=False)
class Candidate:
    """A set of alike events that stands out.

    Parameters
    ----------
    iaca_type : str
    keys : tuple of str
        Fields in which the events agree.
    rows : ndarray of int64
        Positions in the scene, ascending.
    expected : float
    p_value, q_value : float
        Of one so distinct in the same district and season (in the city for city-wide types); and the share of false
        ones among all that are as distinct.
    score : float
    """

    iaca_type: PatternType
    keys: KeySet
    rows: NDArray[np.int64] = field(repr=False)
    expected: float
    p_value: float
    q_value: float
    score: float


def key_sets(fields: Fields) -> dict[PatternType, tuple[KeySet, ...]]:
    """Return in what events of each type must agree; none where the file lacks the columns."""
    own = set(fields.behaviours)
    prey: tuple[KeySet, ...] = (("business",),) if "business" in own else (("premise",),) if "premise" in own else ()
    return {
        "series": fields.similar(),
        "spree": fields.similar(),
        "hot prey": prey,
        "hot product": (("property",),) if "property" in own else (),
        "hot spot": (("category",),),
        "hot place": (("category",),),
        "hot setting": (("category", "premise"),) if "premise" in own else (),
    }


def find_candidates(
    scene: Scene,
    *,
    reaches: Mapping[PatternType, Reach] = REACHES,
    least: int = 3,
    level: float = 0.02,
    count: int = 199,
    seed: int = 0,
    executor: Executor | None = None,
) -> tuple[Candidate, ...]:
    """Find sets of alike events that stand out from labels dealt out anew within district and season.

    Parameters
    ----------
    scene : Scene
    reaches : mapping of type to Reach
    least : int
        Fewest events of a candidate.
    level : float
        Greatest share of false candidates, and so the chance of any at all where the null hypothesis holds.
    count : int
        Replicates of each search.
    seed : int
    executor : Executor, optional

    Returns
    -------
    tuple of Candidate
        Without common members, the most distinct first.
    """
    alive = np.arange(len(scene.x))
    pairs: dict[str, _Ends] = {}
    pairs |= {name: close_pairs(scene.x, scene.y, scene.time_days, reach) for name, reach in reaches.items()}
    found: list[Candidate] = []
    for turn in range(_MOST_ROUNDS):
        if len(alive) < least:
            break
        here = _Round(scene.only(alive), _within(pairs, alive, len(scene.x)), least, level)
        new = here.distinct(before=len(found), count=count, seed=seed + turn, executor=executor)
        if not new:
            break
        found += [_back(one, alive) for one in new]
        alive = np.setdiff1d(alive, np.concatenate([one.rows for one in found]))
    return tuple(sorted(found, key=lambda one: (one.q_value, -one.score)))


class _Round:
    """One search among what is still there."""

    def __init__(self, scene: Scene, pairs: Mapping[str, _Ends], least: int, level: float) -> None:
        self._scene, self._level, self._least = scene, level, least
        order = np.argsort(scene.stratum, kind="stable")
        local = tuple(f for f in scene.families if f.iaca_type not in CITYWIDE)
        citywide = tuple(f for f in scene.families if f.iaca_type in CITYWIDE)
        self._scan = LabelScan(local, citywide, pairs, order, scene.stratum, scene.week, least)

    def distinct(self, *, before: int, count: int, seed: int, executor: Executor | None) -> list[Candidate]:
        """Return at most one candidate per district and season: the next ones are judged without it."""
        raw = self._scan.scores()
        observed = self._scan.maxima(raw)
        drawn = np.stack(list(replicates(self._scan.dealt_maxima, count, seed=seed, executor=executor)))
        scale = Scale.of(drawn, observed)
        null = _Null(scale.by_block(drawn), scale.by_block(observed), before)
        scores = [scale.apply(own, number) for number, own in enumerate(raw)]
        chosen: list[Candidate] = []
        taken, closed = np.zeros(len(self._scene.x), dtype=bool), set()
        for score, number, at in self._listed(scores, null, self._level):
            block = self._block(number, at)
            p, q = null.p_value(score, block), null.q_value(score)
            if block in closed or p > self._level:
                continue
            one = self._candidate(number, at, scores, score=score, chances=(p, q))
            if one is not None and not taken[one.rows].any():
                taken[one.rows] = True
                closed.add(block)
                chosen.append(one)
        return chosen

    def _block(self, number: int, at: int) -> int:
        return int(self._scene.stratum[at]) if number < len(self._scan.local) else self._scan.blocks - 1

    @staticmethod
    def _listed(scores: list[NDArray[np.float64]], null: "_Null", level: float) -> list[tuple[float, int, int]]:
        limit = null.threshold(level)
        listed = [
            (float(own[at]), number, int(at))
            for number, own in enumerate(scores)
            for at in np.flatnonzero(own >= limit)
        ]
        return sorted(listed, key=lambda item: (-item[0], item[1], item[2]))

    def _candidate(
        self, number: int, at: int, scores: list[NDArray[np.float64]], *, score: float, chances: tuple[float, float]
    ) -> Candidate | None:
        family = self._scan.families[number]
        if family.iaca_type in CITYWIDE:
            return self._of_window(family, at, score, chances)
        if family.iaca_type in ("series", "spree"):
            family = self._broadest(family, at, scores)
        rows, expected = self._around(family, at)
        kind = family.iaca_type
        if kind == "hot spot" and self._scene.places(rows) == 1:
            kind = "hot place"
        return Candidate(kind, family.keys, rows, expected, *chances, score) if len(rows) >= self._least else None

    def _broadest(self, family: Family, at: int, scores: list[NDArray[np.float64]]) -> Family:
        """Of all ways of being alike that stand out here, take the one with most members, few of them by chance."""
        chosen, most = family, len(self._around(family, at)[0])
        for number, other in enumerate(self._scan.local):
            longer = other.iaca_type == "series" and family.iaca_type == "spree"
            # Standing out: above the median of the best in the whole city that chance gives.
            if (other.iaca_type != family.iaca_type and not longer) or scores[number][at] < 0:
                continue
            rows, expected = self._around(other, at)
            # A quick succession within a longer series is told as the series.
            if len(rows) > most + longer and expected <= _MOST_BY_CHANCE:
                chosen, most = other, len(rows)
        return chosen

    def _around(self, family: Family, at: int) -> tuple[NDArray[np.int64], float]:
        first, second = self._scan.pairs[family.iaca_type]
        near = np.concatenate([[at], second[first == at], first[second == at]]).astype(np.int64)
        rows = np.sort(near[family.code[near] == family.code[at]])
        return rows, float(family.rate[at] * len(near))

    def _of_window(self, family: Family, at: int, score: float, chances: tuple[float, float]) -> Candidate | None:
        _, counts, means = self._scan.window_scores(family.code)
        k, last, code = np.unravel_index(at, counts.shape)
        inside = (self._scene.week > last - WEEKS[int(k)]) & (self._scene.week <= last)
        rows = np.flatnonzero(inside & (family.code == code))
        if self._scene.places(rows) < _LEAST_PLACES:
            return None
        # One kind of crime at one kind of premise is a setting; prey is what several kinds of crime have in common.
        if family.keys == ("premise",) and len(np.unique(self._scene.category[rows])) == 1:
            return None
        return Candidate(family.iaca_type, family.keys, rows, float(means[k, last, code]), *chances, score)


@dataclass(frozen=True, eq=False)
class _Null:
    """Best scores of each block under the null hypothesis, shape (r, n_blocks), beside the observed ones."""

    drawn: NDArray[np.float64]
    observed: NDArray[np.float64]
    before: int

    def p_value(self, score: float, block: int) -> float:
        """Of a set so distinct in the same district and season."""
        return float((exceeds(self.drawn[:, block], score).sum() + 1) / (len(self.drawn) + 1))

    def q_value(self, score: float) -> float:
        """Districts and seasons that chance gives such a score, to those that have one and what was found before."""
        return float(min([self._ratio(own) for own in np.unique(self.observed) if NO_SCORE < own <= score] + [1.0]))

    def threshold(self, level: float) -> float:
        """Return the lowest observed best score whose share of false ones is at most `level`."""
        return min(
            (float(own) for own in self.observed if own > NO_SCORE and self._ratio(own) <= level), default=np.inf
        )

    def _ratio(self, score: float) -> float:
        by_chance = (exceeds(self.drawn, score).sum() + 1) / (len(self.drawn) + 1)
        return float(by_chance / (int(exceeds(self.observed, score).sum()) + self.before))


def _within(pairs: Mapping[str, _Ends], alive: NDArray[np.int64], size: int) -> dict[str, _Ends]:
    place = np.full(size, -1, dtype=np.int32)
    place[alive] = np.arange(len(alive), dtype=np.int32)
    kept = {}
    for name, (first, second) in pairs.items():
        one, other = place[first], place[second]
        both = (one >= 0) & (other >= 0)
        kept[name] = (one[both], other[both])
    return kept


def _back(one: Candidate, alive: NDArray[np.int64]) -> Candidate:
    return Candidate(one.iaca_type, one.keys, alive[one.rows], one.expected, one.p_value, one.q_value, one.score)
