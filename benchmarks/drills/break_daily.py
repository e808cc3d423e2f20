"""Kill `crimepatterns daily` at random moments, and let its disk run full, while a server answers from its results.

Mornings bring new records. Runs are killed with SIGKILL, the whole process group, at a random moment of an ordinary
morning (one that ended before is not counted); the next either goes on where the killed one stopped, or finds still
more records. On some mornings the disk is full but for a random rest, so that a write fails somewhere on the way. All
the while the model server serves the forecasts of the city: a reader asks it and reads the files beside it. After each
event every file must be whole, and no forecast that was issued, no verdict and no line of a log may be gone; at the end
an undisturbed run must complete, with every record that was published, and the model server must serve its forecast.

The city lies on a small file system of its own (a mount namespace, so root or user namespaces are needed).

Run with ``make drill``, or: python benchmarks/drills/break_daily.py --kills 20 --fulls 2 --seed 1. Exits with 1 if
anything is wrong.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent))
from kill_pipeline import check
from killing import last_task
from town import Town, await_server, free_port

FIRST, NEW = 2500, 30
DISK_MB = 512


def drill(root: Path, *, kills: int, fulls: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Run the drill in a folder that holds an empty file system ``disk``; return what was wrong."""
    town = Town(root, random.Random(seed))  # noqa: S311  # moments of a drill, not a secret
    town.port = free_port()
    town.publish(FIRST, 400)
    town.undisturbed()
    town.publish(NEW, 2)
    whole = town.undisturbed()
    say(f"undisturbed morning: {whole:.1f} s")
    done = threading.Event()
    server = subprocess.Popen(town.command("model", "serve"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reader = threading.Thread(target=read_on, args=(town, done))
    try:
        await_server(town.port)
        reader.start()
        events = ["kill"] * kills + ["full"] * fulls
        town.chance.shuffle(events)
        for number, event in enumerate(events, start=1):
            kept = town.kept()
            told = killed(town, whole) if event == "kill" else filled(town)
            wrong = [*check(root / "disk", seen=town.whole), *missing(kept, town.kept())]
            town.problems += wrong
            say(f"{number:>3} {told}: {wrong or 'whole'}")
        town.publish(NEW, 2)
        seconds = town.undisturbed()
        town.problems += check(root / "disk") + looked_over(town)
        await_run(town)
        say(f"next morning: {seconds:.1f} s, {town.rows} records were published")
        say(f"{town.answers} answers read from the server, of {len(town.runs)} runs; {town.reads} files read beside it")
    finally:
        done.set()
        server.terminate()
        server.wait()
        if reader.ident is not None:
            reader.join()
    return town.problems


def killed(town: Town, whole: float) -> str:
    """Kill a morning at a random moment; one that ends before does not count."""
    while True:
        if town.complete or town.chance.random() < 0.5:
            town.publish(NEW, 2)
        moment = town.chance.uniform(0.5, whole)
        status, _, output = town.morning(kill_after=moment)
        if status == -signal.SIGKILL:
            return f"killed after {moment:.1f} s ({last_task(output)})"
        if status != 0:
            town.problems.append(f"a morning that was not disturbed failed: {output[-1500:]}")
            return f"failed before it was killed (exit {status})"


def filled(town: Town) -> str:
    """Leave little room, let a morning fail on it or get by, and make room again."""
    town.publish(NEW, 2)
    disk = town.root / "disk"
    room = int(10 ** town.chance.uniform(3.5, 6.5))
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    with filler.open("wb") as handle:
        os.posix_fallocate(handle.fileno(), 0, max(1, free - room))
    status, _, output = town.morning()
    filler.unlink()
    if status not in {0, 1} or "Traceback" in output:
        town.problems.append(f"a full disk ended with {status}: {output[-1500:]}")
    return f"disk full but for {room // 1000} kB (exit {status})"


def missing(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Name what was kept for good and is not there, or not as it was: logs may go on, other files stay as they are."""
    return [
        f"{name} has lost what it held"
        for name, content in before.items()
        if not after.get(name, b"").startswith(content)
    ]


def looked_over(town: Town) -> list[str]:
    """Look at the last result: every record once, nothing left over, and `verify` finds nothing."""
    disk = town.root / "disk"
    files = disk / "data" / "processed" / "drill" / "incidents" / "**" / "*.parquet"
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(DISTINCT id), count(*) FROM read_parquet(?)", [str(files)]).fetchone()
    wrong = [] if found == (town.rows, town.rows) else [f"{town.rows} records published, ids and rows there: {found}"]
    wrong += [f"left over: {path}" for path in disk.rglob(".*.part")]
    verify = subprocess.run(town.command("verify"), capture_output=True, text=True, check=False)
    return wrong + ([f"verify: {verify.stdout}{verify.stderr}"] if verify.returncode else [])


def read_on(town: Town, done: threading.Event) -> None:
    """Ask the server for the forecast ten times a second, and read the file as any program would."""
    layer = town.root / "disk" / "results" / "drill" / "forecasts" / "theft.parquet"
    with httpx.Client(base_url=f"http://127.0.0.1:{town.port}", timeout=60) as client, duckdb.connect() as connection:
        while not done.wait(0.1):
            try:
                town.take(client.get("/v1/forecast/theft"))
            except httpx.HTTPError as error:
                town.problems.append(f"the server did not answer: {error!r}")
            try:
                rows = connection.execute("SELECT count(*), count(mean_0) FROM read_parquet(?)", [str(layer)])
                if 0 in (rows.fetchone() or (0,)):
                    town.problems.append("a forecast without cells was read")
                town.reads += 1
            except duckdb.Error as error:
                # While the folder is being swapped the file is absent for a moment; it is never torn.
                if not any(words in str(error) for words in ("No files found", "No such file")):
                    town.problems.append(f"a torn forecast was read: {error!r}")


def await_run(town: Town) -> None:
    """Wait until the server answers from the last forecast."""
    layer = town.root / "disk" / "results" / "drill" / "forecasts" / "theft.parquet"
    with duckdb.connect() as connection:
        found = connection.execute("SELECT sum(mean_0) FROM read_parquet(?)", [str(layer)]).fetchone()
    for _ in range(300):
        told = httpx.get(f"http://127.0.0.1:{town.port}/v1/forecast/theft", timeout=60).json()
        if found and abs(told["expected_total"] - found[0]) < 1e-3:
            return
        time.sleep(0.2)
    town.problems.append(f"the server has not taken over the last forecast of {found}")


def main() -> int:
    """Run the drill in a mount namespace of its own and print one line per event."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fulls", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside is not None:
        found = drill(arguments.inside, kills=arguments.kills, fulls=arguments.fulls, seed=arguments.seed, say=told)
        told(f"{arguments.kills} kills, {arguments.fulls} full disks, {len(found)} problems")
        for problem in found[:20]:
            told(problem)
        return int(bool(found))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "disk").mkdir()
        own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        again = [sys.executable, str(Path(__file__).resolve()), "--inside", folder]
        again += [f"--{name}={getattr(arguments, name)}" for name in ("kills", "fulls", "seed")]
        script = f'mount -t tmpfs -o size={DISK_MB}m none "{folder}/disk" && exec "$@"'
        namespace = [shutil.which("unshare") or "unshare", *own, "--mount", "bash", "-c", script, "drill"]
        return subprocess.run([*namespace, *again], check=False).returncode


def told(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
