"""Forecasts are issued, mature, are judged, and a champion that is shown to be worse is not served any more."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ArtefactError
from crimepatterns.forecast_monitoring import monitor
from crimepatterns.forecasting import forecast
from crimepatterns.monitoring_run.judging import champion_states
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.store.issued import issued_forecasts, keep_issued, keep_verdict, read_verdicts
from crimepatterns.store.layers import read_facts, read_forecast
from crimepatterns.store.retirements import read_retirements

FIRST = pd.Timestamp("2025-03-03", tz="America/Chicago")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A cleaned city of one year, whose champion is set."""
    chosen = load_settings(
        overrides={
            "root": str(tmp_path_factory.mktemp("city")),
            "source": {"incidents": 6000, "years": 1},
            "grid": {"cell_size_m": 400},
            "forecast": {
                "categories": ["theft"], "models": ["recent_count", "count_eb"], "champion": "recent_count",
                "shifts": [],
            },
            "context": [],
        }
    )  # fmt: skip
    ingest(chosen)
    clean(chosen)
    return chosen


@pytest.fixture(scope="module")
def issued(settings: Settings) -> Settings:
    """The same city after three weekly forecasts, one of them made twice, and one that has not matured."""
    city = City(settings)
    for day in ("2025-06-02", "2025-06-09", "2025-06-16", "2025-06-09", str(city.archive.end.date())):
        forecast(settings, as_of=day)
    return settings


def test_every_forecast_is_kept_as_it_was_issued_once(issued: Settings) -> None:
    city = City(issued)
    kept = list(issued_forecasts(city.layout, city.area.timezone))
    assert [str(one.cutoff.date()) for one in kept] == [
        "2025-06-02",
        "2025-06-09",
        "2025-06-16",
        str(city.archive.end.date()),
    ]
    served, _ = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    np.testing.assert_array_equal(kept[-1].cells["expected"], served.mean[:, 0])
    path = next(iter(sorted(city.layout.issued.glob("theft/*.parquet"))))
    before = path.read_bytes()
    forecast(issued, as_of="2025-06-02")
    assert path.read_bytes() == before


def test_a_matured_forecast_is_judged_by_what_happened_and_never_again(issued: Settings) -> None:
    summary = monitor(issued)
    city = City(issued)
    verdicts = read_verdicts(city.layout)
    assert [one.cutoff[:10] for one in verdicts] == ["2025-06-02", "2025-06-09", "2025-06-16"]
    one = verdicts[1]
    table = city.incidents.table
    inside = table["occurred_from"].between(pd.Timestamp(one.start), pd.Timestamp(one.end), inclusive="left")
    assert one.observed == ((table["category"] == "theft") & inside).sum()
    assert one.observed_hot <= one.observed
    assert one.expected_hot == pytest.approx(one.expected / 2, rel=0.1)
    assert one.caught_both <= min(one.hits, one.baseline_hits) <= one.best
    assert one.with_interval > 10
    monitor(issued)
    assert read_verdicts(city.layout) == verdicts
    json.dumps(summary)
    pooled = summary["matured"][0]
    assert pooled["observed"] == sum(v.observed for v in verdicts)
    assert pooled["calibration"] == pytest.approx(
        sum(v.observed for v in verdicts) / sum(v.expected for v in verdicts), abs=1e-3
    )
    assert {one["group"] for one in summary["drift"]} == {
        "geocoding", "kinds", "performance", "places", "reporting lag", "times", "volume",
    }  # fmt: skip


def test_a_torn_line_is_judged_again_and_a_damaged_file_is_named(issued: Settings) -> None:
    layout = City(issued).layout
    path = layout.issued / "verdicts.jsonl"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:-40], encoding="utf-8")
    assert len(read_verdicts(layout)) == 2
    monitor(issued)
    assert len(read_verdicts(layout)) == 3
    stranger = layout.issued / "theft" / "2025-07-01-recent_count.parquet"
    stranger.write_bytes(b"PAR1 of another kind")
    with pytest.raises(ArtefactError, match="2025-07-01-recent_count"):
        monitor(issued)
    stranger.unlink()


