"""Maps show the right cells in the right place, and every word can be read."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.clusters import dbscan
from crimepatterns.patterns.density import kernel_density
from crimepatterns.visuals.legends import nice_ticks
from crimepatterns.visuals.static import cluster_map, forecast_map, hot_spot_map, significance_map

WINDOW = "1 Jan 2023 to 31 Dec 2023"


def words_of(text: list[str]) -> str:
    return " ".join(" ".join(text).split())


@pytest.mark.parametrize(("kind", "rotation"), [("square", 0.0), ("square", 20.0), ("hexagon", 0.0)])
def test_a_density_map_says_what_where_when_and_how(
    town, make_town_incidents, assert_legible, kind: str, rotation: float
) -> None:
    grid = (Grid.square if kind == "square" else Grid.hexagon)(town, cell_size_m=150, rotation_deg=rotation)
    surface = kernel_density(make_town_incidents(), grid, bandwidth_m=300)
    words = words_of(assert_legible(hot_spot_map(surface, category="theft", window=WINDOW, run_date="2024-02-01")))
    for expected in (
        "Density of theft in Elltown",
        WINDOW,
        "incidents per km²",
        "bandwidth 300 m",
        "Run 2024-02-01",
        "km",
        "N",
    ):
        assert expected in words


def test_cells_are_drawn_where_they_lie(town) -> None:
    grid = Grid.square(town, cell_size_m=500, origin=(13.0, -7.0))
    surface = Surface(grid, "density", np.arange(len(grid), dtype=float), "incidents per km2")
    figure = hot_spot_map(surface, category="theft", window=WINDOW)
    image = figure.axes[0].get_images()[0]
    west, east, south, north = image.get_extent()
    raster = image.get_array()
    columns = ((grid.centres[:, 0] - west) / (east - west) * raster.shape[1]).astype(int)
    rows = ((grid.centres[:, 1] - south) / (north - south) * raster.shape[0]).astype(int)
    np.testing.assert_array_equal(raster[rows, columns], surface.values)
    assert raster.mask.sum() == raster.size - len(grid)


def test_hexagons_are_drawn_as_polygons_with_their_values(town) -> None:
    grid = Grid.hexagon(town, cell_size_m=600)
    surface = Surface(grid, "density", np.linspace(0, 9, len(grid)), "incidents per km2")
    figure = hot_spot_map(surface, category="theft", window=WINDOW)
    drawn = next(c for c in figure.axes[0].collections if isinstance(c, PolyCollection) and c.get_array() is not None)
    np.testing.assert_allclose(drawn.get_array(), surface.values)


def test_holes_and_the_outside_stay_white(town) -> None:
    grid = Grid.square(town, cell_size_m=100)
    figure = hot_spot_map(Surface(grid, "density", np.ones(len(grid)), "u"), category="theft", window=WINDOW)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())

    def colour_at(x: float, y: float) -> tuple[int, ...]:
        column, row = figure.axes[0].transData.transform((x, y))
        return tuple(pixels[pixels.shape[0] - 1 - int(row), int(column), :3].tolist())

    assert colour_at(1300, 1250) == (255, 255, 255), "the hole"
    assert colour_at(5000, 5000) == (255, 255, 255), "beyond the boundary"
    assert colour_at(500, 500) == colour_at(5500, 1500) != (255, 255, 255)


def test_the_significance_map_counts_its_cells(town, make_town_incidents, assert_legible) -> None:
    grid = Grid.square(town, cell_size_m=250)
    incidents = make_town_incidents()
    cell, inside = grid.assign(incidents.table["x"], incidents.table["y"])
    surface = gi_star(np.bincount(cell[inside], minlength=len(grid)), grid)
    figure = significance_map(surface, category="all", window=WINDOW)
    words = words_of(assert_legible(figure))
    hot = int(surface.parameters["discoveries"])
    assert hot > 10
    assert "hot spots of all incidents in Elltown" in words
    assert f"{hot} of {len(grid)} cells stand out" in words
    assert f"not shown to differ {len(grid) - hot} cells" in words
    assert "each of the 3,000 incidents" in words
    steps = figure.axes[0].get_images()[0].get_array()
    assert (steps > 0).sum() == hot


def test_a_map_without_hot_spots_is_a_map(town, assert_legible) -> None:
    grid = Grid.square(town, cell_size_m=250)
    surface = gi_star(np.ones(len(grid), dtype=int), Grid.square(town, cell_size_m=250))
    assert surface.parameters["discoveries"] == 0
    assert "0 of" in words_of(assert_legible(significance_map(surface, category="theft", window=WINDOW)))


def test_significance_needs_a_test(town) -> None:
    grid = Grid.square(town, cell_size_m=500)
    untested = Surface(grid, "density", np.ones(len(grid)), "incidents per km2")
    with pytest.raises(PatternError, match="no significance"):
        significance_map(untested, category="theft", window=WINDOW)


@pytest.mark.parametrize("listed", [12, 3])
def test_clusters_are_numbered_and_listed(town, make_town_incidents, assert_legible, listed: int) -> None:
    found = dbscan(make_town_incidents(), radius_m=100, min_incidents=20)
    figure = cluster_map(
        found.summary, town, category="theft", window=WINDOW, parameters=found.parameters, listed=listed
    )
    text = assert_legible(figure)
    words = words_of(text)
    assert len(found.summary) > 5
    assert f"{len(found.summary)} clusters with" in words
    assert "O'Hare and Near North Side" in words or "O'HARE" not in words
    assert sum(word == "1" for word in text) == 2
    assert text.count(str(listed + 1)) == 0


def test_no_cluster_is_told(town, make_town_incidents, assert_legible) -> None:
    found = dbscan(make_town_incidents(50), radius_m=5, min_incidents=40)
    figure = cluster_map(found.summary, town, category="theft", window=WINDOW, parameters=found.parameters)
    assert "no place is dense enough" in words_of(assert_legible(figure))


def test_a_forecast_map_gives_its_period_and_total(town, assert_legible) -> None:
    grid = Grid.square(town, cell_size_m=500)
    start = pd.Timestamp("2024-03-04", tz=town.timezone)
    mean = np.full((len(grid), 1), 0.25)
    forecast = Forecast(grid, Periods.starting_at(start, days=7, count=1), "theft", "count_eb", start, mean)
    words = words_of(assert_legible(forecast_map(forecast)))
    assert "4 Mar 2024 to 10 Mar 2024" in words
    assert f"{mean.sum():,.0f} incidents expected" in words
    assert "per cell in 7 days" in words
    assert "Shrunk count, issued 2024-03-04" in words


def test_the_callers_style_is_left_alone(town) -> None:
    before = dict(mpl.rcParams)
    grid = Grid.square(town, cell_size_m=500)
    hot_spot_map(Surface(grid, "density", np.ones(len(grid)), "u"), category="theft", window=WINDOW)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("highest", [0.0, 0.03, 0.9, 1.0, 4.2, 7.0, 123.0, 3262.0])
def test_ticks_are_round_and_within_the_scale(highest: float) -> None:
    ticks = nice_ticks(highest)
    assert ticks[0] == 0
    assert ticks == sorted(set(ticks))
    assert max(ticks) <= highest or highest == 0
    assert highest == 0 or max(ticks) >= 0.4 * highest
