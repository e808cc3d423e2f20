"""Erase records from raw copies and cleaned incidents."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from crimepatterns.cleaning_run.account import relative
from crimepatterns.cleaning_run.cleaning import EXPORT, clean
from crimepatterns.cleaning_run.opening import find_study_area, open_job
from crimepatterns.config import Settings
from crimepatterns.errors import CrimePatternsError
from crimepatterns.sources.feed_copy import discard_pending
from crimepatterns.sources.raw_copy import as_text_batch
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore
from crimepatterns.store.snapshots import Snapshots

__all__ = ["forget"]


def forget(settings: Settings, ids: Sequence[str]) -> dict[str, Any]:
    """Erase records from raw copies, cleaned incidents and rejected rows; the manifest keeps only their number.

    Rows that are equal to an erased one go with it. A feed cannot bring the record back: digests of the ids are kept.
    The publisher's own file is not touched: where it still holds the record, a changed version of the file brings it
    back at the next ingest.

    Parameters
    ----------
    settings : Settings
    ids : sequence of str
        Ids as in the incident table or in the table of rejected rows.

    Raises
    ------
    CrimePatternsError
        If cleaning fails afterwards; the cleaned data are then gone, and `clean` can make them again.
    """
    layout = Layout(settings.root, settings.city)
    store = RawStore(layout.raw)
    with_csv = (layout.processed / EXPORT).exists()
    erased = 0
    # Copies of earlier ingests hold the record as well; each ingest is cleaned, and searched, on its own.
    for entries in (store.current(), *[[entry] for entry in store.entries() if not entry.current]):
        erased += _erase(settings, layout, store, entries, ids)
    # What an unfinished pull has fetched may hold it as well.
    discard_pending(store)
    if any(entry.feed for entry in store.entries()):
        store.forgotten.add(ids)
    snapshots = Snapshots(layout.processed)
    if erased and snapshots.current is not None:
        try:
            clean(settings, csv=with_csv)
        except CrimePatternsError:
            snapshots.remove()
            raise
        snapshots.forget_earlier()
    return {"asked": len(set(ids)), "erased_rows": erased, "outputs": [relative(layout, store.manifest)]}


def _erase(settings: Settings, layout: Layout, store: RawStore, entries: Sequence[RawEntry], ids: Sequence[str]) -> int:
    """Clean once more to learn which raw rows carry the ids, and rewrite the copies that hold any."""
    job, area = open_job(settings, layout, entries)
    if area is None and job.columns.has_coordinates:
        area = read_study_area(layout.study_area) if layout.study_area.exists() else find_study_area(settings, job)
    erased = 0
    for entry, part, marks in zip(entries, job.parts, job.rows_named(ids, area), strict=True):
        gone = sum(int(mark.sum()) for mark in marks)
        if gone:
            staying = (batch.filter(pa.array(~mark)) for batch, mark in zip(part.read(), marks, strict=True))
            if entry.format == "excel":
                staying = (as_text_batch(batch) for batch in staying)
            store.erase(entry, staying, rows=gone)
            erased += gone
    return erased
