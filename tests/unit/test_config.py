from pathlib import Path

import pytest

from crimepatterns.config import load_settings, settings_digest
from crimepatterns.errors import ConfigError

CITIES = sorted((Path(__file__).resolve().parents[2] / "config" / "cities").glob("*.yaml"))


@pytest.mark.parametrize("path", CITIES, ids=lambda path: path.stem)
def test_every_shipped_city_is_valid(path: Path) -> None:
    settings = load_settings(path)
    assert settings.city == path.stem


def write(folder: Path, text: str) -> Path:
    path = folder / "city.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("city: x\ngrid: {cell_size: 3}\nsource: {kind: synthetic}", "grid.cell_size"),
        ("city: x\ngrid: {cell_size_m: -3}\nsource: {kind: synthetic}", "greater than 0"),
        ("city: Bad Name\nsource: {kind: synthetic}", "city"),
        ("city: x", "source.paths"),
        ("city: x\nsource: {paths: [a.csv]}", "columns.occurred_from"),
        ("city: x\nsource: {paths: [a.csv]}\ncolumns: {date: d}", "columns.category"),
        ("city: x\nsource: {paths: ['${NOT_SET_ANYWHERE}/a.csv']}", "NOT_SET_ANYWHERE"),
        ("- a\n- b", "settings by name"),
        ("a: [", "cannot be read as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        load_settings(write(tmp_path, text))


def test_a_missing_file_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config/cities"):
        load_settings(tmp_path / "none.yaml")


def test_a_city_wins_over_the_defaults_key_by_key(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "city: x\nsource: {kind: synthetic}\ngrid: {cell_size_m: 150}"))
    assert settings.grid.cell_size_m == 150
    assert settings.grid.kind == "square"
    assert load_settings(overrides={"grid": {"cell_size_m": 99}}).grid.cell_size_m == 99


def test_paths_take_variables_with_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "city: x\nsource: {paths: ['${PLACE:-here}/a.csv']}\ncolumns: {date: d, category: c}"
    assert load_settings(write(tmp_path, text)).source.paths == ("here/a.csv",)
    monkeypatch.setenv("PLACE", "there")
    assert load_settings(write(tmp_path, text)).source.paths == ("there/a.csv",)


def test_equal_settings_have_equal_digests() -> None:
    first, second = load_settings(), load_settings(overrides={"grid": {"cell_size_m": 251}})
    assert settings_digest(first) == settings_digest(load_settings())
    assert settings_digest(first) != settings_digest(second)
