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
from crimepatterns.cleaning.runs import Keys, Run, merged
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.seen import FACTS, GONE, NOT_KEPT, SeenBefore
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning_run.basis import Built
from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import replacing
from crimepatterns.store.incident_files import parts_of_month, write_part
from crimepatterns.store.rejected_files import RejectedWriter, rewrite_rejected

__all__ = ["CameBefore", "TakenBack", "compare", "find_rows", "reject_again", "reject_rows", "take_back"]

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


@dataclass(frozen=True, eq=False)
class CameBefore:
    """Rows of a table, cleaned by itself, that came before in earlier tables.

    Parameters
    ----------
    kept : TakenBack
        Those it kept, with their reason.
    rejected : ndarray of int64
        Numbers of those it rejected for their id only, though an equal row came before.
    """

    kept: TakenBack
    rejected: NDArray[np.int64]


def compare(built: Built, seen: SeenBefore, table: int) -> CameBefore:
    """Find rows of a table that came before in earlier tables, and remember the others.

    Parameters
    ----------
    built : Built
        The table, cleaned by itself.
    seen : SeenBefore
        Rows of earlier tables; those of this one are added.
    table : int
        Its number.
    """
    kept = [(np.empty(0, dtype=np.uint64), np.empty(0, dtype=FACTS), np.empty(0, dtype=np.int8))]
    rejected = [np.empty(0, dtype=np.int64)]
    for run in merged(built.seen.open()):
        facts = np.array(run.facts)
        earlier = seen.look(run.keys, facts["row_hash"], above=False)
        was_kept = facts["month"] != NOT_KEPT
        goes = was_kept & (earlier.times > 0)
        reasons = np.where(earlier.same_row, Reason.DUPLICATE, Reason.ID_REPEATED).astype(np.int8)
        kept.append((run.keys[goes], facts[goes], reasons[goes]))
        rejected.append(facts["row"][~was_kept & earlier.same_row].astype(np.int64))
        facts["month"][goes] = NOT_KEPT
        stays = ~earlier.same_row
        seen.remember(np.asarray(run.keys[stays]), facts[stays])
    keys, facts, why = (np.concatenate([one[i] for one in kept]) for i in range(3))
    rows, months = facts["row"].astype(np.int64), facts["month"].astype(np.int64)
    return CameBefore(TakenBack(keys, np.full(len(keys), table), rows, months, why), np.concatenate(rejected))


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
    out = [(np.empty(0, dtype=np.uint64), pa.array([], pa.string()))]
    for month in np.unique(gone.months):
        wanted = gone.keys[gone.months == month]
        for path in parts_of_month(folder, int(month)):
            keys, ids, facts = _write_without(path, wanted, places, job.rules.timezone)
            if len(keys):
                changed[path] = facts
                out.append((keys, ids))
    found, texts = np.concatenate([keys for keys, _ in out]), pa.concat_arrays([ids for _, ids in out])
    order = np.argsort(found)
    if not np.array_equal(found[order], np.sort(gone.keys)):
        raise ArtefactError(f"{folder} does not hold rows it should hold: run `crimepatterns clean --force`.")
    tally.move(np.full(len(gone), Reason.KEPT, dtype=np.int8), gone.reasons)
    for table in np.unique(gone.tables):
        mine = np.flatnonzero(gone.tables == table)
        mine = mine[np.argsort(gone.rows[mine])]
        raw = job.raw_rows(int(table), (gone.rows[mine] - 1).tolist())
        ids = texts.take(pa.array(order[np.searchsorted(found[order], gone.keys[mine])]))
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
        _give_reasons(path, before, np.where(found & ~np.isin(before, _SETTLED), reasons[place], before), tally)


def reject_rows(paths: Sequence[Path], rows: NDArray[np.int64], reason: Reason, tally: Tally) -> None:
    """Give rows of one table that were rejected before another reason, by their numbers from 1."""
    for path in paths:
        table = pq.read_table(path, columns=["row", "reason"], partitioning=None)
        before = reason_codes(table["reason"].combine_chunks())
        _give_reasons(path, before, np.where(np.isin(table["row"].to_numpy(), rows), reason, before), tally)


def _give_reasons(path: Path, before: NDArray[np.int8], after: NDArray[np.int8], tally: Tally) -> None:
    if (before == after).all():
        return
    after = after.astype(np.int8)
    tally.move(before, after)
    whole = pq.read_table(path, partitioning=None)
    column = whole.schema.get_field_index("reason")
    rewrite_rejected(path, whole.set_column(column, whole.schema.field(column), reason_words(after)))


def _write_without(
    path: Path, keys: Keys, places: PlaceCounts, timezone: str
) -> tuple[Keys, pa.Array, KeptFacts | None]:
    """Write an incident file again without some ids; return what went, and the figures of what stays."""
    ids = pq.read_table(path, columns=["id"], partitioning=None)["id"].combine_chunks()
    hashes = hash_text(ids)
    goes, _ = _among(hashes, np.sort(keys))
    if not goes.any():
        return hashes[:0], ids.slice(0, 0), None
    table, gone = pq.read_table(path, partitioning=None), pa.array(goes)
    out = table.select(["x", "y"]).filter(gone)
    places.add(out["x"].to_numpy(), out["y"].to_numpy(), times=-1)
    stays = table.filter(pa.array(~goes))
    batches = stays.to_batches()
    if stays.num_rows:
        # Beside and moved: the old content belongs to the version before as well.
        with replacing(path) as beside:
            write_part(beside, stays.schema, batches)
    else:
        path.unlink()
    return hashes[goes], ids.filter(gone), kept_facts(batches, timezone) if stays.num_rows else None


def _among(hashes: Keys, ordered: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Tell which values are among some, and where."""
    if not len(ordered):
        return np.zeros(len(hashes), dtype=bool), np.zeros(len(hashes), dtype=np.intp)
    place = np.searchsorted(ordered, hashes)
    inside = np.minimum(place, len(ordered) - 1)
    return (ordered[inside] == hashes) & (place < len(ordered)), inside
