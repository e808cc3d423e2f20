"""The notebooks run from top to bottom on a small synthetic city."""

from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from crimepatterns.config import Settings

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(
    notebook: Path, small_city_run: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the city that the pipeline tests have made; its stages are found unchanged."""
    city = tmp_path / "city.yaml"
    city.write_text(yaml.safe_dump(small_city_run.model_dump(mode="json", exclude={"root"})))
    monkeypatch.setenv("CRIMEPATTERNS_CONFIG", str(city))
    monkeypatch.setenv("CRIMEPATTERNS_ROOT", str(small_city_run.root))
    book = nbformat.read(notebook, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert len(outputs) >= 4
