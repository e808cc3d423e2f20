"""``crimepatterns taxonomy``: what it prints, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from crimepatterns.cleaning_run.label_advice import advise_on_labels
from crimepatterns.cli import app
from crimepatterns.config import load_settings
from crimepatterns.data_processing import ingest
from crimepatterns.errors import ConfigError, MissingInputError, NotApplicableError

ROWS = {"THEFT": 5, "MOTOR VEHICLE THEFT": 3, "BURGLERY": 2, 'A "strange": one': 1, "": 4}


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.fixture
def city_file(tmp_path: Path) -> Path:
    rows = [label for label, count in ROWS.items() for _ in range(count)]
    lines = [
        f'"{label.replace(chr(34), chr(34) * 2)}",2024-03-01 12:{i:02d}:00,-87.6,41.8' for i, label in enumerate(rows)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["what,when,lon,lat", *lines]) + "\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "city": "test",
        "title": "Testville",
        "root": str(tmp_path / "root"),
        "source": {"paths": [str(tmp_path / "rows.csv")]},
        "columns": {"occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat"},
    }
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_tables_are_listed_and_shown() -> None:
    listed = run("taxonomy", "list")
    assert "chicago_iucr" in listed
    assert "St. Louis Metropolitan Police Department" in listed
    assert len(json.loads(run("taxonomy", "list", "--json"))["crosswalks"]) == 7
    shown = run("taxonomy", "show", "new_york")
    assert "GRAND LARCENY OF MOTOR VEHICLE" in shown
    entries = json.loads(run("taxonomy", "show", "police_uk", "--json"))["entries"]
    assert {
        "kind": "label",
        "value": "Burglary",
        "category": "burglary",
        "nibrs": "220",
        "discovery": "reported",
    } in entries


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(ConfigError, match="none of the shipped crosswalks"):
        run("taxonomy", "show", "atlantis")


def test_suggestions_are_lines_that_can_be_pasted(city_file: Path) -> None:
    settings = load_settings(city_file)
    ingest(settings)
    told = json.loads(run("taxonomy", "suggest", "--config", str(city_file), "--json"))
    assert (told["rows"], told["known"]) == (11, 0)
    assert told["tables"]["chicago_iucr"] == pytest.approx(8 / 11)
    assert [row["label"] for row in told["unknown"]] == ["THEFT", "MOTOR VEHICLE THEFT", "BURGLERY", 'A "strange": one']
    pasted = yaml.safe_load(told["proposal"])
    assert pasted == {"taxonomy": {"crosswalk": "chicago_iucr", "mapping": {"BURGLERY": "burglary"}}}
    better = load_settings(city_file, pasted)
    advice = advise_on_labels(better)
    assert (advice.known, [row["label"] for row in advice.unknown]) == (10, ['A "strange": one'])
    assert "4 unknown labels" in run("taxonomy", "suggest", "--config", str(city_file))


def test_a_better_table_is_proposed(city_file: Path) -> None:
    settings = load_settings(city_file, {"taxonomy": {"crosswalk": "police_uk"}})
    ingest(settings)
    assert yaml.safe_load(advise_on_labels(settings).proposal)["taxonomy"]["crosswalk"] == "chicago_iucr"


def test_nothing_to_propose(city_file: Path) -> None:
    mapping = {label: "x" for label in ROWS if label}
    settings = load_settings(city_file, {"taxonomy": {"mapping": mapping}})
    ingest(settings)
    advice = advise_on_labels(settings)
    assert (advice.known, advice.unknown) == (11, ())
    said = run("taxonomy", "suggest", "--config", str(city_file), "--set", f"taxonomy.mapping={json.dumps(mapping)}")
    assert "nothing to propose" in said


def test_without_records_or_labels(city_file: Path) -> None:
    with pytest.raises(MissingInputError):
        advise_on_labels(load_settings(city_file))
    settings = load_settings(city_file, {"columns": {"category": None}, "taxonomy": {"fixed_category": "theft"}})
    ingest(settings)
    with pytest.raises(NotApplicableError, match="every row is 'theft'"):
        advise_on_labels(settings)