def test_overlapping_periods_count_once(issued: Settings) -> None:
    city = City(issued)
    verdicts = read_verdicts(city.layout)
    shifted = [
        dataclasses.replace(one, start=(pd.Timestamp(one.start) + pd.Timedelta(days=1)).isoformat()) for one in verdicts
    ]
    states = champion_states(city, [*verdicts, *shifted])
    assert len(states["theft", "recent_count"].outcomes) == len(verdicts)


def issue_nonsense(settings: Settings, weeks: int) -> None:
    """Keep forecasts of the champion that expect most where least happens, as if it had been broken."""
    city = City(settings)
    good, facts = read_forecast(city.layout.forecasts / "theft" / "recent_count.parquet", city.area)
    mean = np.sort(good.mean[:, 0])[::-1][np.argsort(np.argsort(good.mean[:, 0], kind="stable"), kind="stable")]
    for week in range(weeks):
        periods = Periods.starting_at(FIRST + pd.DateOffset(weeks=week), days=7, count=1)
        wrong = Forecast(good.grid, periods, "theft", "recent_count", periods.start, mean[:, None])
        right = dataclasses.replace(wrong, model="count_eb", mean=good.mean)
        keep_issued(city.layout, wrong, right, {"run_date": facts["run_date"]})


def test_a_broken_champion_is_replaced_says_so_and_is_still_forecast(issued: Settings) -> None:
    issue_nonsense(issued, 9)
    told = monitor(issued)
    city = City(issued)
    standing = next(one for one in told["champions"] if one["champion"] == "recent_count")
    assert standing["served"] == "count_eb"
    assert "recent_count is retired since 2025-0" in told["sentence"]
    retired = read_retirements(city.layout)["theft"]
    assert retired.model == "recent_count"
    summary: dict[str, Any] = forecast(issued)
    assert summary["champions"] == {"theft": "count_eb"}
    assert "count_eb is served" in summary["categories"]["theft"]["retired"]
    assert "is retired since" in sentence_of("forecast", summary)
    facts = read_facts(city.layout.forecasts / "theft.parquet")
    assert facts["model"] == "count_eb"
    assert facts["instead_of"] == "recent_count"
    assert (city.layout.forecasts / "theft" / "recent_count.parquet").exists()
    kept = list(issued_forecasts(city.layout, city.area.timezone))
    assert {one.champion for one in kept} == {"recent_count"}


def test_a_day_before_the_evidence_is_forecast_as_it_was(issued: Settings) -> None:
    retired = read_retirements(City(issued).layout)["theft"]
    day = pd.Timestamp(retired.since) - pd.DateOffset(days=7)
    assert forecast(issued, as_of=str(day.date()))["champions"] == {"theft": "recent_count"}


def test_it_comes_back_by_itself_when_its_forecasts_are_good_again(issued: Settings) -> None:
    city = City(issued)
    last = max(read_verdicts(city.layout), key=lambda one: one.end)
    for week in range(1, 30):
        moved = {
            name: (pd.Timestamp(getattr(last, name)) + pd.DateOffset(weeks=week)).isoformat()
            for name in ("cutoff", "start", "end")
        }
        good = dataclasses.replace(
            last, **moved, expected=100.0, observed=100.0, expected_hot=50.0, observed_hot=50.0,
            hits=30.0, baseline_hits=30.0, caught_both=25.0,
        )  # fmt: skip
        keep_verdict(city.layout, good)
    told = monitor(issued)
    standing = next(one for one in told["champions"] if one["champion"] == "recent_count")
    assert [change["retired"] for change in standing["changes"]] == [True, False]
    assert read_retirements(city.layout) == {}
    assert forecast(issued)["champions"] == {"theft": "recent_count"}
