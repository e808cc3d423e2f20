"""A small city for files of any kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from crimepatterns.config import Settings, load_settings


@pytest.fixture
def loop_city(tmp_path: Path) -> Callable[..., Settings]:
    """Settings for a file in a square around Chicago's Loop."""
    boundary = tmp_path / "boundary.geojson"
    square = gpd.GeoDataFrame({"name": ["Loop"]}, geometry=[shapely.box(-87.7, 41.8, -87.6, 41.9)], crs="EPSG:4326")
    square.to_file(boundary)

    def make(path: Path | str, **changes: Any) -> Settings:
        base: dict[str, Any] = {
            "city": "test",
            "root": str(tmp_path / "root"),
            "timezone": "America/Chicago",
            "source": {"kind": "file", "paths": [str(path)]},
            "columns": {"occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat"},
            "study_area": {"boundary": str(boundary)},
            "workers": 1,
        }
        for section, values in changes.items():
            base[section] = {**base.get(section, {}), **values}
        return load_settings(overrides=base)

    return make
