"""SaTScan files: written, read back, and refused with the line that is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crimepatterns.errors import ArtefactError, SchemaError
from crimepatterns.store.satscan import SatscanFiles, SatscanSettings, read_satscan, satscan_cases, write_satscan

WHEN = pd.Series(pd.DatetimeIndex(["2024-01-05 23:59", "2024-01-05 00:01", "2024-02-01 12:00"], tz="America/Chicago"))


@pytest.fixture
def files() -> SatscanFiles:
    return satscan_cases(np.array([130.25, 180.0, 990.0]), np.array([40.0, 60.0, 40.5]), WHEN)


def test_points_become_counts_of_cells_and_days(files: SatscanFiles) -> None:
    assert files.coordinates[["x", "y"]].to_numpy().tolist() == [[150.0, 50.0], [950.0, 50.0]]
    assert files.cases["cases"].tolist() == [2, 1]
    assert files.cases["date"].astype(str).tolist() == ["2024-01-05", "2024-02-01"]
    apart = satscan_cases(np.array([130.25, 180.0, 990.0]), np.array([40.0, 60.0, 40.5]), WHEN, cell_m=None)
    assert len(apart.coordinates) == 3


def test_files_are_read_back_as_they_were_written(tmp_path: Path, files: SatscanFiles) -> None:
    population = pd.DataFrame(
        {"place": files.coordinates["place"], "date": pd.Timestamp("2024-07-01"), "population": [1 / 3, 12_345.0]}
    )
    whole = SatscanFiles(files.cases, files.coordinates, population)
    settings = SatscanSettings(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-29"), max_radius_m=750.0)
    written = write_satscan(tmp_path, "thefts", whole, settings)
    assert [path.suffix for path in written] == [".cas", ".geo", ".pop", ".prm"]
    back = read_satscan(tmp_path, "thefts")
    for name in ("cases", "coordinates", "population"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(whole, name), check_dtype=False)
    assert (tmp_path / "thefts.cas").read_text() == "p0 2 2024/01/05\np1 1 2024/02/01\n"
    text = (tmp_path / "thefts.prm").read_text()
    for line in ("CaseFile=thefts.cas", "ModelType=0", "AnalysisType=4", "EndDate=2024/2/29", "PrecisionCaseTimes=3",
                 "MaxSpatialSizeInDistanceFromCenter=750", "MaxTemporalSize=28", "CoordinatesType=0"):  # fmt: skip
        assert f"{line}\n" in text


def test_without_a_population_it_is_a_permutation_scan(tmp_path: Path, files: SatscanFiles) -> None:
    settings = SatscanSettings(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-29"), prospective=False)
    write_satscan(tmp_path, "a", files, settings)
    assert read_satscan(tmp_path, "a").population is None
    text = (tmp_path / "a.prm").read_text()
    assert "ModelType=2\n" in text
    assert "AnalysisType=3\n" in text
    assert len(write_satscan(tmp_path, "b", files)) == 2


def test_files_of_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "o.cas").write_text('"10001" 2 2001-11-24 male\n\n10002\t1 2001/11\n10002 1 2001\n')
    (tmp_path / "o.geo").write_text("10001 5 6.5\n10002 7 8\n")
    found = read_satscan(tmp_path, "o")
    assert found.cases["place"].tolist() == ["10001", "10002", "10002"]
    assert found.cases["date"].astype(str).tolist() == ["2001-11-24", "2001-11-15", "2001-07-01"]
    assert found.coordinates["y"].tolist() == [6.5, 8.0]


def test_what_does_not_fit_is_named(tmp_path: Path, files: SatscanFiles) -> None:
    with pytest.raises(ArtefactError, match=r"o\.cas cannot be read"):
        read_satscan(tmp_path, "o")
    for text, line in (("a 1 2001/11/24\nb two 2001/11/24\n", 2), ("a 1\n", 1), ("a 1 2001/13/01\n", 1)):
        (tmp_path / "o.cas").write_text(text)
        with pytest.raises(ArtefactError, match=f"line {line}: expected place cases date"):
            read_satscan(tmp_path, "o")
    (tmp_path / "o.cas").write_text("a 1 2001/11/24\n")
    (tmp_path / "o.geo").write_text("b 1 2\n")
    with pytest.raises(SchemaError, match="no coordinates, such as 'a'"):
        read_satscan(tmp_path, "o")
    (tmp_path / "o.geo").write_text("a 1 2\na 1 2\n")
    with pytest.raises(SchemaError, match="must stand once"):
        read_satscan(tmp_path, "o")
    with pytest.raises(SchemaError, match="need the columns"):
        SatscanFiles(files.coordinates, files.coordinates)
    odd = SatscanFiles(files.cases.iloc[:0], files.coordinates.replace("p1", "West End"))
    with pytest.raises(SchemaError, match="West End"):
        write_satscan(tmp_path, "odd", odd)
