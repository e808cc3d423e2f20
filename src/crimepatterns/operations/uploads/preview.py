"""Look at an uploaded file by the rules that cleaning would apply, in a process of its own.

    python -m crimepatterns.operations.uploads.preview FOLDER

Reading foreign formats is the riskiest thing that is done with an upload, so it never happens in the server: this
process has a limit of memory, and whoever starts it a limit of time.
"""

import contextlib
import resource
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crimepatterns.errors import CrimePatternsError, SourceError
from crimepatterns.store.atomic import read_json, write_json

__all__ = ["main"]

_MEMORY = 8 << 30
_MOST_COLUMNS, _LONGEST_NAME, _LONGEST_VALUE = 500, 200, 80
_ROWS_SHOWN, _POINTS_SHOWN, _REJECTED_SHOWN = 8, 4_000, 3


def main(folder: Path) -> int:
    """Write ``preview.json`` beside ``wanted.json``; return the exit status."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    wanted = read_json(folder / "wanted.json")
    try:
        found = _look(folder, wanted)
    except CrimePatternsError as error:
        told = " ".join(str(error).split()).replace(str(folder) + "/", "")
        found = {"problem": told}
    except MemoryError:
        found = {"problem": "The file needs more memory than a preview may take: cut it into parts."}
    write_json(folder / "preview.json", found)
    return 0


def _look(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    from crimepatterns.cleaning.values import as_text
    from crimepatterns.operations.uploads.mapping import Mapping
    from crimepatterns.sources.personal import personal_columns

    table, whole = _first_rows(folder / wanted["file"], wanted["rows"])
    names = _checked(table.column_names)
    personal = personal_columns(names)
    free = [name for name in names if name not in personal]
    given = Mapping(**wanted["mapping"]) if wanted["mapping"] else None
    mapping = given or _guessed(table.select(free), free).model_copy(update={"timezone": wanted["timezone"]})
    shown = [
        [_cut(value) for value in as_text(table.column(name).combine_chunks()[:_ROWS_SHOWN]).to_pylist()]
        for name in free
    ]
    found: dict[str, Any] = {
        "columns": free,
        "left_out": personal,
        "rows": {"names": free, "values": list(zip(*shown, strict=True))},
        "rows_read": table.num_rows,
        "whole": whole,
        "mapping": mapping.model_dump(),
        "problem": mapping.lacking,
    }
    unknown = [column for column in mapping.columns.values() if column not in free]
    if unknown:
        return {**found, "problem": f"The file has no column {unknown[0][:80]!r} that may be used."}
    if mapping.lacking or not table.num_rows:
        return {**found, "problem": mapping.lacking if table.num_rows else "The file has a header but no rows."}
    try:
        return {**found, **_cleaned(folder, wanted, table.select([*free, *_odd(table)]), mapping)}
    except CrimePatternsError as error:
        return {**found, "problem": " ".join(str(error).split())}


def _first_rows(path: Path, most: int) -> tuple[Any, bool]:
    """Read the first rows; tell whether these are all."""
    import pyarrow as pa

    from crimepatterns.sources.local_file import read_file

    source = read_file(path)
    _checked([name for name in source.columns if name != "_unreadable"])
    batches, rows = [], 0
    for batch in source.batches:
        batches.append(batch)
        rows += batch.num_rows
        if rows >= most:
            break
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in source.columns}), True
    table = pa.Table.from_batches(batches)
    return table.slice(0, most), rows < most


def _checked(names: list[str]) -> list[str]:
    plain = [name for name in names if name != "_unreadable"]
    if len(plain) > _MOST_COLUMNS:
        raise SourceError(
            f"The file has {len(plain):,} columns, more than {_MOST_COLUMNS}: is the first line its header?"
        )
    if any(len(name) > _LONGEST_NAME for name in plain):
        raise SourceError(f"A column's name is longer than {_LONGEST_NAME} letters: is the first line its header?")
    return plain


def _odd(table: Any) -> list[str]:
    return ["_unreadable"] if "_unreadable" in table.column_names else []


def _guessed(table: Any, names: list[str]) -> Any:
    """Guess the mapping from names and values."""
    import re

    import pyarrow as pa

    from crimepatterns.operations.uploads.mapping import Mapping
    from crimepatterns.sources.feed import FeedColumn, FeedDescription
    from crimepatterns.sources.feed_columns import guess_columns

    batches = table.slice(0, 2_000).combine_chunks().to_batches()
    sample = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    named = re.compile(
        r"^(id|.*[ _]id|case.?(no|num|number|id)?|incident.?(no|num|number|id)|report.?(no|number|id))$", re.IGNORECASE
    )
    key = next((one for one in names if named.match(one) and _unique(sample.column(one))), None)
    told = FeedDescription("", "", "", tuple(FeedColumn(name) for name in names), None, key, None)
    guessed = guess_columns(told, sample)
    guessed.pop("area", None)
    for axis, wanted in (("x", r"^x$|^x_?coord|easting|coord_?x"), ("y", r"^y$|^y_?coord|northing|coord_?y")):
        found = next((one for one in names if re.search(wanted, one, re.IGNORECASE)), None)
        if found and "longitude" not in guessed:
            guessed[axis] = found
    told_apart = re.compile(r"^time$|occ.*time|time.*occ|^hour$|incident.?time", re.IGNORECASE)
    clock, begun = next((one for one in names if told_apart.search(one)), None), guessed.get("occurred_from")
    if clock and begun and clock != begun and _dates_only(sample.column(begun)):
        guessed["date"], guessed["time"] = guessed.pop("occurred_from"), clock
    return Mapping.model_validate(guessed)


def _unique(column: Any) -> bool:
    """Whether nearly all values are there and differ: some rows of a file may stand in it twice."""
    import pyarrow.compute as pc

    return len(column) > 0 and pc.count_distinct(column).as_py() >= 0.95 * len(column)


def _dates_only(column: Any) -> bool:
    from crimepatterns.cleaning.values import as_text

    texts = [text for text in as_text(column).to_pylist() if text]
    return bool(texts) and sum(":" in text for text in texts) < len(texts) / 2


def _time_formats(table: Any, mapping: Any) -> Any:
    """Find how the moments of the file are written."""
    from crimepatterns.cleaning.time_formats import find_time_formats
    from crimepatterns.cleaning.values import join_date_and_time

    values = table.column(mapping.occurred_from or mapping.date).combine_chunks()
    if not mapping.occurred_from and mapping.time:
        values = join_date_and_time(values, table.column(mapping.time).combine_chunks())
    return find_time_formats(values, order=mapping.order)


def _cleaned(folder: Path, wanted: dict[str, Any], table: Any, mapping: Any) -> dict[str, Any]:
    """Clean the rows for real, and tell what became of them."""
    from crimepatterns.cleaning.job import CleaningJob, RawPart
    from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
    from crimepatterns.cleaning.output import kept_columns
    from crimepatterns.cleaning.schema import ColumnMap, Rules
    from crimepatterns.cleaning.tally import Tally
    from crimepatterns.cleaning_run.opening import find_study_area
    from crimepatterns.config import load_settings
    from crimepatterns.config.taxonomy_tables import open_taxonomy
    from crimepatterns.operations.uploads.mapping import city_settings

    times = _time_formats(table, mapping)
    settings = city_settings(
        load_settings(folder / "home.yaml"), wanted["city"], folder / wanted["file"], mapping, times.formats
    )
    today = datetime.now(ZoneInfo(settings.timezone)).date().isoformat()
    rules = Rules(timezone=settings.timezone, **{**settings.cleaning.model_dump(), "latest": today})
    part = RawPart(wanted["file"], tuple(table.column_names), (), table.num_rows, table.to_batches)
    columns = ColumnMap(**settings.columns.model_dump())
    job = CleaningJob([part], columns, rules, open_taxonomy(settings.taxonomy), "_unreadable", settings.workers)
    area = find_study_area(settings, job)
    tally, kept, seen = Tally(job.taxonomy), KeptFacts(), _Seen(table, mapping, area)
    for _, batch in job.run(area):
        tally.add(batch)
        kept += kept_facts([kept_columns(batch)], rules.timezone)
        seen.add(batch)
    account = tally.report(kept, None)
    return {
        "kept": account["kept"],
        "rejected": account["rejected"],
        "rejected_rows": seen.rejected,
        "repairs": account["repairs"],
        "categories": dict(Counter(account["categories"]).most_common(12)),
        "first": account["first"],
        "last": account["last"],
        "time_formats": list(times.formats),
        "order": times.order,
        "ambiguous": times.ambiguous,
        "map": seen.map(),
        "area_km2": round(area.area_km2, 1),
        "advice": _advice(mapping, times.ambiguous, seen.middle()),
        "problem": "" if account["kept"] else "None of these rows can be used as they are mapped.",
    }


class _Seen:
    """Where rows fall, and examples of those that are refused."""

    def __init__(self, table: Any, mapping: Any, area: Any) -> None:
        self._used, self._area = list(dict.fromkeys(mapping.columns.values())), area
        self._table = table
        self._x: list[Any] = []
        self._y: list[Any] = []
        self.rejected: dict[str, list[dict[str, Any]]] = {}

    def add(self, batch: Any) -> None:
        import numpy as np

        from crimepatterns.cleaning.schema import REASONS, Reason
        from crimepatterns.cleaning.values import as_text

        good = batch.reason == Reason.KEPT
        self._x.append(batch.places.x[good])
        self._y.append(batch.places.y[good])
        for reason in np.unique(batch.reason[~good]):
            told = self.rejected.setdefault(REASONS[Reason(reason)], [])
            for row in np.flatnonzero(batch.reason == reason)[: _REJECTED_SHOWN - len(told)]:
                values = {
                    name: _cut(as_text(batch.raw.column(name)[int(row) : int(row) + 1])[0].as_py())
                    for name in self._used
                }
                told.append({"row": int(row) + batch.first_row, "values": values})

    def _degrees(self) -> tuple[Any, Any]:
        import numpy as np
        import pyproj

        x, y = np.concatenate(self._x), np.concatenate(self._y)
        return pyproj.Transformer.from_crs(self._area.crs, "EPSG:4326", always_xy=True).transform(x, y)

    def middle(self) -> tuple[float, float] | None:
        import numpy as np

        longitude, latitude = self._degrees()
        return (float(np.median(longitude)), float(np.median(latitude))) if len(longitude) else None

    def map(self) -> dict[str, Any]:
        """Return the outline and at most so many points, evenly from all."""
        import json

        import geopandas as gpd
        import numpy as np
        import shapely

        longitude, latitude = self._degrees()
        every = max(1, -(-len(longitude) // _POINTS_SHOWN))
        points = np.round(np.column_stack([longitude, latitude])[::every], 5).tolist()
        outline = gpd.GeoSeries([self._area.polygon], crs=self._area.crs).simplify(20).to_crs("EPSG:4326")
        shape = json.loads(shapely.to_geojson(shapely.set_precision(outline.iloc[0], 1e-5)))
        return {
            "bounds": [round(float(edge), 5) for edge in outline.total_bounds],
            "outline": shape,
            "points": points,
            "every": every,
        }


def _advice(mapping: Any, ambiguous: bool, middle: tuple[float, float] | None) -> list[str]:
    """Say what a person should look at, since values cannot tell."""
    said = []
    if ambiguous:
        said.append("Day and month cannot be told apart from the values: say which comes first.")
    if middle is not None:
        offset = datetime(2025, 1, 15, tzinfo=ZoneInfo(mapping.timezone)).utcoffset()
        hours = offset.total_seconds() / 3600 if offset is not None else 0.0
        if abs(hours - middle[0] / 15) > 3.5:
            said.append(
                f"The places lie at {middle[0]:.1f} degrees of longitude, where clocks differ from {mapping.timezone}: "
                "check the time zone."
            )
    if not mapping.category:
        said.append("Without a column of offences every row counts as the one category 'incident'.")
    return said


def _cut(value: Any) -> str | None:
    if value is None:
        return None
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "\N{HORIZONTAL ELLIPSIS}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
