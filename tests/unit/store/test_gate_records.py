"""What the gates said: sealed by the log of stages, and the only leave to be promoted."""

import json
from pathlib import Path

import pytest

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.store.gate_records import current_record, keep_record, leave_to_promote, read_records
from crimepatterns.store.model_stages import name_candidate, read_changes, read_stages

PASSED = {"version": "b", "beside": "a", "state": "passed", "sentence": "passed all 9 gates", "gates": []}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A model with a served version and a waiting one."""
    for version in "abc":
        (tmp_path / "model" / version).mkdir(parents=True)
        (tmp_path / "model" / version / "manifest.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    name_candidate(tmp_path / "model", "a", reason="trained")
    name_candidate(tmp_path / "model", "b", reason="trained")
    return tmp_path / "model"


def test_a_passed_version_is_served_and_the_record_stays(home: Path) -> None:
    stages = keep_record(home, PASSED, served=True, reason="gates: passed")
    assert (stages.champion, stages.previous, stages.candidate) == ("b", "a", None)
    (record,) = read_records(home)
    assert (record["state"], record["change"]) == ("passed", 3)
    assert [change.action for change in read_changes(home)] == ["promote", "candidate", "promote"]


def test_a_refused_version_stays_a_candidate(home: Path) -> None:
    refused = {**PASSED, "state": "refused", "sentence": "refused by catch: lower."}
    assert keep_record(home, refused, served=False, reason="gates: refused").candidate == "b"
    assert read_stages(home).champion == "a"
    assert read_changes(home)[-1].action == "gates"
    with pytest.raises(ModelError, match="refused by catch"):
        leave_to_promote(home, "b", reason="", despite_gates=False)
    with pytest.raises(ModelError, match="needs --reason"):
        leave_to_promote(home, "b", reason="", despite_gates=True)
    assert leave_to_promote(home, "b", reason="a drill", despite_gates=True) == "despite the gates"


def test_leave_is_asked_of_the_record_beside_the_version_served_now(home: Path) -> None:
    with pytest.raises(ModelError, match="was not judged"):
        leave_to_promote(home, "b", reason="", despite_gates=False)
    keep_record(home, PASSED, served=False, reason="gates: passed")
    assert leave_to_promote(home, "b", reason="", despite_gates=False) == "passed the gates"
    # Made again: what was judged is no longer there.
    (home / "b" / "manifest.json").write_text("{}", encoding="utf-8")
    assert current_record(home, "b") is None
    (home / "b" / "manifest.json").write_text(json.dumps({"version": "b"}), encoding="utf-8")
    assert current_record(home, "b") is not None
    keep_record(home, {**PASSED, "version": "c"}, served=True, reason="gates: passed")
    assert current_record(home, "b") is None


def test_a_signature_is_a_reason(home: Path) -> None:
    keep_record(home, {**PASSED, "state": "needs a signature"}, served=False, reason="gates")
    with pytest.raises(ModelError, match="Give --reason"):
        leave_to_promote(home, "b", reason="", despite_gates=False)
    assert leave_to_promote(home, "b", reason="agreed with the board", despite_gates=False) == "signed"


@pytest.mark.parametrize("how", ["altered", "removed", "gone"])
def test_an_altered_record_is_refused(home: Path, how: str) -> None:
    keep_record(home, {**PASSED, "state": "refused"}, served=False, reason="gates")
    path = home / "gates.jsonl"
    text = path.read_text(encoding="utf-8")
    if how == "gone":
        path.unlink()
    else:
        path.write_text(text.replace("refused", "passed") if how == "altered" else "", encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="was altered"):
        leave_to_promote(home, "b", reason="", despite_gates=False)


def test_a_process_that_died_before_the_seal_has_said_nothing(home: Path) -> None:
    log = (home / "stages.jsonl").read_bytes()
    seen = (home.parent / ".stages.json").read_bytes()
    keep_record(home, PASSED, served=True, reason="gates")
    (home / "stages.jsonl").write_bytes(log)
    (home.parent / ".stages.json").write_bytes(seen)
    assert read_records(home) == []
    keep_record(home, {**PASSED, "state": "refused"}, served=False, reason="gates")
    assert [record["state"] for record in read_records(home)] == ["refused"]
    assert len((home / "gates.jsonl").read_text(encoding="utf-8").splitlines()) == 1
