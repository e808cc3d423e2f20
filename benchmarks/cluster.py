"""The same work on one machine's engine and on a Dask cluster of two worker processes: same answers, at what cost.

1. Count millions of incidents by category, cell and day straight from monthly Parquet files: in one process, on two
   processes (joblib), on a cluster of two workers.
2. Replay past weeks of a small city with two learners: the same three ways.

Every contender runs in its own process, which starts, works and ends; a cluster's start and end are counted. Answers
must be equal bit for bit. Then the price of one piece of work: a thousand that do nothing.

Run: python benchmarks/cluster.py --rows 10000000
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CELL_M, SIDE_M, DAYS = 250.0, 20_000.0, 1_461
KINDS = ("serial", "joblib", "dask")
WORKS = ("count", "replay")


def main() -> None:
    """Measure every contender in its own process and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="incidents to count")
    parser.add_argument("--folder", type=Path, help="keep the files here and use them again")
    parser.add_argument("--work", choices=[*WORKS, "write", "nothing"], help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, default="serial", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work is not None:
        print(json.dumps(WORK[arguments.work](arguments.folder, arguments.rows, arguments.kind)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / f"incidents-{arguments.rows}").exists():
            measure("write", "serial", folder, arguments.rows)
        for work in WORKS:
            report(work, {kind: measure(work, kind, folder, arguments.rows) for kind in KINDS})
        facts = measure("nothing", "dask", folder, arguments.rows)
        print(f"\nOne piece of work on the cluster: {facts['ms']:.1f} ms beside its own time.")


def measure(work: str, kind: str, folder: Path, rows: int) -> dict[str, Any]:
    """Run one contender in a fresh process; return its answer with wall and CPU seconds and the largest process."""
    command = [sys.executable, __file__, "--work", work, "--kind", kind, "--folder", str(folder), "--rows", str(rows)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{work} on {kind} failed")
    facts: dict[str, Any] = json.loads(answer.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return facts | {"wall": time.monotonic() - began, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def report(work: str, results: dict[str, dict[str, Any]]) -> None:
    """Print the table of one kind of work."""
    single = results["serial"]
    print(f"\n{work:12}{'wall s':>9}{'CPU s':>9}{'MB each':>9}{'wall':>8}{'CPU':>8}  answer")
    for kind, facts in results.items():
        ratios = f"{facts['wall'] / single['wall']:8.2f}{facts['cpu'] / single['cpu']:8.2f}"
        print(
            f"{kind:12}{facts['wall']:9.1f}{facts['cpu']:9.1f}{facts['peak_mb']:9.0f}{ratios}  {facts['digest'][:12]}"
        )
        assert facts["digest"] == single["digest"], f"{work}: {kind} gives another answer"


# -- the work --------------------------------------------------------------------------------------------------------


def write(folder: Path, rows: int, _kind: str) -> dict[str, Any]:
    """Write invented incidents as cleaning leaves them: Parquet by month."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from crimepatterns.store.incident_files import incident_schema, write_part

    schema = incident_schema("EPSG:32616", ())
    schema = pa.schema([field for field in schema if field.name != "geometry"])
    rng = np.random.default_rng(1)
    start = pd.Timestamp("2020-01-01", tz="UTC")
    starts = pd.date_range(start, periods=49, freq="MS")
    home = folder / f"incidents-{rows}"
    for month in range(48):
        count = rows // 48
        begun = np.sort(rng.integers(starts[month].as_unit("us").asm8.astype("int64"),
                                     starts[month + 1].as_unit("us").asm8.astype("int64"), count))  # fmt: skip
        words = {"category": ["burglary", "robbery", "theft"], "discovery": ["reported"], "offence": ["x"]}
        columns: dict[str, Any] = {
            "id": pa.array([f"{month}-{i}" for i in range(count)]),
            "occurred_from": begun,
            "occurred_until": begun,
            "known_at": begun + rng.integers(0, 20 * 86_400_000_000, count),
            "x": 440_000 + SIDE_M * rng.beta(2, 3, count),
            "y": 4_630_000 + SIDE_M * rng.beta(3, 2, count),
        }
        for name in schema.names:
            if pa.types.is_dictionary(schema.field(name).type):
                known = words.get(name, ["minute"])
                codes = pa.array(rng.integers(0, len(known), count, dtype=np.int32))
                columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(known))
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
        place = home / f"year={starts[month].year}" / f"month={starts[month].month:02d}"
        place.mkdir(parents=True, exist_ok=True)
        write_part(place / "part-00000.parquet", schema, [pa.RecordBatch.from_arrays(arrays, schema=schema)])
    return {"rows": rows // 48 * 48}


def count(folder: Path, rows: int, kind: str) -> dict[str, Any]:
    """Count by category, cell and day, as known before the last month."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    from crimepatterns.domain.area import StudyArea
    from crimepatterns.domain.grid import Grid
    from crimepatterns.domain.periods import Periods
    from crimepatterns.execution import choose_executor
    from crimepatterns.store.cell_counts import count_cells

    square = shapely.box(440_000, 4_630_000, 440_000 + SIDE_M, 4_630_000 + SIDE_M)
    quarters = gpd.GeoDataFrame({"name": ["all"]}, geometry=[square], crs="EPSG:32616")
    grid = Grid.square(StudyArea("Square", square, "EPSG:32616", "America/Chicago", quarters), cell_size_m=CELL_M)
    periods = Periods.starting_at(pd.Timestamp("2020-01-01", tz="America/Chicago"), days=1, count=DAYS)
    with choose_executor(kind, workers=2) as executor:
        panel = count_cells(
            folder / f"incidents-{rows}",
            grid,
            periods,
            categories=("burglary", "theft"),
            as_of=pd.Timestamp("2023-12-01", tz="America/Chicago"),
            executor=executor,
        )
    digest = hashlib.sha256(panel.counts.tobytes() + str((panel.outside, panel.as_of)).encode())
    return {"digest": digest.hexdigest(), "counted": int(panel.counts.sum())}


def replay(folder: Path, _rows: int, kind: str) -> dict[str, Any]:
    """Replay 26 weeks of the embedded city with its learners, fitted anew every 13."""
    from crimepatterns.city import City
    from crimepatterns.config import load_settings, open_executor
    from crimepatterns.context_processing import build_context
    from crimepatterns.data_processing import clean, ingest
    from crimepatterns.domain.folds import rolling
    from crimepatterns.evaluation.backtest import backtests
    from crimepatterns.forecasts.registry import BASELINES, make_forecaster

    settings = load_settings(
        overrides={
            "root": str(folder / "city"),
            "workers": 2,
            "source": {"incidents": 20_000, "years": 3},
            "execution": {"kind": kind},
        }
    )
    if not settings.root.exists():
        ingest(settings)
        clean(settings)
        build_context(settings)
    archive = City(settings).archive
    with open_executor(settings.execution, workers=settings.workers) as executor:
        results = backtests(
            archive,
            rolling(archive.start, archive.end, horizon_days=7, origins=26),
            {
                name: make_forecaster(name, max_rows=40_000)
                for name in ("count_eb", "random_forest", "gradient_boosting")
            },
            categories=("burglary", "theft"),
            refit_every=13,
            seed=7,
            refit_always=BASELINES,
            executor=executor,
        )
    digest = hashlib.sha256(b"".join(table.tobytes() for one in results for table in one.expected.values()))
    return {"digest": digest.hexdigest()}


def nothing(_folder: Path, _rows: int, kind: str) -> dict[str, Any]:
    """Hand out a thousand pieces of work that do nothing."""
    from crimepatterns.execution import choose_executor

    with choose_executor(kind, workers=2) as executor:
        list(executor.map(abs, range(10)))
        began = time.monotonic()
        list(executor.map(partial(max, 0), range(1_000)))
        return {"ms": time.monotonic() - began}


WORK: dict[str, Callable[[Path, int, str], dict[str, Any]]] = {
    "write": write,
    "count": count,
    "replay": replay,
    "nothing": nothing,
}


if __name__ == "__main__":
    main()
