"""Rows of an earlier build that are no longer kept, because a later raw copy says so: taken out and accounted for.

They leave the incident files, and only the months that hold them are written again; they come to the rejected rows with
their raw values, their reason is noted, and rows that were rejected before get the new reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crimepatterns.cleaning.fingerprint import hash_text
from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
from crimepatterns.cleaning.output import reason_codes, reason_words, rejected_batch
from crimepatterns.cleaning.place_counts import PlaceCounts
from crimepatterns.cleaning.runs import Keys, Run
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.seen import FACTS, GONE, NOT_KEPT
from crimepatterns.cleaning.tally import Tally
from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import replacing
from crimepatterns.store.incident_files import parts_of_month, write_part
from crimepatterns.store.rejected_files import RejectedWriter, rewrite_rejected

__all__ = ["TakenBack", "find_rows", "reject_again", "take_back"]

_SETTLED = (Reason.SUPERSEDED, Reason.WITHDRAWN)


@dataclass(frozen=True, eq=False)
class TakenBack:
    """Kept rows that go, shape (n,) each.

    Parameters
    ----------
    keys : ndarray of uint64
        Fingerprints of their ids.
    tables, rows, months : ndarray of int64
        Where they stand among the raw tables (rows from 1), and their civil month.
    reasons : ndarray of int8
    """

    keys: Keys
    tables: NDArray[np.int64]
    rows: NDArray[np.int64]
    months: NDArray[np.int64]
    reasons: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.keys)


def find_rows(runs: Sequence[Run], keys: Keys, reasons: NDArray[np.int8]) -> tuple[TakenBack, Keys]:
    """Find the kept rows with some ids, and which of the ids any row has.

    Parameters
    ----------
    runs : sequence of Run
        What earlier builds remember, the oldest first.
    keys : ndarray of uint64, shape (n,)
        Fingerprints of ids, each once.
    reasons : ndarray of int8, shape (n,)
        Why their rows go.
    """
    last_gone, step = np.full(len(keys), -1), 0
    which, steps = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.int64)]
    facts = [np.empty(0, dtype=FACTS)]
    for run in runs:
        for found, known in run.matches(keys):
            gone = known["month"] == GONE
            last_gone[found[gone]] = step
            which.append(found[~gone])
            steps.append(np.full(len(which[-1]), step))
            facts.append(known[~gone])
            step += 1
    key, fact = np.concatenate(which), np.concatenate(facts)
    alive = np.concatenate(steps) > last_gone[key]
    key, fact = key[alive], fact[alive]
    kept = fact["month"] != NOT_KEPT
    table, row, month = (fact[name][kept].astype(np.int64) for name in ("table", "row", "month"))
    return TakenBack(keys[key[kept]], table, row, month, reasons[key[kept]]), np.unique(keys[key])


def take_back(
    gone: TakenBack,
    job: CleaningJob,
    folder: Path,
    *,
    tally: Tally,
    places: PlaceCounts,
    schema: pa.Schema,
    rejected: RejectedWriter,
) -> dict[Path, KeptFacts | None]:
    """Take rows out of the incident files, and write them to the rejected rows.

    Returns
    -------
    dict of Path to KeptFacts or None
        The files that were written again with what they hold now, None for those that are gone.

    Raises
    ------
    ArtefactError
        If a row is not where it should be.
    """
    changed: dict[Path, KeptFacts | None] = {}
    for month in np.unique(gone.months):
        wanted, left = gone.keys[gone.months == month], int((gone.months == month).sum())
        for path in parts_of_month(folder, int(month)):
            found, facts = _write_without(path, wanted, places, job.rules.timezone)
            left -= found
            if found:
                changed[path] = facts
        if left:
            raise ArtefactError(f"{folder} does not hold rows it should hold: run `crimepatterns clean --force`.")
    tally.move(np.full(len(gone), Reason.KEPT, dtype=np.int8), gone.reasons)
    for table in np.unique(gone.tables):
        mine = np.flatnonzero(gone.tables == table)
        mine = mine[np.argsort(gone.rows[mine])]
        raw = job.raw_rows(int(table), (gone.rows[mine] - 1).tolist())
        ids = job.ids_of(raw)
        source = job.parts[int(table)].name
        batch = rejected_batch(raw, gone.rows[mine], ids, gone.reasons[mine], schema, job.raw_columns, source=source)
        rejected.add(batch)
    return changed


def reject_again(paths: Sequence[Path], keys: Keys, reasons: NDArray[np.int8], tally: Tally) -> None:
    """Give rows that were rejected before, and have one of the ids, the new reason.

    What was replaced or withdrawn before stays so.
    """
    order = np.argsort(keys)
    keys, reasons = keys[order], reasons[order]
    for path in paths:
        table = pq.read_table(path, columns=["id", "reason"], partitioning=None)
        before = reason_codes(table["reason"].combine_chunks())
        found, place = _among(hash_text(table["id"].combine_chunks()), keys)
        rows = np.flatnonzero(found & ~np.isin(before, _SETTLED))
        if not rows.size:
            continue
        after = before.copy()
        after[rows] = reasons[place[rows]]
        tally.move(before[rows], after[rows])
        whole = pq.read_table(path, partitioning=None)
        column = whole.schema.get_field_index("reason")
        rewrite_rejected(path, whole.set_column(column, whole.schema.field(column), reason_words(after)))


def _write_without(path: Path, keys: Keys, places: PlaceCounts, timezone: str) -> tuple[int, KeptFacts | None]:
    """Write an incident file again without some ids; return how many rows went, and what stays."""
    ids = pq.read_table(path, columns=["id"], partitioning=None)["id"]
    hashes = np.concatenate([np.empty(0, np.uint64), *[hash_text(chunk) for chunk in ids.chunks]])
    goes, _ = _among(hashes, np.sort(keys))
    if not goes.any():
        return 0, None
    table = pq.read_table(path, partitioning=None)
    out = table.filter(pa.array(goes))
    places.add(out["x"].to_numpy(), out["y"].to_numpy(), times=-1)
    stays = table.filter(pa.array(~goes))
    if not stays.num_rows:
        path.unlink()
        return int(goes.sum()), None
    batches = stays.to_batches()
    # Beside and moved: the old content belongs to the version before as well.
    with replacing(path) as beside:
        write_part(beside, stays.schema, batches)
    return int(goes.sum()), kept_facts(batches, timezone)


def _among(hashes: Keys, ordered: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Tell which values are among some, and where."""
    place = np.searchsorted(ordered, hashes)
    inside = np.minimum(place, len(ordered) - 1)
    return (ordered[inside] == hashes) & (place < len(ordered)), inside
