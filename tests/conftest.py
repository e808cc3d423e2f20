"""Fixtures, and the rule that a skip fails where everything is required."""

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE") == "all" or os.environ.get("CI") == "true"
PROJECT = Path(__file__).resolve().parent.parent


SLOW_FILES = (
    "integration/test_backup.py",
    "integration/test_bad_input.py",
    "integration/test_card_commands.py",
    "integration/test_context.py",
    "integration/test_context_real.py",
    "integration/test_database_source.py",
    "integration/test_extracts_and_objects.py",
    "integration/test_feed_commands.py",
    "integration/test_feeds.py",
    "integration/test_honesty_of_real_files.py",
    "integration/test_incremental.py",
    "integration/test_ingest_and_clean.py",
    "integration/test_kill_ingest.py",
    "integration/test_map_scoring.py",
    "integration/test_monitoring.py",
    "integration/test_month_only.py",
    "integration/test_pipeline.py",
    "integration/test_police_uk.py",
    "integration/test_real_files.py",
    "integration/test_replay.py",
    "integration/test_safeguards.py",
    "integration/test_squares_metric.py",
    "integration/test_thin_cities.py",
    "integration/test_training_and_forecasting.py",
    "integration/test_url_files.py",
    "integration/test_wheel.py",
    "properties/test_leakage.py",
    "unit/cleaning/test_job.py",
    "unit/evaluation/test_comparison.py",
    "unit/evaluation/test_explanation_check.py",
    "unit/evaluation/test_non_inferiority.py",
    "unit/evaluation/test_scoreboard.py",
    "unit/evaluation/test_union_intervals.py",
    "unit/execution/test_executors.py",
    "unit/features/test_design_context.py",
    "unit/forecasts/test_count_learners.py",
    "unit/forecasts/test_optuna_search.py",
    "unit/monitoring/test_evidence.py",
    "unit/patterns/test_autocorrelation.py",
    "unit/patterns/test_cards.py",
    "unit/patterns/test_cards_bulletin.py",
    "unit/patterns/test_cards_window.py",
    "unit/patterns/test_change.py",
    "unit/patterns/test_clusters.py",
    "unit/patterns/test_density_kinds.py",
    "unit/patterns/test_guard_rails.py",
    "unit/patterns/test_optimised.py",
    "unit/patterns/test_planted_city.py",
    "unit/patterns/test_reporting_delay.py",
    "unit/patterns/test_scan.py",
    "unit/patterns/test_self_exciting.py",
    "unit/patterns/test_space_time.py",
    "unit/patterns/test_usual_counts.py",
    "unit/patterns/test_validation.py",
    "unit/quality/test_change_points.py",
    "unit/quality/test_checks.py",
    "unit/quality/test_completeness.py",
    "unit/quality/test_consequences.py",
    "unit/quality/test_stage.py",
    "unit/sources/test_feed_copy.py",
    "unit/sources/test_sql_database.py",
    "unit/sources/test_synthetic_city.py",
    "unit/sources/test_synthetic_context.py",
    "unit/sources/test_synthetic_realism.py",
    "unit/sources/test_synthetic_truth.py",
    "unit/store/test_card_decisions.py",
    "unit/store/test_snapshots.py",
    "unit/visuals/test_maps.py",
    "web/test_explore_api.py",
    "web/test_explore_chicago.py",
    "web/test_jobs.py",
    "web/test_monitoring_page.py",
    "web/test_upload.py",
)
"""Files whose tests or fixtures take more than a few seconds."""
SLOW_MODELS = ("random_forest", "gradient_boosting", "poisson_boosting", "stack", "additive_intensity")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a run of the whole pipeline, lies in a slow file, or fits a learner."""
    for item in items:
        path = item.path.relative_to(PROJECT / "tests").as_posix()
        named = item.name.partition("[")[2]
        learns = path.startswith(("contracts", "properties")) and any(model in named for model in SLOW_MODELS)
        if learns or path in SLOW_FILES or "small_city_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a skip is a failure here (REQUIRE=all or CI=true): {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in one table which programs or files were missing and what was not tested for it."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[re.sub(r"^Skipped: ", "", text)] += 1
    if reasons:
        terminalreporter.section("not tested here")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:>5} tests  {reason}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real incident files beside the project."""
    folder = Path(os.environ.get("CRIMEPATTERNS_SHARED", PROJECT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("real incident files are missing (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's Chromium."""
    path = os.environ.get("CRIMEPATTERNS_CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.skip("Chromium is missing (make setup-system, as root on Debian)")
    return path


@pytest.fixture
def fault_server() -> Iterator[Any]:
    """A real HTTP server on 127.0.0.1 with files, routes and faults; see tests/servers."""
    from servers import FaultServer

    with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL server, run by an ordinary user; see tests/servers/postgres.py."""
    from servers.postgres import PostgresServer, postgres_programs

    if postgres_programs() is None:
        pytest.skip("PostgreSQL is missing (make setup-system, as root on Debian)")
    with PostgresServer() as server:
        yield server


SMALL_CITY = {
    "source": {"incidents": 12_000, "years": 2},
    "forecast": {"categories": ["burglary", "theft"], "tuning_candidates": 1, "tuning_folds": 2, "max_rows": 40_000},
    "evaluation": {"select_origins": 13, "judge_origins": 13, "simulations": 20},
    "grid": {"cell_size_m": 400},
}


@pytest.fixture(scope="session")
def small_city_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Settings of a small synthetic city on which the whole pipeline has really run, once per test session."""
    from crimepatterns.config import load_settings
    from crimepatterns.operations.pipeline import run_all

    common = tmp_path_factory.getbasetemp()
    root = (common.parent if os.environ.get("PYTEST_XDIST_WORKER") else common) / "small-city"
    root.mkdir(exist_ok=True)
    settings = load_settings(overrides={**SMALL_CITY, "root": str(root)})
    # Test workers share the run: the first one makes it, the others wait and find it unchanged.
    with (root / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_all(settings)
    return settings
