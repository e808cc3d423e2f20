"""The cleaned incidents of one snapshot, read into two locked tables: as they are, and as the public may see them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyproj
from numpy.typing import NDArray

from crimepatterns.city import build_grid
from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.disclosure import DisclosureRule, release_counts
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import MissingInputError
from crimepatterns.patterns.rhythms import hour_known
from crimepatterns.serving.explore.labels import Labels
from crimepatterns.serving.explore.room import QueryRoom
from crimepatterns.store.incidents import incident_dataset
from crimepatterns.store.layout import Layout
from crimepatterns.store.snapshots import reading

__all__ = ["NO_HOUR", "Record", "View", "days_of", "mercator", "open_record", "world"]

NO_HOUR = 255
"""Hour of the week of an incident whose hour is not known."""

_MONDAY = 3  # 1970-01-01 was a Thursday: day 4 began the first whole week
_COLUMNS = ("id", "occurred_from", "occurred_until", "time_precision", "category", "offence", "discovery", "x", "y")


@dataclass(frozen=True, eq=False)
class View:
    """What one kind of caller sees.

    Parameters
    ----------
    table : str
        ``exact`` or ``released``.
    labels : Labels
        Categories, offences and neighbourhoods that may be named.
    grid : Grid
        The cells of its map.
    """

    table: str
    labels: Labels
    grid: Grid

    @property
    def exact(self) -> bool:
        """Whether single incidents may be seen."""
        return self.table == "exact"


@dataclass(frozen=True, eq=False)
class Record:
    """One snapshot of the cleaned incidents, ready to be asked.

    Parameters
    ----------
    room : QueryRoom
    area : StudyArea
    rule : DisclosureRule
    first, end : int
        Days since 1970-01-01 of the first incident, and the day after the last one, civil time.
    exact, released : View
    version : str
        Name of the snapshot.
    days_known : bool
        False where times are known to the month only: days, weeks and hours then mean nothing, and the last month
        counts to its end.
    """

    room: QueryRoom
    area: StudyArea
    rule: DisclosureRule
    first: int
    end: int
    exact: View
    released: View
    version: str
    days_known: bool


def open_record(settings: Settings, area: StudyArea, *, month_only: bool = False) -> Record:
    """Read the current snapshot.

    Parameters
    ----------
    settings : Settings
    area : StudyArea
    month_only : bool
        Whether times are known to the month only; see `Results.month_only`.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """
    layout = Layout(settings.root, settings.city)
    if not layout.incidents.exists():
        raise MissingInputError("There are no cleaned incidents yet: run `crimepatterns clean`.")
    return reading(layout.incidents, partial(_read, settings=settings, area=area, month_only=month_only))


def _read(folder: Path, *, settings: Settings, area: StudyArea, month_only: bool) -> Record:
    dataset = incident_dataset(folder)
    rule = DisclosureRule(**settings.disclosure.model_dump())
    labels = Labels.of(_offences(dataset), [str(name) for name in area.neighbourhoods["name"]])
    grid, public = build_grid(settings, area), _public_grid(area, rule, settings.grid.max_cells)
    room = QueryRoom()
    rows, last, ordered = 0, pd.Timestamp.min, True
    for chunk in _chunks(dataset, area):
        table = _numbered(chunk, labels, area, grid, public)
        table.insert(0, "line", np.arange(rows, rows + len(table), dtype=np.int32))
        ordered &= bool(table["occurred"].iloc[0] >= last)
        rows, last = rows + len(table), table["occurred"].iloc[-1]
        room.add("exact", table)
    room.add("released", _released(release_counts(_weekly(room, labels, rule), rule), labels, public, area))
    # To sort all rows at once takes three times the memory of keeping them: only where the files overlap in time.
    room.drop("exact", "public") if ordered else room.sort("exact", without=("line", "public"))
    room.sort("released")
    first, end = room.one("SELECT min(day), max(day) + 1 FROM exact")
    if month_only:
        end = int((np.datetime64(end - 1, "D").astype("datetime64[M]") + 1).astype("datetime64[D]").astype(np.int64))
    room.lock()
    pa.default_memory_pool().release_unused()
    shown = labels.without(rule)
    views = View("exact", labels, grid), View("released", shown, public)
    return Record(room, area, rule, first or 0, end or 1, *views, folder.resolve().parent.name, not month_only)


def _offences(dataset: ds.Dataset) -> pd.DataFrame:
    counted = [
        fragment.to_table(columns=["category", "offence"]).to_pandas().astype(str).value_counts().reset_index()
        for fragment in dataset.get_fragments()
    ]
    whole = pd.concat(counted).groupby(["category", "offence"])["count"].sum().reset_index()
    return whole.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def _chunks(dataset: ds.Dataset, area: StudyArea) -> Iterator[pd.DataFrame]:
    """Yield the incidents of each month."""
    zone = pa.timestamp("us", tz=area.timezone)
    months = groupby(dataset.get_fragments(), key=lambda fragment: str(Path(fragment.path).parent))
    for _, fragments in months:
        table = pa.concat_tables(
            [one.to_table(schema=dataset.schema, columns=list(_COLUMNS)) for one in fragments]
        ).unify_dictionaries()
        for name in ("occurred_from", "occurred_until"):
            table = table.set_column(table.column_names.index(name), name, table[name].cast(zone))
        if table.num_rows:
            yield table.to_pandas()


def _numbered(chunk: pd.DataFrame, labels: Labels, area: StudyArea, grid: Grid, public: Grid) -> pd.DataFrame:
    wall = chunk["occurred_from"].dt.tz_localize(None)
    x, y = chunk["x"].to_numpy(dtype=float), chunk["y"].to_numpy(dtype=float)
    cell, inside = grid.assign(x, y)
    coarse, shown = public.assign(x, y)
    east, south = mercator(x, y, area.crs)
    hour = np.where(hour_known(chunk), wall.dt.day_of_week.to_numpy() * 24 + wall.dt.hour.to_numpy(), NO_HOUR)
    made = pd.DataFrame(
        {
            "id": chunk["id"].astype(str),
            "occurred": wall,
            "until": chunk["occurred_until"].dt.tz_localize(None),
            "day": days_of(wall).astype(np.int32),
            "how": hour.astype(np.uint8),
            "category": labels.category_codes(chunk["category"]),
            "offence": labels.offence_codes(chunk["category"], chunk["offence"]),
            "found": (chunk["discovery"].astype(str) != "reported").to_numpy(dtype=np.uint8),
            "hood": labels.hood_codes(area.neighbourhood_of(x, y)),
            "cell": np.where(inside, cell, -1).astype(np.int32),
            "public": np.where(shown, coarse, -1).astype(np.int32),
            "x": x,
            "y": y,
            "east": east,
            "south": south,
            "n": np.ones(len(chunk), dtype=np.int32),
        }
    )
    return made.sort_values(["occurred", "id", "category", "cell"], ignore_index=True)


def _weekly(room: QueryRoom, labels: Labels, rule: DisclosureRule) -> pd.DataFrame:
    """Count what is not sensitive by category, cell and week of the public."""
    categories = np.flatnonzero(rule.hides(labels.categories)).tolist()
    offences = np.flatnonzero(rule.hides([name for _, name in labels.offences])).tolist()
    tests = [f"{column} NOT IN ({', '.join('?' * len(codes))})" for column, codes in
             (("category", categories), ("offence", offences)) if codes]  # fmt: skip
    week = f"floor((day + {_MONDAY}) / 7)::INTEGER"
    sql = (
        f"SELECT category, public AS cell, {week} AS week, count(*) AS count, min(id) AS first "  # noqa: S608
        f"FROM exact WHERE {' AND '.join(['public >= 0', *tests])} GROUP BY ALL"
    )
    counted = room.table(sql, [*categories, *offences]).to_pandas()
    counted["category"] = np.array(labels.categories, dtype=object)[counted["category"]]
    return counted


def _released(made: pd.DataFrame, labels: Labels, public: Grid, area: StudyArea) -> pd.DataFrame:
    cell = made["cell"].to_numpy(dtype=np.int64)
    centres = public.centres[cell].reshape(-1, 2)
    east, south = mercator(centres[:, 0], centres[:, 1], area.crs)
    day = made["week"].to_numpy(dtype=np.int64) * 7 - _MONDAY
    wall = pd.Series(pd.to_datetime(day, unit="D").astype("datetime64[us]"), index=made.index)
    hood = labels.hood_codes(public.neighbourhood[cell])
    return pd.DataFrame(
        {
            "id": pd.Series([""] * len(made), dtype=str, index=made.index),
            "occurred": wall,
            "until": wall + pd.Timedelta(days=7),
            "day": day.astype(np.int32),
            "how": np.full(len(made), NO_HOUR, dtype=np.uint8),
            "category": labels.category_codes(made["category"]),
            "offence": np.full(len(made), labels.no_offence, dtype=np.uint16),
            "found": np.zeros(len(made), dtype=np.uint8),
            "hood": hood,
            "cell": cell.astype(np.int32),
            "x": centres[:, 0],
            "y": centres[:, 1],
            "east": east,
            "south": south,
            "n": made["count"].to_numpy(dtype=np.int32),
        }
    )


def _public_grid(area: StudyArea, rule: DisclosureRule, max_cells: int) -> Grid:
    return Grid.square(area, cell_size_m=rule.cell_size_m, max_cells=max_cells)


def days_of(wall: pd.Series) -> NDArray[np.int64]:
    """Return civil days since 1970-01-01."""
    return wall.to_numpy().astype("datetime64[D]").astype(np.int64)


def mercator(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project metres in `crs` to the square of web maps: 0 to 1 eastwards and southwards."""
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    return world(np.asarray(longitude), np.asarray(latitude))


def world(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project degrees to the square of web maps."""
    phi = np.radians(np.clip(latitude, -85.06, 85.06))
    return longitude / 360 + 0.5, 0.5 - np.arcsinh(np.tan(phi)) / (2 * np.pi)
