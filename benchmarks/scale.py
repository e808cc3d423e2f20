"""Clean and count up to 50 million rows: cost per row, memory, peers, one more day, and several processes.

The rows are synthetic: gzipped CSV files, each of a span of its own, with planted defects (times that cannot be, blank
or zero coordinates, places outside, unknown labels, repeated rows and ids) in about 3 % of them. Each measurement runs
in a process of its own, after a warm-up; everything lies in a temporary folder that is removed.

What is measured:
  scaling  cost of cleaning and counting per row, and memory, from a small to a large number of rows
  peers    the same work by vectorised pandas and by one DuckDB script, from the same files
  day      one more day into all rows, ingest and clean as the command line runs them
  spread   two worker processes against threads of one process, the same panel

All three contenders read the CSV files, refuse the same rows, project, remove duplicates and repeated ids, write
incidents by year and month and the rejected rows as Parquet, and count by category, 500-m cell and day. In the peers'
favour: the product also keeps the text of every rejected row, fingerprints for the next build, and makes the cleaning
report. Its copy of the raw files, made before, is told apart.

Run: python benchmarks/scale.py --rows 20000000 --scaling 1000000,50000000
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from many_rows.peers import run_duckdb, run_pandas
from many_rows.rows import BOX, CELL_M, COLUMNS, CRS, DAYS, LABELS, START, ZONE, generate
from many_rows.watch import Watch

GOALS = {
    "pandas speed": 3.0,
    "pandas memory": 0.25,
    "duckdb time": 2.0,
    "flat": 1.25,
    "memory MB": 3_000.0,
    "day": 0.03,
}


def main() -> None:
    """Run the measurements that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows for peers, day and spread")
    parser.add_argument("--scaling", default="500000,4000000", help="numbers of rows, separated by commas")
    parser.add_argument("--only", choices=["scaling", "peers", "day", "spread"], action="append")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is not None:
        print(json.dumps(TASKS[arguments.task](arguments.folder)))
        return
    wanted = arguments.only or ["scaling", "peers", "day", "spread"]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        if "scaling" in wanted:
            scaling(folder, [int(text) for text in arguments.scaling.split(",")])
        if set(wanted) - {"scaling"}:
            data = folder / "data"
            generate(data, arguments.rows)
            compare(data, wanted)
        print(f"load average {os.getloadavg()[0]:.1f}")


# -- measurements -----------------------------------------------------------------------------------------------------


def scaling(folder: Path, sizes: list[int]) -> None:
    """Print cost per row and memory for each number of rows."""
    titles = ("rows", 12), ("raw MB", 8), ("made MB", 9), ("ingest s", 10), ("clean s", 9), ("count s", 9)
    print("".join(f"{title:>{width}}" for title, width in (*titles, ("CPU us/row", 12), ("peak MB", 9))))
    costs, peak = {}, 0.0
    for rows in sizes:
        data = folder / f"rows-{rows}"
        generate(data, rows)
        facts = measure("own", data)
        costs[rows], peak = facts["work_cpu"] / rows * 1e6, facts["peak_mb"]
        size = f"{rows:12,}{facts['raw_mb']:8.0f}{facts['made_mb']:9.0f}"
        walls = f"{facts['ingest']:10.1f}{facts['clean']:9.1f}{facts['count']:9.1f}"
        print(f"{size}{walls}{costs[rows]:12.2f}{peak:9.0f}", flush=True)
        shutil.rmtree(data)
    ratio = max(costs.values()) / min(costs.values())
    say("cost per row, dearest / cheapest", ratio, at_most=GOALS["flat"])
    say(f"peak memory at {rows:,} rows, MB", peak, at_most=GOALS["memory MB"])


