"""Which cells to lay over a city: size, turn and shift that caught most on past days, judged on later ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.comparison import PairedComparison, compare
from crimepatterns.features.fading_counts import Chooser, CountedPlaces, Fading

__all__ = [
    "Choice",
    "Occurrences",
    "Origins",
    "Trial",
    "choose_best",
    "hottest",
    "nested_gain",
    "recounted",
    "try_lattices",
]

_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Incidents of one category as a back-test needs them.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        In the unit of the lattices.
    day : ndarray of int64, shape (n,)
        Civil day on which each happened.
    known : ndarray of int64, shape (n,)
        First civil day at whose beginning it was known.
    """

    places: NDArray[np.float64] = field(repr=False)
    day: NDArray[np.int64] = field(repr=False)
    known: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Origins:
    """Days from which maps were drawn, and the days on which they are scored, half-open; in time order.

    Parameters
    ----------
    start, end : ndarray of int64, shape (n_origins,)
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def before(cls, cutoff: int, *, first: int, horizon_days: int, step_days: int, most: int) -> "Origins":
        """Step back from the cutoff, so that every window ends at it or before, and no origin is before `first`.

        Raises
        ------
        DomainError
            If not one window fits.
        """
        last = cutoff - horizon_days
        count = min(most, (last - first) // step_days + 1)
        if count < 1:
            raise DomainError(
                f"Choosing a grid needs a year of records and {horizon_days} days more before the cutoff, got "
                f"{max(0, cutoff - first + 365)} days in all: give a longer record or a later day."
            )
        start = last - step_days * np.arange(count - 1, -1, -1, dtype=np.int64)
        return cls(start, start + horizon_days)

    def __len__(self) -> int:
        return len(self.start)

    def ended_by(self, day: int) -> NDArray[np.int64]:
        """Positions of the origins whose window had ended by the beginning of a day."""
        return np.flatnonzero(self.end <= day)


@dataclass(frozen=True, eq=False)
class Trial:
    """What every lattice with every fading would have caught.

    Parameters
    ----------
    lattices : tuple of PlaceLattice
    fadings : tuple of Fading
    origins : Origins
    hits : ndarray of float, shape (n_lattices, n_fadings, n_origins, n_budgets)
        Incidents caught in the same area, all categories together.
    totals : ndarray of float, shape (n_origins,)
        Incidents that happened.
    """

    lattices: tuple[PlaceLattice, ...]
    fadings: tuple[Fading, ...]
    origins: Origins
    hits: NDArray[np.float64] = field(repr=False)
    totals: NDArray[np.float64] = field(repr=False)

    def table(self) -> pd.DataFrame:
        """List all that was tried: one row per lattice and fading with its pooled hit rate per budget."""
        pooled = self.hits.sum(axis=2) / max(1.0, float(self.totals.sum()))
        rows = []
        for i, lattice in enumerate(self.lattices):
            for j, fading in enumerate(self.fadings):
                rates = {f"hit_rate_{k}": float(rate) for k, rate in enumerate(pooled[i, j])}
                rows.append(
                    {"width": lattice.width, "height": lattice.height, "rotation_deg": lattice.rotation_deg,
                     "shift_x": lattice.shift[0], "shift_y": lattice.shift[1],
                     "half_life_days": fading.half_life_days, "touching": fading.touching, **rates}
                )  # fmt: skip
        return pd.DataFrame(rows).astype({"half_life_days": float})


@dataclass(frozen=True)
class Choice:
    """The lattice and the fading that were chosen, as positions in the trial."""

    lattice: int
    fading: int


Recount = Callable[[Choice, int], NDArray[np.float64]]


def hottest(scores: NDArray[np.float64], cells: CountedPlaces, count: float) -> NDArray[np.float64]:
    """Choose the cells of the highest scores; those that tie at the cut, or do not fit whole, share what is left.

    A cell whose score is 0 is never chosen.
    """
    _ = cells
    if count >= int((scores > 0).sum()):
        return (scores > 0).astype(float)
    last = max(1, int(np.ceil(count - _TIE)))
    cut = np.partition(scores, len(scores) - last)[len(scores) - last]
    reach = _TIE * max(1.0, abs(float(cut)))
    sure, tied = scores > cut + reach, np.abs(scores - cut) <= reach
    return np.where(tied, min(1.0, (count - float(sure.sum())) / float(tied.sum())), sure.astype(float))


def try_lattices(
    occurrences: Sequence[Occurrences],
    lattices: Sequence[PlaceLattice],
    fadings: Sequence[Fading],
    origins: Origins,
    budgets: Sequence[NDArray[np.float64]],
    *,
    choose: Chooser = hottest,
) -> Trial:
    """Draw the map of every lattice, fading and past day from what was known then, and count what it caught.

    Parameters
    ----------
    occurrences : sequence of Occurrences
        One per category; each has a map of its own.
    lattices : sequence of PlaceLattice
    fadings : sequence of Fading
    origins : Origins
    budgets : sequence of ndarray of float, shape (n_budgets,)
        One per lattice: number of cells that may be chosen, so that areas are equal.
    choose : callable
        Chooses cells; by score alone unless something else is given.

    Returns
    -------
    Trial
    """
    hits = np.zeros((len(lattices), len(fadings), len(origins), len(budgets[0])))
    totals = np.zeros(len(origins))
    for one in occurrences:
        happened = [(one.day >= start) & (one.day < end) for start, end in zip(origins.start, origins.end, strict=True)]
        totals += np.array([window.sum() for window in happened])
        for i, lattice in enumerate(lattices):
            cells = CountedPlaces.on(lattice, one.places)
            for k, start in enumerate(origins.start):
                past = (one.day < start) & (one.known <= start)
                caught, age = cells.counts(happened[k]), (start - one.day).astype(float)
                for j, scores in enumerate(cells.scores(past, age, fadings)):
                    hits[i, j, k] += [float(choose(scores, cells, count) @ caught) for count in budgets[i]]
    return Trial(tuple(lattices), tuple(fadings), origins, hits, totals)


def choose_best(trial: Trial, origins: NDArray[np.int64]) -> Choice:
    """Choose by the hits of some origins, each part by its mean over the others, so that luck has less to choose from.

    Size and fading are those with most hits on average over all turns and shifts: a single position of a grid catches
    several percent more or less by chance. Among the lattices of that size the one with most hits on average over all
    fadings is taken. Budgets count together. Of equal ones the first is taken.

    Parameters
    ----------
    trial : Trial
    origins : ndarray of int64
        Positions of the origins that may be looked at.
    """
    # Rounded, so that what is equal but for the order of a sum is equal.
    hits = np.round(trial.hits[:, :, origins].sum(axis=(2, 3)), 6)
    areas = np.array([lattice.area for lattice in trial.lattices])
    sizes = list(dict.fromkeys(np.round(areas, 6).tolist()))
    by_size = np.array([hits[np.isclose(areas, size)].mean(axis=0) for size in sizes])
    size, fading = np.unravel_index(int(np.argmax(np.round(by_size, 6))), by_size.shape)
    own = np.flatnonzero(np.isclose(areas, sizes[int(size)]))
    lattice = own[int(np.argmax(hits[own].mean(axis=1)))]
    return Choice(int(lattice), int(fading))


def recounted(
    trial: Trial, occurrences: Sequence[Occurrences], budgets: Sequence[NDArray[np.float64]], choose: Chooser
) -> Recount:
    """Give a function that counts the hits of a chosen map anew, its cells chosen by `choose`.

    Choosing cells so that they lie together takes so long that hundreds of grids are tried by score alone, and only
    the maps that are chosen are drawn so. Parameters are those of `try_lattices`.
    """

    def recount(choice: Choice, origin: int) -> NDArray[np.float64]:
        when = Origins(trial.origins.start[[origin]], trial.origins.end[[origin]])
        lattice, fading = trial.lattices[choice.lattice], trial.fadings[choice.fading]
        again = try_lattices(occurrences, [lattice], [fading], when, [budgets[choice.lattice]], choose=choose)
        return again.hits[0, 0, 0]

    return recount


def nested_gain(
    trial: Trial,
    reference: NDArray[np.float64],
    *,
    fewest: int,
    confidence: float = 0.95,
    recount: Recount | None = None,
) -> tuple[PairedComparison, NDArray[np.float64], NDArray[np.int64]]:
    """Tell by how much choosing pays: at each origin the choice rests on the windows that had ended by then alone.

    Parameters
    ----------
    trial : Trial
    reference : ndarray of float, shape (n_origins, n_budgets)
        Hits of the map that choosing is compared with.
    fewest : int
        Windows that a choice needs; earlier origins are not scored.
    confidence : float
    recount : callable, optional
        ``recount(choice, origin)`` gives the hits of a chosen map, shape (n_budgets,), where its cells are chosen in
        another way than those of the trial; see `recounted`.

    Returns
    -------
    comparison : PairedComparison
        Difference of hits as a share of the reference's.
    hits : ndarray of float, shape (n_scored, n_budgets)
        Of the maps chosen so.
    scored : ndarray of int64, shape (n_scored,)
        Positions of the scored origins.

    Raises
    ------
    DomainError
        If no origin has enough windows before it.
    """
    before = [trial.origins.ended_by(int(start)) for start in trial.origins.start]
    scored = np.flatnonzero([len(past) >= fewest for past in before])
    if not len(scored):
        raise DomainError(f"No origin has {fewest} windows before it: give a longer record or more origins.")
    hits = []
    for origin in scored:
        best = choose_best(trial, before[origin])
        hits.append(trial.hits[best.lattice, best.fading, origin] if recount is None else recount(best, int(origin)))
    chosen, other = np.array(hits), reference[scored]
    # The reference's hits vary with the month; pooled as a ratio they are the unit.
    paired = compare(
        chosen.sum(axis=1), other.sum(axis=1), other.sum(axis=1), higher_is_better=True, confidence=confidence
    )
    return paired, chosen, scored
