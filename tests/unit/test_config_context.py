import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crimepatterns.config import ContextSettings, Settings, load_settings
from crimepatterns.errors import ConfigError

MANUAL = Path(__file__).resolve().parents[2] / "config" / "config.yaml"
BARS = {"name": "bars", "kind": "point", "paths": ["bars.csv"], "how": ["distance"], "known_from": "issued"}
HOMES = {
    "name": "homes",
    "kind": "table",
    "paths": ["areas.csv"],
    "how": ["total"],
    "known_from": "2015-01-01",
    "key": "area",
    "columns": ["homes"],
}


def load(*layers: dict[str, Any]) -> Settings:
    return load_settings(overrides={"context": list(layers)})


def test_the_manual_holds_every_setting_of_a_layer_with_its_default_and_a_comment() -> None:
    text = MANUAL.read_text(encoding="utf-8").split("# Each entry of context", 1)[1].split("\nserving:", 1)[0]
    lines = text.splitlines()[1:]
    entries = [line for line in lines if re.match(r"^# (- |  )[a-z_]+:", line)]
    assert all(line.count("#") >= 2 for line in entries), "each setting has a comment"
    shown = yaml.safe_load("\n".join(line[2:] for line in entries))[0]
    assert set(shown) == set(ContextSettings.model_fields)
    for name, field in ContextSettings.model_fields.items():
        if not field.is_required() and name != "how":
            default = field.get_default(call_default_factory=True)
            assert (list(default) if isinstance(default, tuple) else default) == shown[name], name
    assert ContextSettings.model_validate(shown).known_by == "column"


def test_a_layer_is_read_with_its_defaults() -> None:
    bars, homes = load({**BARS, "how": "distance"}, HOMES).context
    assert bars.how == ("distance",)
    assert (bars.known_by, homes.known_by) == ("column", "date")
    assert load({**BARS, "known_from": "always"}).context[0].known_by == "always"
    written = yaml.safe_load("known_from: 2015-01-01")
    assert load({**HOMES, **written}).context[0].known_from == "2015-01-01"


@pytest.mark.parametrize(
    "columns",
    [["pct_black"], ["homes", "MEDIAN_INCOME"], ["Hispanic_Share"], ["AcsPctWhite2019"], ["Blk14P"], ["nationality"]],
)
def test_columns_about_people_are_refused_by_name(columns: list[str]) -> None:
    with pytest.raises(ConfigError, match="audit a map"):
        load({**HOMES, "columns": columns})
    assert load({**HOMES, "columns": columns, "role": "audit", "how": []}).context[0].role == "audit"


def test_columns_about_people_are_refused_in_names_and_filters_too() -> None:
    with pytest.raises(ConfigError, match="median_income"):
        load({**HOMES, "name": "median_income"})
    with pytest.raises(ConfigError, match="owner_ethnicity"):
        load({**BARS, "only": {"owner_ethnicity": ["x"]}})


def test_an_audit_layer_is_never_joined_to_cells() -> None:
    with pytest.raises(ConfigError, match="never joined to cells"):
        load({**HOMES, "columns": ["v1"], "role": "audit"})


def test_a_column_that_one_layer_audits_is_not_used_by_another() -> None:
    audit = {**HOMES, "name": "groups", "columns": ["V17"], "role": "audit", "how": [], "paths": ["data/Areas.csv"]}
    with pytest.raises(ConfigError, match="groups gives the role audit"):
        load(audit, {**HOMES, "columns": ["v17"]})
    with pytest.raises(ConfigError, match="groups gives the role audit"):
        load({**HOMES, "only": {"v17": ["1"]}}, audit)
    assert len(load(audit, HOMES).context) == 2


def test_plain_names_pass() -> None:
    for name in ("incoming_calls", "racecourse_distance", "trace"):
        assert load({**HOMES, "columns": [name]}).context[0].columns == (name,)
    assert load({**BARS, "name": "racecourse"}).context[0].name == "racecourse"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"known_from": None}, "known_from"),
        ({"how": []}, "how must say"),
        ({"how": ["share"]}, "does not suit kind point"),
        ({"how": ["total"]}, "need columns"),
        ({"kind": "table"}, "needs key"),
        ({"places": "a.csv"}, "go together"),
        ({"places": "a.csv", "places_key": "id"}, "belongs to kind table"),
        ({"x": "lon"}, "x and y go together"),
        ({"paths": []}, "paths"),
        ({"name": "Bars!"}, "name"),
        ({"bandwidth_m": 0}, "bandwidth_m"),
        ({"paths": ["${NOT_SET_ANYWHERE}/a.csv"]}, "NOT_SET_ANYWHERE"),
    ],
)
def test_impossible_layers_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load({**BARS, **change})


def test_layers_have_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="'bars'"):
        load(BARS, BARS)
    del_known = {key: value for key, value in BARS.items() if key != "known_from"}
    with pytest.raises(ConfigError, match="known_from"):
        load(del_known)
