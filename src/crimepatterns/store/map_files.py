"""Maps for other programs, as GeoPackages whose bytes depend on nothing but the map."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio

from crimepatterns.store.atomic import replacing

__all__ = ["write_map"]

_DATE = "OGR_CURRENT_DATE"


def write_map(path: Path, cells: gpd.GeoDataFrame, facts: Mapping[str, Any], *, dated: pd.Timestamp) -> None:
    """Write a map as a GeoPackage with its facts as metadata of the layer.

    Parameters
    ----------
    path : Path
        Ends in ``.gpkg``.
    cells : GeoDataFrame
    facts : mapping
        JSON-able.
    dated : Timestamp
        What the file names as the time of its last change, so that the same map is the same bytes whenever it is made.
    """
    told = {"crimepatterns": json.dumps(dict(facts), sort_keys=True, default=str)}
    before = pyogrio.get_gdal_config_option(_DATE)
    with replacing(path) as beside:
        # The driver insists on the ending.
        made = beside.with_name(f"{beside.stem}.gpkg")
        pyogrio.set_gdal_config_options({_DATE: dated.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.000Z")})
        try:
            cells.to_file(made, driver="GPKG", layer=path.stem, engine="pyogrio", layer_metadata=told)
            made.replace(beside)
        finally:
            pyogrio.set_gdal_config_options({_DATE: before})
            made.unlink(missing_ok=True)
