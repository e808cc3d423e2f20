"""The documentation names what there is, and what it names is there."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from crimepatterns.cli import app
from crimepatterns.config import Settings

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"crimepatterns {command}" in (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_command_teaches_by_example() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if name in {"version", "model"}:
            continue
        assert "Example: crimepatterns" in (command.epilog or ""), name


def test_the_config_is_the_manual() -> None:
    """Each setting stands in config.yaml with its default and a comment."""
    import yaml

    text = (PROJECT / "config" / "config.yaml").read_text(encoding="utf-8")
    manual = yaml.safe_load(text)
    assert_sections(Settings.model_fields, manual)


def assert_sections(fields: Mapping[str, FieldInfo], manual: Mapping[str, Any]) -> None:
    for section, field in fields.items():
        assert section in manual, section
        inner = getattr(field.annotation, "model_fields", None)
        if inner is None:
            continue
        assert set(manual[section]) == set(inner), section
        assert_sections(inner, manual[section])
        for key, setting in inner.items():
            default, shown = setting.get_default(call_default_factory=True), manual[section][key]
            if not isinstance(default, BaseModel):
                assert (list(default) if isinstance(default, tuple) else default) == shown or default is shown, key


def test_every_setting_has_a_comment() -> None:
    lines = (PROJECT / "config" / "config.yaml").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if re.match(r"^ *[a-z_]+: \S", line)]
    bare = [line for line in settings if "#" not in line]
    # Lists whose meaning stands in their name and neighbours.
    assert len(bare) <= 8, bare


@pytest.mark.parametrize(
    "page", sorted([*(PROJECT / "docs").rglob("*.md"), *PROJECT.glob("*.md")]), ids=lambda p: p.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if re.match(r"^[a-z]+:", target):
            continue
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "target", ["run", "test", "check", "bench", "drill", "docs", "help", "test-fast", "setup-system"]
)
def test_the_makefile_documents_itself(target: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE)
