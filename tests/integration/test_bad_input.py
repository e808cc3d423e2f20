"""Bad input files: each gives a one-line error that helps, or a report; never another exception, never half a file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from bad_files import CASES, GOOD, REPORTS
from crimepatterns.config import Settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import CrimePatternsError


@pytest.mark.parametrize(("name", "file", "write", "changes", "says"), CASES, ids=[case[0] for case in CASES])
def test_a_bad_file_gives_one_helpful_line_and_changes_nothing(
    loop_city: Callable[..., Settings],
    tmp_path: Path,
    name: str,
    file: str,
    write: Callable[[Path], None],
    changes: dict[str, Any],
    says: str,
) -> None:
    before = make_good(loop_city, tmp_path)
    path = tmp_path / file
    write(path)
    settings = loop_city(path, **changes)
    with pytest.raises(CrimePatternsError, match=says) as caught:
        ingest(settings)
        clean(settings)
    message = str(caught.value)
    assert "\n" not in message, name
    assert 20 < len(message) < 600
    assert fingerprint(tmp_path / "root" / "data" / "processed") == before, "the last good result must be untouched"
    assert not leftovers(tmp_path / "root")


@pytest.mark.parametrize(("name", "file", "write", "changes", "rejected"), REPORTS, ids=[case[0] for case in REPORTS])
def test_a_file_with_bad_rows_gives_a_report(
    loop_city: Callable[..., Settings],
    tmp_path: Path,
    name: str,
    file: str,
    write: Callable[[Path], None],
    changes: dict[str, Any],
    rejected: dict[str, int] | None,
) -> None:
    path = tmp_path / file
    write(path)
    settings = loop_city(path, **changes)
    ingest(settings)
    if name == "decimal commas":
        with pytest.raises(CrimePatternsError, match="coordinates cannot be read: 40"):
            clean(settings)
        return
    summary = clean(settings, csv=True)
    processed = tmp_path / "root" / "data" / "processed" / "test"
    report = json.loads((processed / "cleaning_report.json").read_text())
    assert summary["kept"] >= 1
    assert report["rows_in"] == report["kept"] + sum(report["rejected"].values())
    assert len(pd.read_parquet(processed / "rejected.parquet")) == report["rejected_total"]
    if rejected is not None:
        assert report["rejected"] == rejected
    table = gpd.read_parquet(processed / "incidents")
    assert len(table) == report["kept"]
    assert np.isfinite(table.geometry.x).all()
    exported = (processed / "preprocessed_data.csv").read_text()
    assert not any(cell.startswith(("=", "@", "+")) for line in exported.splitlines() for cell in unquoted(line))
    assert (processed / "cleaning_report.html").read_text().startswith("<!doctype html>")
    assert not leftovers(tmp_path / "root")
    assert not Path("/tmp/evil.csv").exists()  # noqa: S108  # the member's name must lead nowhere


def unquoted(line: str) -> list[str]:
    return [cell.strip('"') for cell in line.split(",")]


def make_good(loop_city: Callable[..., Settings], tmp_path: Path) -> dict[str, bytes]:
    path = tmp_path / "good.csv"
    path.write_bytes(GOOD)
    settings = loop_city(path)
    ingest(settings)
    assert clean(settings)["kept"] == 40
    return fingerprint(tmp_path / "root" / "data" / "processed")


def fingerprint(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    names = [name for _, folders, files in os.walk(folder) for name in (*folders, *files)]
    return [name for name in names if name.endswith((".part", ".link", ".scratch"))]
