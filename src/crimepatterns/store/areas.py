"""The study area on disk: one GeoParquet file with the boundary and the neighbourhoods."""

from pathlib import Path

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.atomic import replacing

__all__ = ["read_study_area", "write_study_area"]


def write_study_area(path: Path, area: StudyArea) -> None:
    """Write the area; the first row is the boundary, the others are neighbourhoods."""
    boundary = gpd.GeoDataFrame({"name": [area.name]}, geometry=[area.polygon], crs=area.crs)
    rows = pd.concat([boundary, area.neighbourhoods[["name", "geometry"]]], ignore_index=True)
    table = gpd.GeoDataFrame(rows, geometry="geometry", crs=area.crs)
    table["role"] = ["boundary"] + ["neighbourhood"] * len(area.neighbourhoods)
    table["timezone"] = area.timezone
    table["crs"] = area.crs
    with replacing(path) as beside:
        table.to_parquet(beside, index=False)


def read_study_area(path: Path) -> StudyArea:
    """Read the area that `write_study_area` wrote.

    Raises
    ------
    MissingInputError
        If cleaning has not run yet.
    ArtefactError
        If the file is damaged.
    """
    if not path.exists():
        raise MissingInputError(f"{path} is not there yet: run `crimepatterns clean` first.")
    try:
        table = gpd.read_parquet(path)
        boundary = table.loc[table["role"] == "boundary"].iloc[0]
        named = table.loc[table["role"] == "neighbourhood", ["name", "geometry"]].reset_index(drop=True)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ArtefactError(f"{path} is damaged ({error}): run `crimepatterns clean --force`.") from error
    crs = str(boundary["crs"])
    neighbourhoods = empty_neighbourhoods(crs) if named.empty else named.set_crs(crs, allow_override=True)
    return StudyArea(str(boundary["name"]), boundary.geometry, crs, str(boundary["timezone"]), neighbourhoods)
