"""Scorecards and the ledger survive the disk."""

import pandas as pd
import pytest

from crimepatterns.domain.scorecard import FOLD_COLUMNS, SUMMARY_COLUMNS, Scorecard
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.ledger import append_opening, read_ledger
from crimepatterns.store.scorecards import read_extra, read_scorecard, write_scorecard


@pytest.fixture
def scorecard():
    moment = pd.Timestamp("2024-03-04", tz="Europe/Berlin").as_unit("us")
    folds = pd.DataFrame([["theft", "count", "pei", "1 %", moment, 3.0, 4.0, 0.75]], columns=list(FOLD_COLUMNS))
    summary = pd.DataFrame(
        [["theft", "count", "pei", "1 %", 0.75, float("nan"), float("nan"), 1, "share", "higher", ""]],
        columns=list(SUMMARY_COLUMNS),
    )
    other = pd.DataFrame({"category": ["theft"], "model": ["count"], "value": [1.0]})
    return Scorecard("select", folds, summary, other, other, other, {"origins": 1, "pit": {"theft": [0.1]}})


def test_save_then_load_is_identity(tmp_path, scorecard):
    extra = pd.DataFrame({"area_share": [0.0, 0.1], "hit_rate": [0.0, 0.5]})
    write_scorecard(
        tmp_path / "select", scorecard, tables={"curve": extra}, documents={"champions": {"theft": "count"}}
    )
    again = read_scorecard(tmp_path / "select")
    for name in ("folds", "summary", "comparisons", "calibration", "equity"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(scorecard, name))
    assert again.span == "select"
    assert dict(again.notes) == dict(scorecard.notes)
    pd.testing.assert_frame_equal(read_extra(tmp_path / "select", "curve"), extra)


def test_a_second_write_replaces_the_whole_folder(tmp_path, scorecard):
    write_scorecard(tmp_path / "select", scorecard, pages={"old.txt": "old"})
    write_scorecard(tmp_path / "select", scorecard)
    assert not (tmp_path / "select" / "old.txt").exists()


def test_missing_and_damaged_are_told_apart(tmp_path, scorecard):
    with pytest.raises(MissingInputError, match="run `crimepatterns evaluate`"):
        read_scorecard(tmp_path / "select")
    write_scorecard(tmp_path / "select", scorecard)
    (tmp_path / "select" / "folds.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ArtefactError, match="damaged"):
        read_scorecard(tmp_path / "select")
    with pytest.raises(MissingInputError, match="curve"):
        read_extra(tmp_path / "select", "curve")


def test_the_ledger_only_grows(tmp_path):
    path = tmp_path / "ledger" / "town.jsonl"
    assert read_ledger(path) == []
    assert append_opening(path, {"commit": "a", "scores": {"theft": [0.7, 0.6, None]}}) == 1
    first = path.read_bytes()
    assert append_opening(path, {"commit": "b"}) == 2
    assert path.read_bytes().startswith(first)
    assert [entry["commit"] for entry in read_ledger(path)] == ["a", "b"]


def test_a_torn_line_is_kept_and_told(tmp_path):
    path = tmp_path / "town.jsonl"
    path.write_text('{"commit": "a"}\n{"comm', encoding="utf-8")
    append_opening(path, {"commit": "b"})
    assert path.read_text(encoding="utf-8").splitlines()[1:] == ['{"comm', '{"commit": "b"}']
    with pytest.raises(ArtefactError, match="line 2"):
        read_ledger(path)
