"""Lattices that draw no cell agree with the grid that does."""

import numpy as np
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.errors import GridError

CRS = "EPSG:32610"


@pytest.mark.parametrize(("turn", "shift"), [(0.0, (0.0, 0.0)), (30.0, (1 / 3, 2 / 3)), (75.0, (0.5, 0.0))])
def test_the_same_cells_as_a_grid_with_that_origin(turn: float, shift: tuple[float, float]) -> None:
    area = StudyArea("a", shapely.box(0, 0, 3_000, 2_000), CRS, "UTC", empty_neighbourhoods(CRS))
    lattice = PlaceLattice(250.0, 250.0, turn, shift, (1_500.0, 1_000.0))
    grid = Grid.square(area, cell_size_m=250.0, origin=lattice.origin, rotation_deg=turn)
    places = np.random.default_rng(1).uniform((0, 0), (3_000, 2_000), size=(500, 2))
    ours, theirs = lattice.locate(places), grid.lattice[grid.assign(places[:, 0], places[:, 1])[0]]
    # The two number columns and rows from different corners.
    assert len(np.unique(ours - theirs, axis=0)) == 1
    assert len(lattice.over(area.polygon)) == len(grid)


def test_a_place_lies_in_the_cell_that_is_drawn_for_it() -> None:
    lattice = PlaceLattice(100.0, 400.0, 20.0, (0.25, 0.5), (7.0, 9.0))
    places = np.random.default_rng(2).uniform(-5_000, 5_000, size=(300, 2))
    cells = lattice.shapes(lattice.locate(places))
    assert shapely.contains(cells, shapely.points(places)).all()
    assert shapely.area(cells) == pytest.approx(np.full(300, lattice.area))


def test_cells_over_an_area_cover_it_once() -> None:
    area = shapely.Point(40, 60).buffer(900)
    shapes = PlaceLattice(120.0, 60.0, 33.0).shapes(PlaceLattice(120.0, 60.0, 33.0).over(area))
    assert shapely.covers(shapely.union_all(shapes).buffer(1e-6), area)
    assert (shapely.area(shapely.intersection(shapes, area)) > 0).all()
    assert float(shapely.area(shapely.intersection(shapes, area)).sum()) == pytest.approx(area.area)


def test_a_side_must_be_positive() -> None:
    with pytest.raises(GridError, match="must be > 0"):
        PlaceLattice(0.0, 10.0)
