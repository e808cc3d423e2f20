"""Kill ingest and clean at random moments while a portal publishes, changes and withdraws records, and itself fails.

A worker process pulls from a portal on this machine, looks for withdrawn records and cleans, over and over; it is
killed with SIGKILL at a random moment a hundred times. The portal answers a part of all requests with errors, broken or
cut bodies or not at all, and its records change between pages. After each kill the raw copies must be whole, and a
reader must find one whole version of the incidents. At the end, with portal and worker undisturbed, every published
record must be there once and in its last version, and every raw row must be accounted for.

Run with ``make drill``, or: python benchmarks/drills/kill_ingest.py --kills 100. Exits with 1 if anything is wrong.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import shapely
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from servers import FaultServer, RandomFaults
from servers.records import SODA_KINDS, city_records
from servers.soda import SodaDataset

WORKER = """
import sys
from crimepatterns.config import load_settings
from crimepatterns.errors import SourceError
from crimepatterns.feed_ingest import reconcile
from crimepatterns.operations.pipeline import run_stage
settings, rounds = load_settings(sys.argv[1], {"root": sys.argv[2]}), int(sys.argv[3])
print("ready", flush=True)
while rounds:
    try:
        run_stage(settings, "ingest")
        reconcile(settings)
        run_stage(settings, "clean")
        rounds -= 1
    except SourceError as error:
        print("portal", type(error).__name__, flush=True)
"""
COLUMNS = {"occurred_from": "occurred_from", "known_at": "reported", "category": "offense"}
COLUMNS |= {"longitude": "place_longitude", "latitude": "place_latitude"}
OFFENSES = ("THEFT", "ARSON", "FRAUD", "ROBBERY")


@dataclass
class Publisher:
    """A portal whose records come, change and go between its answers."""

    dataset: SodaDataset
    chance: random.Random
    queue: Iterator[dict[str, Any]]
    busy: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, _page: int = 0) -> None:
        """Let a few minutes pass and a few things happen."""
        with self.busy:
            self.dataset.later(minutes=5)
            self.dataset.insert([record for record in (next(self.queue, None) for _ in range(2)) if record])
            names = [row["case_number"] for row in self.dataset.records]
            changed, gone = self.chance.choice(names), self.chance.choice(names)
            self.dataset.change("case_number", changed, offense=self.chance.choice(OFFENSES))
            if len(names) > 300 and self.chance.random() < 0.5:
                self.dataset.delete("case_number", [gone])


def main() -> int:
    """Run the drill and print one line per kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        problems = drill(Path(folder), kills=arguments.kills, seed=arguments.seed, say=print)
    print(
        f"{arguments.kills} kills: " + ("; ".join(problems) or "nothing lost, nothing doubled, every row accounted for")
    )
    return int(bool(problems))


def drill(folder: Path, *, kills: int, seed: int, say: Callable[[str], object] = lambda _: None) -> list[str]:
    """Kill the worker so many times; return what is wrong."""
    chance = random.Random(seed)  # noqa: S311  # moments of a drill, not a secret
    problems: list[str] = []
    with portal(folder, seed, chance) as (server, publisher, config):
        whole = run_worker(config, folder, rounds=1)
        say(f"undisturbed: {whole:.1f} s from ready to clean")
        server.fault_for = RandomFaults(np.random.default_rng(seed), share=0.1)
        publisher.dataset.between = publisher.publish
        for kill in range(1, kills + 1):
            publisher.publish()
            moment = chance.uniform(0.0, 1.5 * whole)
            failed = kill_worker(config, folder, after_s=moment)
            found = check(folder)
            problems += found
            seen = f"the portal failed {failed} times" if failed else "the portal held"
            say(f"kill {kill:>3} after {moment:4.1f} s ({seen}): {'; '.join(found) or 'whole'}")
        server.fault_for, publisher.dataset.between = lambda _: None, lambda _: None
        run_worker(config, folder, rounds=2)
        problems += [*check(folder), *settle(folder, config, publisher.dataset)]
    return problems


@contextmanager
def portal(folder: Path, seed: int, chance: random.Random) -> Iterator[tuple[FaultServer, Publisher, Path]]:
    """Open the portal with some hundred records, and write the city file that points to it."""
    records = [record for record in city_records(seed=seed) if record["place"] is not None]
    boundary, config = folder / "boundary.geojson", folder / "city.yaml"
    places = [shapely.Point(record["place"]["coordinates"]) for record in records if record["place"]["coordinates"][0]]
    around = shapely.box(*shapely.MultiPoint(places).bounds).buffer(0.01)
    gpd.GeoDataFrame({"name": ["here"]}, geometry=[around], crs="EPSG:4326").to_file(boundary)
    with FaultServer() as server:
        dataset = SodaDataset(server, "abcd-1234", SODA_KINDS, row_id="case_number")
        dataset.insert(records[:400])
        feed = {
            "domain": f"http://{server.host}", "datasets": ["abcd-1234"], "id_column": "case_number", "page_size": 60,
            "allow_private": [server.host], "requests_per_second": 1000, "timeout_s": 2, "retries": 0,
            # Between two answers that arrive, this portal may withdraw more than an honest one would.
            "max_withdrawn": 0.99,
        }  # fmt: skip
        city = {
            "city": "live", "title": "Live", "timezone": "America/Chicago", "columns": COLUMNS,
            "source": {"kind": "socrata", "feed": feed}, "study_area": {"boundary": str(boundary)},
        }  # fmt: skip
        config.write_text(yaml.safe_dump(city))
        yield server, Publisher(dataset, chance, iter(records[400:])), config