def compare(data: Path, wanted: list[str]) -> None:
    """Print the product beside its peers, one more day, and several processes."""
    own = measure("own", data, keep=True)
    show("crimepatterns", own)
    if "peers" in wanted:
        peers = {name: measure(name, data) for name in ("duckdb", "pandas")}
        for name, facts in peers.items():
            show(name, facts)
            assert facts["kept"] == own["kept"], f"kept rows differ from {name}: {facts['kept']:,}"
            assert facts["counted"] == own["counted"], f"counts differ from {name}: {facts['counted']:,}"
        for kind, name in (("work", "wall"), ("work_cpu", "CPU")):
            faster, slower = peers["pandas"][kind] / own[kind], own[kind] / peers["duckdb"][kind]
            say(f"times as fast as pandas, {name}", faster, at_least=GOALS["pandas speed"])
            say(f"time beside DuckDB, {name}", slower, at_most=GOALS["duckdb time"])
        say("memory beside pandas", own["peak_mb"] / peers["pandas"]["peak_mb"], at_most=GOALS["pandas memory"])
    if "day" in wanted:
        day = measure("day", data)
        print(f"one more day, {day['rows']:,} rows: ingest {day['ingest']:.2f} s, clean {day['clean']:.2f} s; ", end="")
        print(f"incident files written {day['written']} of {day['files']}; ", end="")
        print(f"everything was cleaned anew: {day['anew']}" if day["anew"] else "built on the last result")
        for kind, name in (("", "wall"), ("_cpu", "CPU")):
            share = sum(day[f"{stage}{kind}"] for stage in ("ingest", "clean"))
            share /= sum(own[f"{stage}{kind}"] for stage in ("ingest", "clean"))
            say(f"one more day beside all, {name}", share, at_most=GOALS["day"])
    if "spread" in wanted:
        one, two = measure("threads", data), measure("spread", data)
        assert one["panel"] == two["panel"], "panels differ"
        print("threads of one process and two worker processes of a Dask cluster: the same panel")
        print(f"  wall {one['work']:.1f} s and {two['work']:.1f} s (of it {two['start']:.1f} s to start the workers)")
        print(f"  CPU {one['work_cpu']:.1f} s and {two['work_cpu']:.1f} s")


