"""Street lines from a file on this computer, for patterns along streets.

Data sheet
----------
What it reads : any format of `crimepatterns.sources.context_file` that holds lines: GeoJSON, GeoPackage, Shapefile
    (also zipped), FlatGeobuf, GeoParquet.
What arrives : the lines, and the one column that names the street. Everything else in the file stays there.
Reference system : the file's own; degrees (EPSG:4326) where it names none.
Size : held in memory; the street lines of a large city are some hundred thousand.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from crimepatterns.errors import SourceError
from crimepatterns.sources.context_file import read_context

__all__ = ["read_streets"]

_LINES = (shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING)


def read_streets(path: Path, *, id_column: str | None = None) -> gpd.GeoDataFrame:
    """Read street lines.

    Parameters
    ----------
    path : Path
    id_column : str, optional
        Names the street; rows are numbered where it is left out.

    Returns
    -------
    GeoDataFrame
        ``street_id`` and the lines; rows without a line are left out.

    Raises
    ------
    SourceError
        If the file cannot be read, holds no line or lacks the column.
    """
    read = read_context(path)
    if read.geometry is None:
        raise SourceError(f"{path} holds no geometry: patterns along streets need a file of lines.")
    if id_column is not None and id_column not in read.columns:
        raise SourceError(f"{path} has no column {id_column!r} (patterns.streets_id), it has {list(read.columns)}.")
    names = np.arange(len(read.geometry)) if id_column is None else read.table.column(id_column).to_numpy(False)
    streets = gpd.GeoDataFrame({"street_id": names.astype(str)}, geometry=read.geometry, crs=read.crs or "EPSG:4326")
    found: gpd.GeoDataFrame = streets.loc[np.isin(shapely.get_type_id(read.geometry), _LINES)].reset_index(drop=True)
    if found.empty:
        kinds = sorted(set(streets.geometry.dropna().geom_type))
        raise SourceError(f"{path} holds no line, it holds {kinds}: patterns along streets need a file of lines.")
    return found
