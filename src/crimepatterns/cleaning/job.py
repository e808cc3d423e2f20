"""One cleaning of one city: the raw tables it reads and the rules it applies, without knowing where they lie."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.checking import CleanBatch, RowRules
from crimepatterns.cleaning.engine import Cleaner
from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
from crimepatterns.cleaning.output import area_counts, kept_columns
from crimepatterns.cleaning.places import AreaMask, Projector
from crimepatterns.cleaning.schema import FILE_COLUMN, ColumnMap, Reason, Rules, check_columns
from crimepatterns.cleaning.seen import SeenBefore
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.cleaning.versions import RecordVersions, columns_of, id_hashes, publisher_ids
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import SchemaError

__all__ = ["CleaningJob", "RawPart"]

_SAMPLE = 200_000


@dataclass(frozen=True, eq=False)
class RawPart:
    """One raw table.

    Parameters
    ----------
    name : str
        What to call it in messages and in the column ``source``.
    columns, dropped_columns : tuple of str
        What it holds, and what was left out because it looks personal.
    rows : int
    read : callable
        Starts a new stream of its batches.
    replaces : bool
        Whether its rows replace rows of earlier tables with the same id.
    withdraws : bool
        Whether it lists, in its one column, ids of earlier rows that the publisher has withdrawn.
    column : callable, optional
        Starts a stream of the batches of one column, where that is cheaper than reading all of them.
    pick : callable, optional
        Reads rows by their numbers from 0, ascending, where that is cheaper than reading all of them.
    latest : str, optional
        The last civil day on which its incidents may have begun, where it is another than that of the rules.
    """

    name: str
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    rows: int
    read: Callable[[], Iterable[pa.RecordBatch]]
    replaces: bool = False
    withdraws: bool = False
    column: Callable[[str], Iterable[pa.Array]] | None = None
    pick: Callable[[Sequence[int]], pa.RecordBatch] | None = None
    latest: str | None = None

    def ids(self, name: str) -> Iterable[pa.Array]:
        """Read one column only."""
        return self.column(name) if self.column is not None else columns_of(self.read(), name)


@dataclass(frozen=True, eq=False)
class CleaningJob:
    """Raw tables and the rules for them.

    Parameters
    ----------
    parts : sequence of RawPart
    columns : ColumnMap
    rules : Rules
    taxonomy : Taxonomy
    unreadable : str
        Column in which a source hands over rows that do not fit the header.
    workers : int
        Threads.

    Raises
    ------
    SchemaError
        If a mapped column is missing, no table has a row, or records are replaced without an id.
    """

    parts: Sequence[RawPart]
    columns: ColumnMap
    rules: Rules
    taxonomy: Taxonomy
    unreadable: str
    workers: int = 1

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.replaces or part.withdraws:
                _check_id(self.columns, part)
        for part in self.tables:
            check_columns(self.columns, part.columns, source=part.name, dropped=part.dropped_columns)
        if not self.rows:
            raise SchemaError(f"{self.parts[0].name} has a header but no rows: expected at least one incident.")

    @property
    def tables(self) -> list[RawPart]:
        """Tables of incidents, without the lists of withdrawn ids."""
        return [part for part in self.parts if not part.withdraws]

    @property
    def rows(self) -> int:
        """Rows of all tables of incidents."""
        return sum(part.rows for part in self.tables)

    @property
    def raw_columns(self) -> list[str]:
        """Columns of all tables, each once, with that for unreadable rows."""
        names = [name for part in self.tables for name in part.columns if name != self.unreadable]
        return [*dict.fromkeys(names), self.unreadable]

    def run(
        self,
        area: StudyArea | None,
        *,
        seen: SeenBefore | None = None,
        numbers: Sequence[int] | None = None,
        versions: RecordVersions | None = None,
    ) -> Iterator[tuple[RawPart, CleanBatch]]:
        """Clean tables in order; without an area only times and categories are checked.

        Parameters
        ----------
        area : StudyArea or None
        seen : SeenBefore, optional
            Rows of earlier tables; by default there are none.
        numbers : sequence of int, optional
            The tables, by their place among the parts; by default all.
        versions : RecordVersions, optional
            What `versions` answers for the first of them, where that is known already.
        """
        if seen is None:
            seen = SeenBefore(expected=self.rows)
        projector = None if area is None else Projector(self.rules.coordinates_crs, area.crs)
        mask = None if area is None else AreaMask(area.polygon)
        chosen = list(range(len(self.parts)) if numbers is None else numbers)
        if versions is None:
            versions = self.versions(first=chosen[0] if chosen else 0)
        yield from self._run(projector, mask, seen, chosen, versions)

    def sample_places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitude and latitude of all rows that have them, or of every k-th where there are very many."""
        every = max(1, self.rows // _SAMPLE)
        found, every_part = [np.empty((0, 2))], range(len(self.parts))
        for _, batch in self._run(Projector(self.rules.coordinates_crs, "EPSG:4326"), None, None, every_part, None):
            if batch.places is not None:
                good = np.flatnonzero(batch.places.reason == Reason.KEPT)[::every]
                found.append(np.column_stack([batch.places.x[good], batch.places.y[good]]))
        places = np.concatenate(found)
        return places[:, 0], places[:, 1]

    def count_areas(self) -> tuple[dict[str, Any], Counter[tuple[str, str, str]]]:
        """Count by area, month and category: what a file without coordinates still allows.

        Returns
        -------
        account : dict
            As of `Tally.report`.
        counts : Counter of (area, month, category)
        """
        tally, counts, kept = Tally(self.taxonomy), Counter[tuple[str, str, str]](), KeptFacts()
        for _, batch in self.run(None):
            tally.add(batch)
            counts.update(area_counts(batch))
            kept += kept_facts([kept_columns(batch)], self.rules.timezone)
        return tally.report(kept, None), counts

    def rows_named(
        self, ids: Sequence[str], area: StudyArea | None, *, seen: SeenBefore | None = None
    ) -> list[list[NDArray[np.bool_]]]:
        """Tell for each batch of each part which rows carry one of the ids."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        marks: list[list[NDArray[np.bool_]]] = [[] for _ in self.parts]
        place = {id(part): i for i, part in enumerate(self.parts)}
        for part, batch in self.run(area, seen=seen):
            marks[place[id(part)]].append(np.asarray(pc.is_in(batch.ids, wanted)))
        for part in self.parts:
            if part.withdraws:
                listed = part.ids(part.columns[0])
                marks[place[id(part)]] += [np.asarray(pc.is_in(publisher_ids(column), wanted)) for column in listed]
        return marks

    def versions(self, *, first: int = 0) -> RecordVersions:
        """Collect what parts say about records of earlier ones, from the part with number `first` on."""
        saying = [(i, part) for i, part in enumerate(self.parts) if i >= first and (part.replaces or part.withdraws)]
        return RecordVersions.gather(
            (i, id_hashes(part.ids(str(self.columns.id))), Reason.WITHDRAWN if part.withdraws else Reason.SUPERSEDED)
            for i, part in saying
        )

    def raw_rows(self, number: int, rows: Sequence[int]) -> pa.RecordBatch:
        """Read rows of one table by their numbers from 0, ascending."""
        part = self.parts[number]
        if part.pick is not None:
            return part.pick(rows)
        wanted, found, first = np.asarray(rows), [], 0
        for batch in self.batches(part):
            inside = wanted[(wanted >= first) & (wanted < first + batch.num_rows)] - first
            if inside.size:
                found.append(batch.take(pa.array(inside)))
            first += batch.num_rows
        return pa.concat_batches(found)

    def rules_of(self, number: int, projector: Projector | None, mask: AreaMask | None) -> RowRules:
        """Return the rules of one table."""
        part = self.parts[number]
        rules = self.rules if part.latest is None else replace(self.rules, latest=part.latest)
        return RowRules(self.columns, rules, self.taxonomy, projector, mask, self.unreadable, number)

    def batches(self, part: RawPart) -> Iterator[pa.RecordBatch]:
        """Read a table, with the column that names it where that is mapped."""
        for batch in part.read():
            if FILE_COLUMN in self.columns.used:
                names = pa.array([part.name] * batch.num_rows, pa.string())
                yield batch.append_column(FILE_COLUMN, names)
            else:
                yield batch

    def _run(
        self,
        projector: Projector | None,
        mask: AreaMask | None,
        seen: SeenBefore | None,
        numbers: Sequence[int],
        versions: RecordVersions | None,
    ) -> Iterator[tuple[RawPart, CleanBatch]]:
        cleaner = Cleaner(seen, workers=self.workers)
        for number in numbers:
            part = self.parts[number]
            if not part.withdraws:
                rules = replace(self.rules_of(number, projector, mask), versions=versions)
                for batch in cleaner.run(rules, self.batches(part)):
                    yield part, batch


def _check_id(columns: ColumnMap, part: RawPart) -> None:
    named = part.columns[0] if part.withdraws else None
    if columns.id is None or (named is not None and named != columns.id):
        wanted = "the publisher's lasting id of a record" if named is None else repr(named)
        raise SchemaError(
            f"columns.id must name {wanted}, got {columns.id!r}: {part.name} replaces or withdraws records by their id."
        )
