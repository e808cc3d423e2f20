"""One cleaning of one city: the raw tables it reads and the rules it applies, without knowing where they lie."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.engine import CleanBatch, Cleaner
from crimepatterns.cleaning.output import area_counts
from crimepatterns.cleaning.places import AreaMask, Projector
from crimepatterns.cleaning.schema import FILE_COLUMN, ColumnMap, Reason, Rules, check_columns
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
    """

    name: str
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    rows: int
    read: Callable[[], Iterable[pa.RecordBatch]]
    replaces: bool = False
    withdraws: bool = False
    column: Callable[[str], Iterable[pa.Array]] | None = None

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

    def run(self, area: StudyArea | None) -> Iterator[tuple[RawPart, CleanBatch]]:
        """Clean all tables in order; without an area only times and categories are checked."""
        if area is None:
            yield from self._run(None, None)
        else:
            yield from self._run(Projector(self.rules.coordinates_crs, area.crs), AreaMask(area.polygon))

    def sample_places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitude and latitude of all rows that have them, or of every k-th where there are very many."""
        every = max(1, self.rows // _SAMPLE)
        found = [np.empty((0, 2))]
        for _, batch in self._run(Projector(self.rules.coordinates_crs, "EPSG:4326"), None):
            if batch.places is not None:
                good = np.flatnonzero(batch.places.reason == Reason.KEPT)[::every]
                found.append(np.column_stack([batch.places.x[good], batch.places.y[good]]))
        places = np.concatenate(found)
        return places[:, 0], places[:, 1]

    def count_areas(self) -> tuple[Tally, Counter[tuple[str, str, str]]]:
        """Count by area, month and category: what a file without coordinates still allows."""
        tally, counts = Tally(self.taxonomy), Counter[tuple[str, str, str]]()
        for _, batch in self.run(None):
            tally.add(batch)
            counts.update(area_counts(batch))
        return tally, counts

    def rows_named(self, ids: Sequence[str], area: StudyArea | None) -> list[list[NDArray[np.bool_]]]:
        """Tell for each batch of each part which rows carry one of the ids."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        marks: list[list[NDArray[np.bool_]]] = [[] for _ in self.parts]
        place = {id(part): i for i, part in enumerate(self.parts)}
        for part, batch in self.run(area):
            marks[place[id(part)]].append(np.asarray(pc.is_in(batch.ids, wanted)))
        for part in self.parts:
            if part.withdraws:
                listed = part.ids(part.columns[0])
                marks[place[id(part)]] += [np.asarray(pc.is_in(publisher_ids(column), wanted)) for column in listed]
        return marks

    def versions(self) -> RecordVersions | None:
        """Collect what later tables say about records of earlier ones; None where they say nothing."""
        name = self.columns.id
        saying = [(i, part) for i, part in enumerate(self.parts) if part.replaces or part.withdraws]
        if name is None or not saying:
            return None
        return RecordVersions.gather(
            (i, id_hashes(part.ids(name)), Reason.WITHDRAWN if part.withdraws else Reason.SUPERSEDED)
            for i, part in saying
        )

    def _run(self, projector: Projector | None, mask: AreaMask | None) -> Iterator[tuple[RawPart, CleanBatch]]:
        cleaner = Cleaner(
            self.columns,
            self.rules,
            self.taxonomy,
            projector=projector,
            mask=mask,
            unreadable=self.unreadable,
            versions=self.versions(),
        )
        for i, part in enumerate(self.parts):
            if not part.withdraws:
                for batch in cleaner.run(self._batches(part), table=i, workers=self.workers):
                    yield part, batch

    def _batches(self, part: RawPart) -> Iterator[pa.RecordBatch]:
        for batch in part.read():
            if FILE_COLUMN in self.columns.used:
                names = pa.array([part.name] * batch.num_rows, pa.string())
                yield batch.append_column(FILE_COLUMN, names)
            else:
                yield batch


def _check_id(columns: ColumnMap, part: RawPart) -> None:
    named = part.columns[0] if part.withdraws else None
    if columns.id is None or (named is not None and named != columns.id):
        wanted = "the publisher's lasting id of a record" if named is None else repr(named)
        raise SchemaError(
            f"columns.id must name {wanted}, got {columns.id!r}: {part.name} replaces or withdraws records by their id."
        )
