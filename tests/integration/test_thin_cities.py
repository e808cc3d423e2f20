"""Hardly any records: each stage says what it cannot do, and forecasts name what they rest on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.errors import CrimePatternsError
from crimepatterns.forecasts.registry import FORECASTERS
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.store.layers import read_forecast

City_ = Callable[..., Settings]
GRID: dict[str, Any] = {"grid": {"cell_size_m": 1000}}


def records(path: Path, count: int, *, days: int, first: str = "2024-03-04") -> Path:
    rng = np.random.default_rng(count)
    spread = np.sort(rng.uniform(0, days, count))
    # The first and the last day are always there.
    spread[[0, -1]] = (0.01, days - 0.01) if count > 1 else 0.01
    when = pd.Timestamp(first) + pd.to_timedelta(spread, unit="D")
    table = pd.DataFrame(
        {
            "when": when.strftime("%Y-%m-%d %H:%M:%S"),
            "what": "theft",
            "lon": rng.uniform(-87.69, -87.61, count).round(6),
            "lat": rng.uniform(41.81, 41.89, count).round(6),
        }
    )
    table.to_csv(path, index=False)
    return path


def cleaned(settings: Settings, *context: Any) -> Settings:
    settings = Settings.model_validate({**settings.model_dump(mode="json"), "context": context})
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    return settings


def test_two_weeks_give_a_forecast_by_every_model_that_names_its_fallback(loop_city: City_, tmp_path: Path) -> None:
    path = records(tmp_path / "two_weeks.csv", 80, days=14)
    settings = cleaned(loop_city(path, **GRID, forecast={"models": list(FORECASTERS), "stack_members": ["count_eb"]}))
    for stage in ("train", "evaluate"):
        with pytest.raises(CrimePatternsError, match=r"need at least 10 periods of 7 days, found 2"):
            run_stage(settings, stage)
    outcome = run_stage(settings, "forecast")
    found = outcome.summary["categories"]["theft"]
    assert outcome.summary["champions"] == {"theft": "count_eb"}
    assert 25 < found["expected"] < 60
    assert set(found["fallbacks"]) >= set(FORECASTERS) - {"count"}
    told = sentence_of("forecast", outcome.summary)
    assert "With less to go by: theft by count_eb: only 14 days of history instead of 90;" in told
    city = City(settings)
    for name in FORECASTERS:
        made, _ = read_forecast(city.layout.forecasts / "theft" / f"{name}.parquet", city.area)
        assert name == "count" or made.parameters["fallback"]


@pytest.mark.parametrize(
    ("count", "days", "changes", "options", "says"),
    [
        (1, 1, {}, {}, r"No whole period of 7 days before 2024-03-05.* shorter forecast\.horizon_days"),
        (1, 1, {}, {"as_of": "2024-03-05"}, r"2024-03-04 to 2024-03-05 hold no whole period of 7 days"),
        (300, 60, {"horizon_days": 90}, {}, r"No whole period of 90 days"),
        (300, 60, {}, {"as_of": "2020-01-01"}, r"--as-of must lie from 2024-03-11 to 2024-05-03"),
        (300, 60, {"categories": ["arson"]}, {}, r"names \['arson'\], which do not occur; found \['theft'\]"),
        (300, 60, {"champion": "oracle"}, {}, r"Unknown forecaster 'oracle'"),
    ],
)
def test_what_cannot_be_forecast_is_told_in_one_line(
    loop_city: City_, tmp_path: Path, count: int, days: int, changes: dict[str, Any], options: Any, says: str
) -> None:
    path = records(tmp_path / "few.csv", count, days=days)
    settings = cleaned(loop_city(path, **GRID, forecast=changes))
    with pytest.raises(CrimePatternsError, match=says) as caught:
        run_stage(settings, "forecast", options=options)
    assert "\n" not in str(caught.value)
    assert not City(settings).layout.forecasts.exists(), "nothing half made"


def test_a_category_with_one_event_is_forecast_and_told(loop_city: City_, tmp_path: Path) -> None:
    path = records(tmp_path / "rare.csv", 300, days=120)
    table = pd.read_csv(path)
    table.loc[100, "what"] = "arson"
    table.to_csv(path, index=False)
    settings = cleaned(loop_city(path, **GRID, forecast={"categories": ["arson"], "models": ["count_eb", "stack"]}))
    outcome = run_stage(settings, "forecast")
    found = outcome.summary["categories"]["arson"]
    assert 0 < found["expected"] < 1
    assert "count_eb instead" in found["fallbacks"]["stack"]


def test_context_that_does_not_cover_the_city_is_told(loop_city: City_, tmp_path: Path) -> None:
    """A census table of one of two areas: the other half of the cells knows nothing."""
    halves = pd.DataFrame({"area": ["west"], "homes": [1200]})
    halves.to_csv(tmp_path / "homes.csv", index=False)
    (tmp_path / "halves.geojson").write_text(
        '{"type": "FeatureCollection", "features": ['
        + ",".join(
            f'{{"type": "Feature", "properties": {{"name": "{name}"}}, "geometry": {{"type": "Polygon", "coordinates": '
            f"[[[{left}, 41.8], [{right}, 41.8], [{right}, 41.9], [{left}, 41.9], [{left}, 41.8]]]}}}}"
            for name, left, right in (("west", -87.7, -87.65), ("east", -87.65, -87.6))
        )
        + "]}"
    )
    layer = {
        "name": "homes", "kind": "table", "paths": [str(tmp_path / "homes.csv")], "role": "feature", "key": "area",
        "how": ["area_mean"], "known_from": "always", "columns": ["homes"],
    }  # fmt: skip
    path = records(tmp_path / "covered.csv", 400, days=150)
    settings = loop_city(
        path,
        **GRID,
        study_area={"neighbourhoods": str(tmp_path / "halves.geojson")},
        forecast={
            "models": ["count_eb", "risk_terrain", "poisson_boosting"],
            "max_rows": 2_000,
            "tuning_candidates": 0,
        },
    )
    settings = cleaned(settings, layer)
    run_stage(settings, "context")
    outcome = run_stage(settings, "forecast")
    ((name, share),) = outcome.summary["context_gaps"].items()
    assert name.startswith("homes_homes")
    assert 0.3 < share < 0.7
    assert f"{name} is unknown in {share * 100:.0f} % of the cells" in sentence_of("forecast", outcome.summary)
    city = City(settings)
    _, facts = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    assert facts["context_gaps"] == {name: share}
