"""Kill the pipeline at random moments; every artefact left behind must be whole, and the next run must finish.

Run with ``make drill``. Exits with 1 if anything is torn.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
from killing import last_task, run_or_kill
from matplotlib.image import imread

SETTINGS = (
    "source.incidents=8000",
    "source.years=2",
    "grid.cell_size_m=500",
    "forecast.categories=[burglary]",
    "forecast.tuning_candidates=0",
    "forecast.max_rows=20000",
    "evaluation.simulations=20",
)


def main() -> int:
    """Run the drill and print one line per kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)  # noqa: S311  # moments of a drill, not a secret
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        began = time.monotonic()
        if run_to_end(root) != 0:
            print("the undisturbed run failed")
            return 1
        whole = time.monotonic() - began
        print(f"undisturbed run: {whole:.1f} s")
        torn = 0
        for kill in range(1, arguments.kills + 1):
            moment = chance.uniform(0.5, whole)
            stage = run_and_kill(root, moment)
            problems = check(root)
            torn += len(problems)
            print(f"kill {kill:>2} after {moment:5.1f} s ({stage}): {problems or 'whole'}")
        finished = run_to_end(root)
        leftovers = [str(path.relative_to(root)) for path in root.rglob(".*.part")]
        problems = check(root)
        print(f"next run: exit {finished}, problems {problems}, leftovers {leftovers}")
        print(f"{arguments.kills} kills, {torn} torn artefacts")
        return int(bool(torn or finished or problems))


def command(root: Path) -> list[str]:
    """Give the command line of a whole run that redoes every stage."""
    sets = [part for setting in (*SETTINGS, f"root={root}") for part in ("--set", setting)]
    return [sys.executable, "-m", "crimepatterns", "run", "--no-serve", "--force", *sets]


def run_to_end(root: Path) -> int:
    """Run without disturbance and return the exit status."""
    done = subprocess.run(command(root), capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:])
    return done.returncode


def run_and_kill(root: Path, after_s: float) -> str:
    """Start a run, kill its whole process group after a while, and say which stage was under way."""
    return last_task(run_or_kill(command(root), after_s)[1])


def check(root: Path, *, seen: dict[Path, tuple[int, int]] | None = None) -> list[str]:
    """Open everything that is not a hidden temporary file, or what is new since what was `seen` and found whole."""
    from crimepatterns.errors import CrimePatternsError
    from crimepatterns.store.models import load_model

    problems = []
    whole: dict[Path, tuple[int, int]] = {} if seen is None else seen
    # Cleaned data lie behind a link to their current version.
    shown = [inner for link in (root / "data" / "processed").glob("*") for inner in link.rglob("*")]
    for path in sorted({*root.rglob("*"), *shown}):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        facts = path.stat()
        state = (facts.st_ino, facts.st_mtime_ns)
        if whole.get(path) == state:
            continue
        try:
            read(path)
            whole[path] = state
        except Exception as error:  # noqa: BLE001  # whatever is wrong with a file is what the drill looks for
            problems.append(f"{path.relative_to(root)}: {error}")
    for manifest in sorted((root / "models").glob("*/*/manifest.json")):
        folder, state = manifest.parent, (manifest.stat().st_ino, manifest.stat().st_mtime_ns)
        if whole.get(folder) == state:
            continue
        try:
            load_model(folder)
            whole[folder] = state
        except CrimePatternsError as error:
            problems.append(str(error))
    return problems


def read(path: Path) -> None:
    """Read a file to its end, by its kind."""
    if path.suffix == ".parquet":
        pq.ParquetFile(path).read()
    elif path.suffix in {".json", ".geojson"}:
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".png":
        imread(path)
    elif path.suffix == ".skops":
        broken = zipfile.ZipFile(path).testzip()
        if broken:
            raise ValueError(broken)
    elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith(("</html>", "</section>")):
        raise ValueError("page without an end")


if __name__ == "__main__":
    sys.exit(main())
