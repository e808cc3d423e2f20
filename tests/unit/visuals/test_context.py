"""Maps of context show the right cells as they were known, with their places, and every word can be read."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib.collections import LineCollection, PathCollection

from crimepatterns.domain.context import ContextLayer
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.features.context import layer_covariates
from crimepatterns.visuals.static import covariate_map

NOW = pd.Timestamp("2023-06-01", tz="America/Chicago")
PLACES = shapely.points([[500, 500], [700, 2500], [2500, 2500], [400, 6500], [9_000, 9_000]])
BOXES = [shapely.box(100, 2000, 900, 3500), shapely.box(3500, 500, 5000, 1500)]
LINES = [shapely.LineString([(0, 200), (6000, 2800)]), shapely.LineString([(500, 0), (500, 7000)])]


def layer_of(kind: str, shapes: list[shapely.Geometry], *, known: list[str], **columns: list[float]) -> ContextLayer:
    starts = pd.DatetimeIndex(pd.to_datetime(known, format="ISO8601")).tz_localize("UTC")
    ends = pd.DatetimeIndex([pd.NaT] * len(shapes), tz="UTC")
    table = gpd.GeoDataFrame({"starts_at": starts, "ends_at": ends, **columns}, geometry=list(shapes), crs="EPSG:32616")
    return ContextLayer("night_bars", kind, table, True, "City of Elltown (CC0)")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "shapes", "measure", "title", "unit"),
    [
        ("point", list(PLACES), "density", "Density of night bars in Elltown", "per km²"),
        ("point", list(PLACES), "distance", "Distance to night bars in Elltown", "m"),
        ("polygon", BOXES, "share", "Cover by night bars in Elltown", "share of the cell"),
        ("polygon", BOXES, "total", "Night bars: late seats, total in Elltown", "per cell"),
        ("line", LINES, "length", "Length of night bars in Elltown", "m per cell"),
    ],
)
@pytest.mark.parametrize("grid_kind", ["square", "hexagon"])
def test_a_map_of_context_says_what_where_when_and_from_whom(
    town, assert_legible, kind: str, shapes: list[shapely.Geometry], measure: str, title: str, unit: str, grid_kind: str
) -> None:
    grid = (Grid.square if grid_kind == "square" else Grid.hexagon)(town, cell_size_m=300)
    values = {"Late seats": [5.0 * i + 5 for i in range(len(shapes))]} if measure == "total" else {}
    layer = layer_of(kind, shapes, known=["2022-01-01"] * len(shapes), **values)
    (column,) = layer_covariates(layer, grid, [measure])  # type: ignore[list-item]
    figure = covariate_map(column, grid, as_of=NOW, layer=layer, run_date="2024-02-01")
    words = " ".join(" ".join(assert_legible(figure)).split())
    for expected in (title, "As known before 1 Jun 2023", unit, "City of Elltown (CC0)", "Run 2024-02-01"):
        assert expected in words
    assert ("not known" in words) == bool(np.isnan(column.newest).any())


def test_only_places_that_counted_then_are_drawn(town) -> None:
    grid = Grid.square(town, cell_size_m=300)
    layer = layer_of(
        "point", list(PLACES), known=["2022-01-01", "2022-01-01", "2023-06-01 05:00", "2024-01-01", "2022-01-01"]
    )
    (column,) = layer_covariates(layer, grid, ["count"])
    figure = covariate_map(column, grid, as_of=NOW, layer=layer)
    (dots,) = [one for one in figure.axes[0].collections if isinstance(one, PathCollection)]
    np.testing.assert_allclose(np.sort(dots.get_offsets()[:, 0]), [500, 700])
    image = figure.axes[0].images[0].get_array()
    assert image.sum() == 2
    later = covariate_map(column, grid, as_of=NOW + pd.Timedelta("1D"), layer=layer)
    assert later.axes[0].images[0].get_array().sum() == 3
    streets = layer_of("line", LINES, known=["2022-01-01", "2024-01-01"])
    (length,) = layer_covariates(streets, grid, ["length"])
    drawn = covariate_map(length, grid, as_of=NOW, layer=streets).axes[0].collections
    assert (
        sum(len(one.get_segments()) for one in drawn if isinstance(one, LineCollection) and one.get_zorder() == 6) == 1
    )


def test_what_was_not_known_is_not_drawn(town) -> None:
    grid = Grid.square(town, cell_size_m=300)
    layer = layer_of("polygon", BOXES, known=["2022-01-01"] * 2, homes=[5.0, 7.0])
    (column,) = layer_covariates(layer, grid, ["area_mean"])
    with pytest.raises(PatternError, match="not known yet on 2021-06-01"):
        covariate_map(column, grid, as_of=pd.Timestamp("2021-06-01", tz="UTC"))
