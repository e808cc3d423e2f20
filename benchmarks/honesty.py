"""The honesty report on invented cities: how often a check alarms in clean ones, and how often it finds a defect.

Clean cities are stable, drifting and strongly clustered ones, with seasons, trends, weekly rhythms, near repeats and
hot addresses, three years and about 45,000 incidents each. Each defect is planted in 0.5 % and in 5 % of the rows of
further cities. The whole stage is timed on a larger city, with its peak memory, and on one beyond `quality.max_rows`.

Run: python benchmarks/honesty.py [--clean 100] [--planted 20] [--workers 2] [--rows 320000] [--many 0]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

GOAL_FALSE, SHARES = 2, (0.005, 0.05)
BLOCKS = "middles and ends of blocks"


def main() -> None:
    """Print false alarms, detection rates and the time of the stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=100, help="clean cities")
    parser.add_argument("--planted", type=int, default=20, help="cities per defect and share")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=320_000, help="incidents of the city on which the stage is timed")
    parser.add_argument("--many", type=int, default=0, help="incidents of a second, larger one; 0 leaves it out")
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage is not None:
        print(json.dumps(run_stage(arguments.stage, arguments.rows)))
        return
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.workers) as pool:
        alarms = list(pool.map(alarms_of_clean_city, range(arguments.clean), chunksize=2))
        found = list(pool.map(detections_of_city, range(arguments.clean, arguments.clean + arguments.planted)))
    if alarms:
        report_false_alarms(alarms)
    if found:
        report_detections(found)
    print(f"\n{time.monotonic() - began:.0f} s for {arguments.clean + arguments.planted} cities")
    for rows in (arguments.rows, arguments.many):
        if rows:
            report_stage(rows)


def city_of(number: int) -> Any:
    """Draw a city of its own for each number, the three classes in turn."""
    from crimepatterns.sources.synthetic import SyntheticCity

    city_class = ("stable", "triggering", "drifting")[number % 3]
    return SyntheticCity(city_class=city_class, incidents=45_000, years=3, seed=90_000 + number, area_km2=50)


def subject_of(incidents: Any, city: Any, number: int) -> Any:
    """Make what the checks look at: a file that was copied on the day after its last incident."""
    from crimepatterns.quality.honesty import Subject
    from crimepatterns.quality.record import Intake, Record, count_days

    record = Record(incidents, count_days(incidents.table), Intake(len(incidents), taken_at=city.end))
    areas = [name for name in ("area",) if name in incidents.table]
    return Subject(record, area_columns=areas, rng=np.random.default_rng(number))


def alarms_of_clean_city(number: int) -> list[str]:
    """Run every check on a clean city; return those that alarm."""
    from crimepatterns.domain.grid import Grid
    from crimepatterns.quality.honesty import check_record
    from crimepatterns.sources.planted_defects import clean_incidents

    city = city_of(number)
    incidents = clean_incidents(city, np.random.default_rng(number))
    report = check_record(subject_of(incidents, city, number), grid=Grid.square(city.area, cell_size_m=250))
    return [finding.check for finding in report.findings if finding.alarm]


def detections_of_city(number: int) -> dict[tuple[str, str, float], bool]:
    """Plant every defect at both shares in one city; tell which the check in charge finds."""
    from crimepatterns.quality.honesty import run_check
    from crimepatterns.sources.planted_defects import PLANTS, clean_incidents
    from crimepatterns.sources.planted_places import snapped_to_blocks

    city = city_of(number)
    incidents = clean_incidents(city, np.random.default_rng(number))
    plants = {**PLANTS, BLOCKS: ("snapped_points", snapped_to_blocks(city))}
    found = {}
    for name, (check, plant) in plants.items():
        for share in SHARES:
            planted = plant(incidents, share, np.random.default_rng([number, round(1000 * share)]))
            found[name, check, share] = run_check(check, subject_of(planted, city, number)).alarm
    return found


def report_false_alarms(alarms: list[list[str]]) -> None:
    """Print the alarms in clean cities by check."""
    from crimepatterns.quality.honesty import CHECKS

    counted = Counter(check for city in alarms for check in city)
    print(f"False alarms in {len(alarms)} clean cities (goal: at most {GOAL_FALSE} of 100 per check)")
    for check in (*CHECKS, "hot_spots"):
        print(f"  {check:22s} {counted[check]:3d}{'   above the goal' if counted[check] > GOAL_FALSE else ''}")
    print(f"  {'any check':22s} {sum(bool(city) for city in alarms):3d}")


def report_detections(found: list[dict[tuple[str, str, float], bool]]) -> None:
    """Print the detection rates by defect and share."""
    shares = " ".join(f"{share:>7.1%}" for share in SHARES)
    print(f"\nDefects found in {len(found)} cities each\n  {'defect':32s} {'check':22s} {shares}")
    names = dict.fromkeys((name, check) for name, check, _ in found[0])
    for name, check in names:
        rates = [float(np.mean([city[name, check, share] for city in found])) for share in SHARES]
        print(f"  {name:32s} {check:22s} " + " ".join(f"{rate:>7.0%}" for rate in rates))


def report_stage(rows: int) -> None:
    """Time the stage in a process of its own, and tell its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), rows)
        command = [sys.executable, __file__, "--stage", folder, "--rows", str(rows)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answer = json.loads(process.stdout.read())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    print(
        f"The stage on {answer['rows']:,} incidents ({answer['looked_at']:,} looked at one by one): "
        f"{answer['seconds']:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} CPU s with start, "
        f"peak {usage.ru_maxrss / 1024:.0f} MB"
    )


def settings_of(folder: Path, rows: int) -> Any:
    """Return the settings of the embedded city with so many incidents."""
    from crimepatterns.config import load_settings

    years = 3 if rows < 1_000_000 else 8
    return load_settings(overrides={"root": str(folder), "context": [], "source": {"incidents": rows, "years": years}})


def prepare(folder: Path, rows: int) -> None:
    """Ingest and clean, as the stage expects it."""
    from crimepatterns.data_processing import clean, ingest

    settings = settings_of(folder, rows)
    ingest(settings)
    clean(settings)


def run_stage(folder: Path, rows: int) -> dict[str, Any]:
    """Run the stage and tell what it looked at."""
    from crimepatterns.quality_check import check

    settings = settings_of(folder, rows)
    began = time.monotonic()
    check(settings)
    seconds = time.monotonic() - began
    report = json.loads((folder / "results" / settings.city / "quality" / "honesty.json").read_text())
    return {"seconds": seconds, "rows": report["rows"], "looked_at": report["rows_looked_at"]}


if __name__ == "__main__":
    main()
