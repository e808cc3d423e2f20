"""Cleaned incidents, read from disk: one whole version, whatever a writer does meanwhile."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import INCIDENT_COLUMNS, Incidents
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.snapshots import reading

__all__ = ["incident_dataset", "read_incidents"]


def read_incidents(folder: Path, area: StudyArea) -> Incidents:
    """Read all cleaned incidents of a city.

    Parameters
    ----------
    folder : Path
        Such as ``data/processed/chicago/incidents``.
    area : StudyArea
        Times come back in its zone.

    Raises
    ------
    MissingInputError
        If cleaning has not run yet.
    ArtefactError
        If a file is damaged, or of a format that this program cannot read.
    """
    return reading(folder, partial(_read, area=area))


def incident_dataset(folder: Path) -> ds.Dataset:
    """Open the files of incidents below a folder, in order of month and arrival.

    Raises
    ------
    MissingInputError
        If there are none.
    ArtefactError
        If they lack a column, as those of an older program may.
    """
    files = sorted(folder.rglob("*.parquet"), key=str) if folder.is_dir() else []
    if not files:
        raise MissingInputError(f"{folder} is not there yet: run `crimepatterns clean` first.")
    dataset = ds.dataset(files, format="parquet")
    lacking = [name for name in INCIDENT_COLUMNS if name not in dataset.schema.names]
    if lacking:
        raise ArtefactError(
            f"{folder} was written by an older program and lacks {lacking}: run `crimepatterns clean` to make it again."
        )
    return dataset


def _read(folder: Path, area: StudyArea) -> Incidents:
    try:
        table = incident_dataset(folder).to_table()
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder} is damaged ({error}): run `crimepatterns clean --force`.") from error
    zone = pa.timestamp("us", tz=area.timezone)
    table = table.drop_columns([name for name in ("geometry", "year", "month") if name in table.column_names])
    for name in ("occurred_from", "occurred_until", "known_at"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(zone))
    frame = table.unify_dictionaries().to_pandas()
    for name in frame.columns[frame.dtypes == "category"]:
        # In the order of the alphabet, whatever the order in which the file brought them.
        words = frame[name].cat.remove_unused_categories()
        frame[name] = words.cat.reorder_categories(sorted(words.cat.categories))
    return Incidents(frame, area, MappingProxyType(_provenance(folder)))


def _provenance(folder: Path) -> Mapping[str, Any]:
    report = folder.parent / "cleaning_report.json"
    if not report.exists():
        return {}
    facts = json.loads(report.read_text(encoding="utf-8"))
    return {"sources": facts.get("sources", []), "rows_in": facts.get("rows_in"), "kept": facts.get("kept")}
