"""The examples of docs/python_api.md run as they stand there, and every public name of patterns has one."""

import re
from pathlib import Path
from typing import Any

import pytest

import crimepatterns

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python_api.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_in_the_order_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later examples use names of earlier ones, so one test runs them all."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        try:
            exec(block, names)  # noqa: S102  # our own page
        except Exception as error:
            error.add_note(f"in the example\n{block}")
            raise
        assert "print" not in block or capsys.readouterr().out.strip(), block


def test_every_pattern_method_is_documented_with_an_example() -> None:
    text, examples = PAGE.read_text(encoding="utf-8"), "\n".join(BLOCKS)
    homes = {name: home for name, home in crimepatterns._HOMES.items() if home.startswith("crimepatterns.patterns.")}
    assert len(homes) > 30
    for name in sorted(set(homes) - {"find_cards"}):
        assert f"cp.{name}(" in examples or f"`cp.{name}(" in text, name
    for name, home in homes.items():
        assert f"{home}.{name}" in text or re.search(rf"auto\w+:: crimepatterns\.\S+\.{name}$", text, re.MULTILINE), (
            name
        )
