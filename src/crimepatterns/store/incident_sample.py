"""Cleaned incidents of days drawn at random, and counts of every day, read in one pass of bounded memory."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import ArtefactError
from crimepatterns.store.incidents import incident_dataset
from crimepatterns.store.rejected_files import rejected_files
from crimepatterns.store.snapshots import reading

__all__ = ["DaySample", "rejected_by_label", "sample_days"]

_TIMES = ("occurred_from", "occurred_until", "known_at")
_COUNTED = ("category", "offence", "discovery")
_COMPACT_ROWS = 1_000_000


@dataclass(frozen=True, eq=False)
class DaySample:
    """Incidents of some days and counts of all.

    Parameters
    ----------
    incidents : Incidents
        Every incident of the days drawn.
    day_counts : DataFrame
        ``day`` (civil date), ``category``, ``offence``, ``discovery`` and ``incidents``, of all days.
    rows : int
        All incidents on disk.
    share : float
        Share of the days drawn; 1 where all rows fit.
    """

    incidents: Incidents = field(repr=False)
    day_counts: pd.DataFrame = field(repr=False)
    rows: int
    share: float


def sample_days(folder: Path, area: StudyArea, *, max_rows: int, seed: int = 0) -> DaySample:
    """Read whole days drawn at random, about `max_rows` incidents in all, and count every day on the way.

    Whole days keep what belongs together: duplicates, repeats within hours, the rhythm of a day, and the share of each
    place and label. Which days are drawn depends on `seed` and the date alone.

    Parameters
    ----------
    folder : Path
        Such as ``data/processed/chicago/incidents``.
    area : StudyArea
        Times come back in its zone.
    max_rows : int
        All days are read where there are no more incidents.
    seed : int

    Raises
    ------
    MissingInputError
        If cleaning has not run yet.
    ArtefactError
        If a file is damaged.
    """
    return reading(folder, partial(_sample, area=area, max_rows=max_rows, seed=seed))


def rejected_by_label(path: Path, column: str | None) -> Mapping[str, Mapping[str, int]]:
    """Count rejected rows by reason and by the publisher's label.

    Parameters
    ----------
    path : Path
        Such as ``data/processed/chicago/rejected.parquet``, a file or a folder of files.
    column : str or None
        Raw column of the label; without one, or where the table lacks it, nothing is counted.

    Returns
    -------
    mapping of str to mapping of str to int
    """
    if column is None or not path.exists():
        return {}
    return reading(path, partial(_count_rejected, column=column))


def _sample(folder: Path, *, area: StudyArea, max_rows: int, seed: int) -> DaySample:
    kept: list[pa.RecordBatch] = []
    counted: list[pd.DataFrame] = []
    source = incident_dataset(folder)
    try:
        rows = source.count_rows()
        share = min(1.0, max_rows / max(rows, 1))
        columns = [name for name in source.schema.names if name not in {"geometry", "year", "month"}]
        for batch in source.to_batches(columns=columns, batch_readahead=1, fragment_readahead=1, use_threads=False):
            if batch.num_rows:
                days = _civil_days(batch, area.timezone)
                counted = _with(counted, batch, days)
                drawn = _drawn(days, share, seed)
                if drawn.any():
                    kept.append(batch if drawn.all() else batch.filter(pa.array(drawn)))
        table = pa.Table.from_batches(kept, schema=source.schema.empty_table().select(columns).schema)
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder} is damaged ({error}): run `crimepatterns clean --force`.") from error
    return DaySample(_as_incidents(table, area), _summed(counted), rows, share)


def _count_rejected(path: Path, *, column: str) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    files = rejected_files(path) if path.is_dir() else [path]
    if not files:
        return counts
    table = ds.dataset(files, format="parquet")
    name = f"{column}_raw" if f"{column}_raw" in table.schema.names else column
    if name not in table.schema.names:
        return counts
    for batch in table.to_batches(columns=["reason", name], batch_readahead=1, fragment_readahead=1, use_threads=False):
        labelled = pa.table({"reason": batch.column("reason"), "label": batch.column(name).fill_null("")})
        grouped = labelled.group_by(["reason", "label"]).aggregate([([], "count_all")]).to_pydict()
        for reason, label, count in zip(*grouped.values(), strict=True):
            counts[reason][label] = counts[reason].get(label, 0) + count
    return counts


def _civil_days(batch: pa.RecordBatch, timezone: str) -> NDArray[np.int64]:
    moments = pd.DatetimeIndex(
        batch.column("occurred_from").cast(pa.int64()).to_numpy().view("datetime64[us]"), tz="UTC"
    )
    return moments.tz_convert(timezone).tz_localize(None).to_numpy().astype("datetime64[D]").astype(np.int64)


def _drawn(days: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Tell of each day whether it is drawn, by a hash of its number (splitmix64)."""
    if share >= 1.0:
        return np.ones(len(days), dtype=bool)
    mixed = (days.astype(np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed < np.uint64(int(share * 2**64))


def _with(counted: list[pd.DataFrame], batch: pa.RecordBatch, days: NDArray[np.int64]) -> list[pd.DataFrame]:
    """Add the counts of a batch; sum up in between, so that the list stays small."""
    table = pa.table({"day": days, **{name: batch.column(name).cast(pa.string()) for name in _COUNTED}})
    grouped = table.group_by(["day", *_COUNTED]).aggregate([([], "count_all")])
    counted = [*counted, grouped.rename_columns(["day", *_COUNTED, "incidents"]).to_pandas()]
    return [_grouped(counted)] if sum(map(len, counted[1:])) > _COMPACT_ROWS else counted


def _grouped(counted: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(counted).groupby(["day", *_COUNTED], as_index=False, sort=True).agg({"incidents": "sum"})


def _summed(counted: list[pd.DataFrame]) -> pd.DataFrame:
    if not counted:
        return pd.DataFrame({"day": pd.DatetimeIndex([]), **dict.fromkeys(_COUNTED, ""), "incidents": 0}).iloc[:0]
    whole = _grouped(counted)
    whole["day"] = whole["day"].to_numpy().astype("datetime64[D]").astype("datetime64[us]")
    return whole


def _as_incidents(table: pa.Table, area: StudyArea) -> Incidents:
    zone = pa.timestamp("us", tz=area.timezone)
    for name in _TIMES:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(zone))
    return Incidents(table.unify_dictionaries().to_pandas(), area, MappingProxyType({}))
