"""The whole product on a small synthetic city, through the command line, as a user runs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crimepatterns.config import Settings, load_settings
from crimepatterns.operations.pipeline import run_all, run_stage
from crimepatterns.operations.stages import STAGES
from crimepatterns.store.layout import Layout


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    return subprocess.run(
        [sys.executable, "-m", "crimepatterns", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_is_there_after_a_run(small_city_run: Settings) -> None:
    layout = Layout(small_city_run.root, small_city_run.city)
    for path in (
        layout.raw / "MANIFEST.json",
        layout.rejected,
        layout.study_area,
        layout.cleaning_report,
        layout.cleaning_report.with_suffix(".html"),
        layout.plan / "plan.csv",
        layout.plan / "plan.geojson",
        layout.plan / "sheet.html",
        layout.context / "layers" / "bars.parquet",
        layout.figures / "context_bars.png",
    ):
        assert path.exists(), path
    assert list(layout.incidents.glob("year=*/month=*/*.parquet"))
    assert list(layout.patterns.glob("*/gi_star.parquet"))
    assert list(layout.forecasts.glob("*.parquet"))
    assert len(list(layout.figures.glob("*.png"))) >= 7
    for name in ("random_forest", "gradient_boosting"):
        version = next((layout.models / f"{layout.city}-burglary-{name}").glob("[!.]*/manifest.json")).parent
        found = {path.name for path in version.iterdir()}
        assert found >= {
            "trained_model.skops",
            "model_pipeline.skops",
            "model_metrics.json",
            "model_config.yaml",
            "feature_importance.png",
            "partial_dependence.png",
            "model_card.md",
            "manifest.json",
        }
    assert not list(Path(small_city_run.root).rglob("*.pkl"))


def test_rows_in_are_kept_or_rejected(small_city_run: Settings) -> None:
    report = json.loads(Layout(small_city_run.root, small_city_run.city).cleaning_report.read_text())
    assert report["rows_in"] == report["kept"] + sum(report["rejected"].values())
    assert report["rejected"]


def test_a_second_run_finds_everything_unchanged(small_city_run: Settings) -> None:
    assert all(outcome.skipped for outcome in run_all(small_city_run))


def test_a_changed_setting_reruns_only_what_depends_on_it(small_city_run: Settings, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small_city_run.root, root, copy_function=shutil.copy2)
    changed = small_city_run.model_copy(
        update={"root": root, "plan": small_city_run.plan.model_copy(update={"units": 2})}
    )
    ran = [outcome.name for outcome in run_all(changed) if not outcome.skipped]
    assert ran[0] == "plan"
    assert set(ran) <= {"plan", "visualize"}


def test_a_lost_result_is_made_again(small_city_run: Settings, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small_city_run.root, root, copy_function=shutil.copy2)
    settings = small_city_run.model_copy(update={"root": root})
    plan = Layout(root, settings.city).plan / "plan.csv"
    before = plan.read_bytes()
    plan.unlink()
    assert not run_stage(settings, "plan").skipped
    assert plan.read_bytes() == before


def test_stage_names_are_commands() -> None:
    from crimepatterns.cli import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {stage.name for stage in STAGES} <= commands


def test_the_command_line_speaks_json(tmp_path: Path) -> None:
    done = command("ingest", "--json", "--set", "source.incidents=500", "--set", "source.years=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["stage"] == "ingest"
    assert answer["skipped"] is False
    again = command("ingest", "--json", "--set", "source.incidents=500", "--set", "source.years=1", cwd=tmp_path)
    assert json.loads(again.stdout)["skipped"] is True


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("patterns",), 1, "run `crimepatterns clean` first"),
        (("clean", "--config", "none.yaml"), 2, "does not exist"),
        (("clean", "--set", "grid"), 2, "KEY=VALUE"),
        (("clean", "--set", "grid.cell_size_m=0"), 2, "grid.cell_size_m"),
        (("model", "export", "none", "--to", "x"), 1, "none"),
    ],
)
def test_errors_are_one_helpful_line(tmp_path: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_forgotten_records_are_nowhere(small_city_run: Settings, tmp_path: Path) -> None:
    from crimepatterns.city import City
    from crimepatterns.operations.erasure import forget_everywhere

    root = tmp_path / "copy"
    shutil.copytree(small_city_run.root, root, copy_function=shutil.copy2)
    settings = small_city_run.model_copy(update={"root": root})
    victim = str(City(settings).incidents.table["id"].iloc[7])
    forget_everywhere(settings, [victim])
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    assert victim not in set(City(settings).incidents.table["id"])


def test_the_embedded_city_needs_no_file() -> None:
    assert load_settings().source.kind == "synthetic"
