"""Options that commands have in common."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app


@pytest.fixture
def city_files(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "one city.yaml", tmp_path / "two.yaml"
    for path in files:
        path.write_text(f"city: {path.stem.replace(' ', '_')}\ntitle: T\nsource:\n  kind: synthetic\n")
    return files


def city_of(*arguments: str, environment: str) -> str:
    ran = CliRunner().invoke(app, ["settings", *arguments], env={"CRIMEPATTERNS_CONFIG": environment})
    assert ran.exit_code == 0, ran.output
    return str(json.loads(ran.stdout)["city"])


def test_the_environment_names_the_city_file_and_the_option_wins(city_files: tuple[Path, Path]) -> None:
    one, two = city_files
    assert city_of(environment=str(one)) == "one_city"
    assert city_of("--config", str(two), environment=str(one)) == "two"
    assert city_of(environment="") == "default"


def test_a_run_takes_it_as_well(tmp_path: Path) -> None:
    """`run` takes several files; one with a space in its name stays one."""
    path = tmp_path / "bad city.yaml"
    path.write_text("city: bad\ntitle: T\nnonsense: 1\n")
    ran = CliRunner().invoke(app, ["run", "--no-serve"], env={"CRIMEPATTERNS_CONFIG": str(path)})
    assert str(path) in str(ran.exception)
    assert "nonsense" in str(ran.exception)
