"""Small files that many small builds leave are put together: their number grows with the logarithm of the rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.cleaning.kept_facts import KeptFacts
from crimepatterns.store.atomic import replacing
from crimepatterns.store.incident_files import write_part
from crimepatterns.store.rejected_files import rejected_files, rewrite_rejected

__all__ = ["compact_incidents", "compact_rejected"]

_SMALL = 65_536


def compact_incidents(files: Mapping[Path, KeptFacts], touched: Sequence[Path]) -> dict[Path, KeptFacts]:
    """Put together the last files of each folder that was touched, where they are small and of like size.

    Parameters
    ----------
    files : mapping of Path to KeptFacts
        All incident files.
    touched : sequence of Path
        Those that are new.

    Returns
    -------
    dict of Path to KeptFacts
        All incident files afterwards.
    """
    after = dict(files)
    for folder in sorted({path.parent for path in touched}):
        paths = sorted(path for path in after if path.parent == folder)
        group = _last_alike(paths, [after[path].rows for path in paths])
        if len(group) < 2:
            continue
        schema = pq.read_schema(group[0])
        batches = (batch for path in group for batch in pq.read_table(path, partitioning=None).to_batches())
        with replacing(group[0]) as beside:
            write_part(beside, schema, batches)
        after[group[0]] = sum((after[path] for path in group), KeptFacts())
        for path in group[1:]:
            path.unlink()
            del after[path]
    return after


def compact_rejected(folder: Path) -> None:
    """Put together the last files of rejected rows, where they are small and of like size."""
    paths = rejected_files(folder)
    group = _last_alike(paths, [pq.read_metadata(path).num_rows for path in paths])
    if len(group) < 2:
        return
    rewrite_rejected(group[0], pa.concat_tables([pq.read_table(path, partitioning=None) for path in group]))
    for path in group[1:]:
        path.unlink()


def _last_alike(paths: Sequence[Path], rows: Sequence[int]) -> Sequence[Path]:
    """Choose the files at the end of which none is much larger than those behind it together."""
    start, together = len(paths) - 1, rows[-1] if rows else 0
    while start > 0 and rows[start - 1] <= min(2 * together, _SMALL) and together < _SMALL:
        start -= 1
        together += rows[start]
    return paths[max(start, 0) :]
