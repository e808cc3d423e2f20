"""Records dated to the month: maps and clusters work, forecasts are told to be impossible."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app_server import served
from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import NotApplicableError
from crimepatterns.operations.pipeline import run_all, run_stage
from crimepatterns.serving.web import create_app


@pytest.fixture
def month_only(tmp_path: Path) -> Settings:
    rng = np.random.default_rng(5)
    places = rng.normal((-1.6, 55.0), (0.02, 0.01), (40, 2))
    chosen = places[rng.integers(0, 40, 900)]
    table = pd.DataFrame(
        {
            "month": rng.choice([f"2022-{month:02d}" for month in range(1, 12)], 900),
            "lon": chosen[:, 0].round(5),
            "lat": chosen[:, 1].round(5),
        }
    )
    table.to_csv(tmp_path / "months.csv", index=False)
    city = tmp_path / "city.yaml"
    city.write_text(
        "city: months\ntitle: Months\ntimezone: Europe/London\n"
        f"source: {{paths: ['{tmp_path / 'months.csv'}']}}\n"
        "columns: {occurred_from: month, longitude: lon, latitude: lat}\n"
        "cleaning: {drop_duplicates: false, time_precision: month}\n"
        "study_area: {derive: concave_hull, buffer_m: 300}\n"
        "taxonomy: {fixed_category: nuisance}\n"
    )
    return load_settings(city, {"root": str(tmp_path)})


def test_what_can_be_done_is_done_and_the_rest_is_told(month_only: Settings) -> None:
    outcomes = {outcome.name: outcome for outcome in run_all(month_only)}
    impossible = {name for name, outcome in outcomes.items() if outcome.impossible}
    assert impossible == {"train", "evaluate", "forecast", "plan"}
    assert "month only" in outcomes["train"].impossible
    assert "month only" in outcomes["forecast"].impossible
    assert "forecast" in outcomes["plan"].impossible
    assert outcomes["patterns"].summary["outputs"]
    assert outcomes["visualize"].summary["outputs"]
    # Nothing hidden is left of what could not be done, and a second run is as quick as any.
    assert all(o.skipped for o in run_all(month_only) if not o.impossible)


def test_one_stage_alone_says_why(month_only: Settings) -> None:
    run_stage(month_only, "ingest")
    run_stage(month_only, "clean")
    with pytest.raises(NotApplicableError, match="known to the month only"):
        run_stage(month_only, "evaluate")


def test_pages_count_months_and_say_what_cannot_be_told(month_only: Settings) -> None:
    for stage in ("ingest", "clean", "patterns"):
        run_stage(month_only, stage)
    months = pd.read_csv(month_only.root / "months.csv")["month"].value_counts().sort_index()
    with served(create_app(month_only)) as client:
        trend = client.get("/api/charts/trend?category=nuisance").json()
        assert trend["step"] == "month"
        assert [one["incidents"] for one in trend["periods"]] == months.to_list()
        assert all(one["complete"] for one in trend["periods"])
        facts = client.get("/api/explore/facts").json()
        assert (facts["days_known"], facts["end"]) == (False, "2022-12-01")
        times = client.get("/api/explore/counts").json()["times"]
        assert (times["step"], times["counts"], set(times["complete"])) == ("month", months.to_list(), {True})
        for page in ("/", "/forecast", "/compare"):
            assert "known to the month only" in client.get(page).text
        # Commands on pages work as they stand: they name the city's file, to who may run them.
        assert f"crimepatterns monitor --config {month_only.file}</code>" in client.get("/").text
        assert "file" not in client.get("/api/status").json()