def say(what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    """Print a figure beside its goal."""
    goal = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    met = value >= at_least if at_least is not None else at_most is not None and value <= at_most
    print(f"{what}: {value:,.3g} (goal {goal}: {'met' if met else 'not met'})", flush=True)


def measure(task: str, data: Path, *, keep: bool = False) -> dict[str, Any]:
    """Run one task in a fresh process; its answer comes with wall seconds and peak memory."""
    command = [sys.executable, __file__, "--task", task, "--folder", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{task} failed")
    facts: dict[str, Any] = json.loads(answer.splitlines()[-1])
    if not keep and task == "own":
        shutil.rmtree(data / "root", ignore_errors=True)
    return facts | {"peak_mb": usage.ru_maxrss / 1024}


def show(name: str, facts: dict[str, Any]) -> None:
    """Print one line of the comparison."""
    used = f"{facts['work']:7.1f} s wall {facts['work_cpu']:7.1f} s CPU {facts['peak_mb']:7.0f} MB"
    more = f"; copy of the raw files {facts['ingest']:.1f} s" if "ingest" in facts else ""
    print(f"{name:14} clean and count {used}  kept {facts['kept']:,}  counted {facts['counted']:,}{more}", flush=True)


# -- the product ------------------------------------------------------------------------------------------------------


def settings_for(data: Path, root: str = "root", **more: Any) -> Any:
    """Make the settings of the city of the benchmark."""
    from crimepatterns.config import load_settings

    changes = {
        "city": "bench", "title": "Bench", "root": str(data / root), "crs": CRS, "timezone": ZONE,
        "source": {"kind": "file", "paths": [str(data / "raw" / "*.csv.gz")]},
        "columns": COLUMNS, "taxonomy": {"mapping": LABELS, "unmapped": "reject"},
        "study_area": {"boundary": str(data / "area.gpkg")},
    }  # fmt: skip
    return load_settings(overrides=changes | more)


def count_days(settings: Any, executor: Any = None) -> Any:
    """Count by category, cell and day."""
    import pandas as pd

    from crimepatterns.domain.grid import Grid
    from crimepatterns.domain.periods import Periods
    from crimepatterns.store.areas import read_study_area
    from crimepatterns.store.cell_counts import count_cells
    from crimepatterns.store.layout import Layout

    layout = Layout(settings.root, settings.city)
    area = read_study_area(layout.study_area)
    grid = Grid.square(area, cell_size_m=CELL_M, origin=BOX[:2])
    periods = Periods.starting_at(pd.Timestamp(START, tz=ZONE), days=1, count=DAYS + 1)
    return count_cells(layout.incidents, grid, periods, categories=sorted(set(LABELS.values())), executor=executor)


def run_own(data: Path) -> dict[str, Any]:
    """Ingest, clean and count, as the command line runs them."""
    from crimepatterns.operations.pipeline import run_stage

    warm_up(data)
    settings = settings_for(data)
    watch = Watch()
    run_stage(settings, "ingest")
    ingest, ingest_cpu = watch.stop()
    watch = Watch()
    outcome = run_stage(settings, "clean")
    clean, clean_cpu = watch.stop()
    watch = Watch()
    panel = count_days(settings)
    count, count_cpu = watch.stop()
    return {
        "ingest": ingest, "clean": clean, "count": count, "work": clean + count, "work_cpu": clean_cpu + count_cpu,
        "ingest_cpu": ingest_cpu, "clean_cpu": clean_cpu, "kept": outcome.summary["kept"],
        "counted": int((panel.counts > 0).sum()),
        "raw_mb": megabytes(data / "raw"), "made_mb": megabytes(data / "root" / "data" / "processed"),
    }  # fmt: skip


def warm_up(data: Path) -> None:
    """Run everything once on the first file, so that the start of the process is not measured."""
    from crimepatterns.operations.pipeline import run_stage

    few = [min((data / "raw").glob("part-*.csv.gz"))]
    warm = settings_for(data, root="warm", source={"kind": "file", "paths": [str(path) for path in few]})
    for stage in ("ingest", "clean"):
        run_stage(warm, stage)
    count_days(warm)
    shutil.rmtree(data / "warm")


def run_day(data: Path) -> dict[str, Any]:
    """Add the next day's file, and run ingest and clean again."""
    from crimepatterns.operations.pipeline import run_stage
    from crimepatterns.store.layout import Layout

    warm_up(data)
    settings = settings_for(data)
    layout = Layout(settings.root, settings.city)
    before = {path.stat().st_ino for path in layout.incidents.rglob("*.parquet")}
    rows_before = json.loads(layout.cleaning_report.read_text())["rows_in"]
    shutil.copy(data / "next-day.csv.gz", data / "raw" / "next-day.csv.gz")
    watch = Watch()
    run_stage(settings, "ingest")
    ingest = watch.stop()
    watch = Watch()
    outcome = run_stage(settings, "clean")
    clean = watch.stop()
    after = [path.stat().st_ino for path in layout.incidents.rglob("*.parquet")]
    return {
        "rows": outcome.summary["rows_in"] - rows_before, "anew": outcome.summary["cleaned_anew"],
        "ingest": ingest[0], "ingest_cpu": ingest[1], "clean": clean[0], "clean_cpu": clean[1],
        "written": len([inode for inode in after if inode not in before]), "files": len(after),
    }  # fmt: skip


def run_spread(data: Path, kind: str) -> dict[str, Any]:
    """Clean and count from raw copies that are there, in one process or two worker processes."""
    import hashlib

    from crimepatterns.config import open_executor
    from crimepatterns.data_processing import clean
    from crimepatterns.store.snapshots import Snapshots

    settings = settings_for(data)
    changed = settings.execution.model_copy(update={"kind": kind, "workers": 2})
    settings = settings.model_copy(update={"execution": changed})
    Snapshots(settings.root / "data" / "processed" / "bench").remove()
    watch = Watch()
    with open_executor(changed, workers=2) as executor:
        list(executor.map(abs, [1, 2]))
        start = watch.stop()[0]
    watch = Watch()
    clean(settings)
    with open_executor(changed, workers=2) as executor:
        panel = count_days(settings, None if kind == "serial" else executor)
    work, cpu = watch.stop()
    return {"work": work, "work_cpu": cpu, "start": start, "panel": hashlib.sha256(panel.counts.tobytes()).hexdigest()}


def megabytes(folder: Path) -> float:
    """Return the size of a folder."""
    sizes = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(sizes.values()) / 2**20


TASKS = {
    "own": run_own, "pandas": run_pandas, "duckdb": run_duckdb, "day": run_day,
    "threads": partial(run_spread, kind="serial"), "spread": partial(run_spread, kind="dask"),
}  # fmt: skip

if __name__ == "__main__":
    main()
