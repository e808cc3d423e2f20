"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import crimepatterns

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "src" / "crimepatterns"
MODULES = sorted(SOURCE.rglob("*.py"))
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
BANNED_NAMES = {"utils", "util", "helpers", "helper", "base", "manager", "common", "misc"}
BANNED_VARIABLES = {"df", "data", "res", "tmp"}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True).stdout.decode()
    return [PROJECT / name for name in listed.split("\0") if name and (PROJECT / name).is_file()]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_has_one_idea_and_says_it(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert module.stem not in BANNED_NAMES
    assert ast.get_docstring(tree), "a module begins with a sentence that says what it is"
    assert len(text.splitlines()) <= 350, "split the file"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [line for line in ast.unparse(ast.Module(_without_docstring(node), [])).splitlines() if line.strip()]
            assert len(body) <= 45, f"{node.name} is {len(body)} lines long"
            names = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            assert not names & BANNED_VARIABLES, f"{node.name} has an argument that says nothing"


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    first = node.body[0]
    has = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return node.body[1:] if has else node.body


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_unsafe_is_loaded(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {
        node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not imported & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        assert called not in {"yaml.load", "joblib.load", "eval", "exec", "pd.read_pickle", "pandas.read_pickle"}
        if called in {"np.load", "numpy.load"}:
            assert not any(k.arg == "allow_pickle" for k in call.keywords)


def test_the_public_names_are_these() -> None:
    assert sorted(crimepatterns.__all__) == [
        "City", "CylinderLimits", "Forecast", "Grid", "History", "Incidents", "Panel", "Periods", "Scorecard",
        "Segments", "ShiftCalendar", "SpaceTimeBands", "StudyArea", "Surface", "__version__", "adaptive_density",
        "against_usual", "build_features", "by_domestic", "by_premise", "change_between", "change_table",
        "choose_bandwidth", "clean", "concentration", "dbscan", "density_ratio", "emerging_hot_spots", "evaluate",
        "expect", "find_cards", "find_clusters", "find_patterns", "forecast", "gi_star", "hdbscan",
        "hot_spot_persistence", "hot_spots", "hour_of_week", "hour_weights", "ingest", "kernel_density", "knox",
        "labelled_ratio", "load_settings", "local_moran", "local_moran_given", "make_forecaster", "mass_by_shift",
        "near_repeat_chains", "network_density", "network_gi_star", "network_rates", "optimised_hot_spots",
        "permutation_scan", "plan", "poisson_scan", "repeat_decay", "repeat_places", "risky_facilities", "rolling",
        "run_all", "run_stage", "s_index", "season_trend", "self_exciting", "smoothed_rates", "st_dbscan", "train",
    ]  # fmt: skip
    for name in crimepatterns.__all__:
        assert getattr(crimepatterns, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        _ = crimepatterns.nonsense


def test_importing_the_product_and_its_command_line_is_light() -> None:
    code = (
        "import sys, crimepatterns, crimepatterns.cli, crimepatterns.config;"
        "heavy={'pandas','numpy','sklearn','geopandas','matplotlib','duckdb','scipy','fastapi','shapely'}&set(sys.modules);"
        "sys.exit(' '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"imported at start: {done.stderr}"


def test_serving_stored_results_needs_no_learner() -> None:
    code = "import sys, crimepatterns.serving.web; sys.exit('sklearn' if 'sklearn' in sys.modules else 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layers_hold() -> None:
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([script], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_thin_and_stored_without_outputs(notebook: Path) -> None:
    book = nbformat.read(notebook, as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert not any(re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE) for cell in cells)
    assert len([cell for cell in book.cells if cell.cell_type == "markdown"]) >= len(cells) / 2


def test_no_machine_path_registry_host_or_secret_is_committed() -> None:
    banned = re.compile(
        r"/work/|/root/|/home/[a-z]|files\.pythonhosted|pypi\.org/simple|registry\.npmjs|deb\.debian\.org"
        r"|BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY|AKIA[0-9A-Z]{16}"
    )
    found = []
    for path in tracked_files():
        if path.suffix in {".png", ".parquet", ".ico", ".woff2"} or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if banned.search(line):
                found.append(f"{path.relative_to(PROJECT)}:{number}")
    assert not found


def test_no_third_party_data_or_lock_but_the_one() -> None:
    names = {path.relative_to(PROJECT).as_posix() for path in tracked_files()}
    assert not {name for name in names if name.endswith((".parquet", ".gpkg", ".shp", ".pkl", ".joblib", ".skops"))}
    assert not names & {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"}
    assert "requirements.txt" in names


def test_every_pinned_requirement_carries_a_hash() -> None:
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