def start(config: Path, folder: Path, rounds: int) -> "subprocess.Popen[str]":
    """Start the worker and wait until it is about to begin."""
    command = [sys.executable, "-c", WORKER, str(config), str(folder), str(rounds)]
    worker = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert worker.stdout is not None
    if worker.stdout.readline() != "ready\n":
        raise RuntimeError(worker.communicate()[1][-2000:])
    return worker


def run_worker(config: Path, folder: Path, *, rounds: int) -> float:
    """Let the worker finish some rounds; return the seconds."""
    worker, began = start(config, folder, rounds), time.monotonic()
    _, complaint = worker.communicate(timeout=300)
    if worker.returncode:
        raise RuntimeError(complaint[-2000:])
    return time.monotonic() - began


def kill_worker(config: Path, folder: Path, *, after_s: float) -> int:
    """Start the worker and kill it after a while; return how often the portal failed it."""
    worker = start(config, folder, 1_000_000)
    time.sleep(after_s)
    if worker.poll() is not None:
        raise RuntimeError(worker.communicate()[1][-2000:])
    os.killpg(worker.pid, signal.SIGKILL)
    out, _ = worker.communicate()
    return out.count("portal")


def check(folder: Path) -> list[str]:
    """Look at everything a killed worker left."""
    from crimepatterns.errors import CrimePatternsError
    from crimepatterns.store.layout import Layout
    from crimepatterns.store.raw import RawStore, file_digest
    from crimepatterns.store.snapshots import reading

    layout, problems = Layout(folder, "live"), []
    store = RawStore(layout.raw)
    for entry in store.entries():
        path = store.path_of(entry)
        if not path.is_file() or file_digest(path) != entry.sha256 or pq.read_metadata(path).num_rows != entry.rows:
            problems.append(f"raw copy {entry.file} is not what the manifest says")
    try:
        problems += reading(layout.processed, check_version)
    except CrimePatternsError as error:
        problems.append(str(error))
    return problems


def check_version(version: Path) -> list[str]:
    """Compare incidents, rejected rows, report, manifest and raw copies of one version."""
    from crimepatterns.store.snapshots import read_manifest

    report = json.loads((version / "cleaning_report.json").read_text(encoding="utf-8"))
    cleaning = read_manifest(version)["cleaning"]
    incidents, rejected = (
        f"read_parquet('{version}/incidents/**/*.parquet')",
        f"read_parquet('{version}/rejected.parquet/*')",
    )
    raw = [
        version.parents[3] / "data" / "raw" / "live" / "files" / file
        for file, _, _, _, withdraws, *_ in cleaning["entries"]
        if not withdraws
    ]
    rows, ids = count(f"SELECT count(*), count(DISTINCT id) FROM {incidents}")
    (gone,) = count(f"SELECT count(*) FROM {rejected}")
    there = f"SELECT id FROM {incidents} UNION ALL SELECT id FROM {rejected}"
    came = f"SELECT case_number AS id FROM read_parquet({[str(path) for path in raw]}, union_by_name = true)"
    (lost,) = count(f"SELECT count(*) FROM ({came} EXCEPT ALL ({there}))")
    (doubled,) = count(f"SELECT count(*) FROM (({there}) EXCEPT ALL {came})")
    figures = {
        "rows kept": (rows, report["kept"]),
        "ids": (ids, rows),
        "rows rejected": (gone, report["rejected_total"]),
        "rows accounted for": (rows + gone, report["rows_in"]),
        "rows of files": (sum(facts["rows"] for facts in cleaning["built"]["files"].values()), rows),
        "raw rows that are lost": (lost, 0),
        "raw rows that are doubled": (doubled, 0),
    }
    return [f"{what}: {found}, expected {expected}" for what, (found, expected) in figures.items() if found != expected]


def settle(folder: Path, config: Path, dataset: SodaDataset) -> list[str]:
    """Compare with what is published now, and with cleaning everything anew."""
    from crimepatterns.config import load_settings
    from crimepatterns.data_processing import clean
    from crimepatterns.store.layout import Layout

    layout = Layout(folder, "live")
    files = f"{layout.incidents}/**/*.parquet"
    rejected = f"{layout.rejected}/*"
    kept = dict(duckdb.sql(f"SELECT id, category FROM read_parquet('{files}')").fetchall())
    refused = (
        f"SELECT id FROM read_parquet('{rejected}') WHERE reason NOT LIKE 'replaced%' AND reason NOT LIKE 'withdrawn%'"
    )
    faulty = {name for (name,) in duckdb.sql(refused).fetchall()}
    published = {row["case_number"]: (row["offense"] or "").lower() for row in dataset.records}
    problems = []
    if set(kept) | faulty != set(published) or set(kept) & faulty:
        problems.append(
            f"published records: {len(published)}, kept {len(kept)}, refused for their values {len(faulty)}"
        )
    problems += [
        f"{name} is not the last version" for name, category in kept.items() if published.get(name) != category
    ]
    leftovers = [str(path.relative_to(folder)) for path in folder.rglob("*.part")]
    problems += [f"left behind: {leftovers}"] if leftovers else []
    built_up = tables(files, rejected)
    clean(load_settings(config, {"root": str(folder)}), rebuild=True)
    if tables(files, rejected) != built_up:
        problems.append("cleaning everything anew gives another result")
    return problems


def tables(files: str, rejected: str) -> list[Any]:
    """Read both tables in an order of their own."""
    incidents = f"SELECT COLUMNS(* EXCLUDE (year, month))::VARCHAR FROM read_parquet('{files}') ORDER BY ALL"
    gone = f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet('{rejected}') ORDER BY ALL"
    return [duckdb.sql(query).fetchall() for query in (incidents, gone)]


def count(query: str) -> tuple[int, ...]:
    """Ask for numbers."""
    found: tuple[int, ...] = duckdb.sql(query).fetchall()[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
