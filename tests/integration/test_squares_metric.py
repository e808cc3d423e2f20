"""``crimepatterns evaluate --metric st-hsl`` describes counts and leaves nothing behind."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.config import load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import NotApplicableError
from crimepatterns.squares_metric import score_squares


def test_counts_are_scored_and_nothing_is_chosen(tmp_path: Path) -> None:
    changes = {"root": str(tmp_path), "workers": 1, "source": {"incidents": 3_000, "years": 1}, "context": ()}
    settings = load_settings(overrides=changes)
    ingest(settings)
    clean(settings)
    before = sorted(tmp_path.rglob("*"))
    asked = ["evaluate", "--metric", "st-hsl", "--set", f"root={tmp_path}", "--set", "context=[]"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told
    assert "It never chooses a model." in told.stdout
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert set(found["scores"]) == {"one", "zero", "count", "recent_count"}, "nothing that was learned or chosen"
    assert (found["first_day"], found["last_day"]) == ("2025-10-01", "2025-12-31")
    assert found["scores"]["zero"]["mape"] == 1.0
    assert found["scores"]["count"]["expected_over_observed"] == pytest.approx(1.0, abs=0.15)
    assert sorted(tmp_path.rglob("*")) == before, "no champion, no scorecard"


def test_a_record_of_three_months_is_too_short(tmp_path: Path) -> None:
    changes = {
        "root": str(tmp_path), "workers": 1, "source": {"incidents": 3_000, "years": 1}, "context": (),
        "cleaning": {"latest": "2025-03-31"},
    }  # fmt: skip
    settings = load_settings(overrides=changes)
    ingest(settings)
    clean(settings)
    with pytest.raises(NotApplicableError, match="looks at the last 92 days; the record has"):
        score_squares(settings)
