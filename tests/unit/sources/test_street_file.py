"""Street lines from files of several formats, and a clear word for files that hold none."""

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from crimepatterns.errors import SourceError
from crimepatterns.sources.street_file import read_streets


@pytest.fixture
def lines() -> gpd.GeoDataFrame:
    shapes = [shapely.LineString([(0, 0), (100, 0)]), shapely.MultiLineString([[(0, 0), (0, 50)], [(9, 9), (9, 80)]])]
    return gpd.GeoDataFrame({"name": ["Main", "Side"], "owner": ["a", "b"]}, geometry=shapes, crs="EPSG:32616")


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "parquet", "shp"])
def test_lines_keep_their_names_and_reference_system(lines: gpd.GeoDataFrame, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"streets.{ending}"
    if ending == "parquet":
        lines.to_parquet(path)
    else:
        lines.to_file(path)
    read = read_streets(path, id_column="name")
    assert list(read.columns) == ["street_id", "geometry"]
    assert read["street_id"].tolist() == ["Main", "Side"]
    assert read.crs is not None
    there = read.to_crs("EPSG:32616").length
    assert there.tolist() == pytest.approx([100.0, 121.0], rel=1e-3)
    assert read_streets(path)["street_id"].tolist() == ["0", "1"]


def test_files_without_lines_are_refused(lines: gpd.GeoDataFrame, tmp_path: Path) -> None:
    points = lines.set_geometry(shapely.points([[0, 0], [1, 1]]), crs=lines.crs)
    points.to_file(tmp_path / "points.gpkg")
    with pytest.raises(SourceError, match=r"holds no line, it holds \['Point'\]"):
        read_streets(tmp_path / "points.gpkg")
    (tmp_path / "table.csv").write_text("name,x\nMain,1\n", encoding="utf-8")
    with pytest.raises(SourceError, match="no geometry"):
        read_streets(tmp_path / "table.csv")
    lines.to_file(tmp_path / "streets.gpkg")
    with pytest.raises(SourceError, match=r"no column 'road'.*'name'"):
        read_streets(tmp_path / "streets.gpkg", id_column="road")
    with pytest.raises(SourceError, match="does not exist"):
        read_streets(tmp_path / "none.gpkg")
