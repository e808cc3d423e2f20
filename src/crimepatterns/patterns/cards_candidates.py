"""Candidates for pattern cards: sets of alike events that stand out, each taken out before the next search.

Strong patterns hide weaker ones, since dealt-out labels contain the strong ones' labels too. So what was found is taken
out and the search is done again, until nothing stands out (Zhang, Assuncao and Kulldorff 2010,
https://doi.org/10.1155/2010/642379).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.pattern import PatternType
from crimepatterns.domain.protocols import Executor
from crimepatterns.patterns.cards_fields import Fields, KeySet
from crimepatterns.patterns.cards_past import Before, pasts
from crimepatterns.patterns.cards_scan import NO_SCORE, WEEKS, Family, LabelScan, Scale
from crimepatterns.patterns.cards_windows import Reach, Windows, make_windows
from crimepatterns.patterns.permutation import exceeds, replicates

__all__ = ["CITYWIDE", "REACHES", "Candidate", "Scene", "find_candidates", "key_sets"]

REACHES: Mapping[PatternType, Reach] = {
    "series": Reach(1_000.0, 21.0),
    "spree": Reach(1_500.0, 1.0),
    "hot spot": Reach(250.0, 28.0),
    "hot place": Reach(1.0, 60.0),
}
"""Reach of a window around its centre, by local type."""

CITYWIDE: tuple[PatternType, ...] = ("hot product", "hot prey", "hot setting")
"""Types that are related by product, target or setting, wherever they happen."""

_MOST_ROUNDS = 8
_LEAST_PLACES = 3
_MOST_BY_CHANCE = 0.5
_FEW = 0.03


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
    before : Before
        Incidents of the time before.
    """

    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    time_days: NDArray[np.float64] = field(repr=False)
    week: NDArray[np.int64] = field(repr=False)
    stratum: NDArray[np.int64] = field(repr=False)
    families: tuple[Family, ...]
    category: NDArray[np.int64] = field(repr=False)
    before: Before = field(repr=False)

    def only(self, rows: NDArray[np.int64]) -> "Scene":
        """Return the scene with the given incidents only."""
        families = tuple(family.only(rows) for family in self.families)
        return Scene(
            self.x[rows],
            self.y[rows],
            self.time_days[rows],
            self.week[rows],
            self.stratum[rows],
            families,
            self.category[rows],
            self.before,
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
    needed = {family.iaca_type for family in scene.families}
    windows: dict[str, Windows] = {
        name: make_windows(scene.x, scene.y, scene.time_days, reach)
        for name, reach in reaches.items()
        if name in needed and name not in CITYWIDE
    }
    scene = _with_pasts(scene, windows)
    alive, blocks = np.arange(len(scene.x)), int(scene.stratum.max(initial=0)) + 2
    found: list[Candidate] = []
    former: _Null | None = None
    stale = np.ones(blocks, dtype=bool)
    for turn in range(_MOST_ROUNDS):
        if len(alive) < least or not scene.families:
            break
        left = {name: own.only(alive) for name, own in windows.items()} if turn else windows
        here = _Round(scene.only(alive), left, stale, least, level)
        new, former = here.distinct(before=len(found), former=former, count=count, seed=seed + turn, executor=executor)
        if not new:
            break
        stale = here.disturbed(new)
        found += [_back(one, alive) for one in new]
        alive = np.setdiff1d(alive, np.concatenate([one.rows for one in found]))
    return tuple(sorted(found, key=lambda one: (one.q_value, -one.score)))


def _with_pasts(scene: Scene, windows: Mapping[str, Windows]) -> Scene:
    families = list(scene.families)
    for name, own in windows.items():
        codes = {
            number: (family.before, int(family.code.max(initial=0)) + 1)
            for number, family in enumerate(families)
            if family.iaca_type == name
        }
        for number, past in pasts(scene.x, scene.y, own, scene.before, codes).items():
            families[number] = replace(families[number], past=past)
    return replace(scene, families=tuple(families))


class _Round:
    """One search among what is still there; districts and seasons from which nothing was taken need no new look."""

    def __init__(
        self, scene: Scene, windows: Mapping[str, Windows], stale: NDArray[np.bool_], least: int, level: float
    ) -> None:
        self._scene, self._windows, self._level, self._least = scene, windows, level, least
        self._stale, self._again = stale, np.zeros(len(stale), dtype=bool)
        order = np.argsort(scene.stratum, kind="stable")
        local = tuple(f for f in scene.families if f.iaca_type not in CITYWIDE)
        citywide = tuple(f for f in scene.families if f.iaca_type in CITYWIDE)
        looked = windows if stale.all() else {n: own.around(stale[scene.stratum]) for n, own in windows.items()}
        self._scan = LabelScan(
            local, citywide, looked, scene.category, order, scene.stratum, scene.week, least, len(stale)
        )

    def distinct(
        self, *, before: int, former: "_Null | None", count: int, seed: int, executor: Executor | None
    ) -> tuple[list[Candidate], "_Null"]:
        """Return at most one candidate per district and season: the next ones are judged without it."""
        raw = self._scan.scores()
        observed = self._scan.maxima(raw)
        drawn = np.stack(list(replicates(self._scan.dealt_maxima, count, seed=seed, executor=executor)))
        scale = Scale.of(drawn, observed) if former is None else former.scale
        null = _Null(scale.by_block(drawn), scale.by_block(observed), before, scale)
        if former is not None:
            null = null.with_former(former, self._stale)
        scores = [scale.apply(own, number) for number, own in enumerate(raw)]
        chosen: list[Candidate] = []
        taken, closed = np.zeros(len(self._scene.x), dtype=bool), set()
        self._again[:] = False
        for score, number, at in self._listed(scores, null, self._level):
            block = self._block(number, at)
            p, q = null.p_value(score, block), null.q_value(score)
            if block in closed or p > self._level:
                continue
            one = self._candidate(number, at, scores, score=score, chances=(p, q))
            if one is not None:
                self._again[block] = True
                if not taken[one.rows].any():
                    taken[one.rows] = True
                    closed.add(block)
                    chosen.append(one)
        return chosen, null

    def disturbed(self, taken: Sequence[Candidate]) -> NDArray[np.bool_]:
        """Tell in which districts and seasons to look again without the given candidates.

        Those in which something was found, and those that lose more than a few of their events.
        """
        stratum = self._scene.stratum
        size = np.bincount(stratum, minlength=len(self._stale))
        lost = np.bincount(stratum[np.concatenate([one.rows for one in taken])], minlength=len(self._stale))
        stale = self._again | (lost > _FEW * size)
        stale[-1] = True
        return stale

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
        if kind in ("hot spot", "series") and self._scene.places(rows) == 1:
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
        near = self._windows[family.iaca_type].of(at)
        rows = near[family.code[near] == family.code[at]]
        here = np.array([at])
        return rows, float(family.rates(here, family.code[here], family.rate[here])[0] * len(near))

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
    scale: Scale

    def with_former(self, former: "_Null", stale: NDArray[np.bool_]) -> "_Null":
        """Return what is new for the blocks that were looked at again, and the former for the others."""
        drawn = np.where(stale, self.drawn, former.drawn)
        return replace(self, drawn=drawn, observed=np.where(stale, self.observed, former.observed))

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


def _back(one: Candidate, alive: NDArray[np.int64]) -> Candidate:
    return Candidate(one.iaca_type, one.keys, alive[one.rows], one.expected, one.p_value, one.q_value, one.score)
