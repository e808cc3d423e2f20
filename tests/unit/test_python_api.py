"""The examples of docs/python_api.md run as they stand there, and every public name of patterns has one."""

import re
from pathlib import Path
from typing import Any

import pytest

import crimepatterns

# Later examples use names of earlier ones, as on the page: one worker runs them all, in order.
pytestmark = pytest.mark.xdist_group("python_api")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python_api.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Names that the first example makes; the others build on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("api"))
        made: dict[str, Any] = {}
        exec(BLOCKS[0], made)  # noqa: S102  # our own page
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS[1:], ids=lambda block: block.split("\n")[0][:40])
def test_an_example_runs(block: str, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(block, names)  # noqa: S102  # our own page
    assert "print" not in block or capsys.readouterr().out.strip()


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
