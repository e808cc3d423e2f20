"""Overlaps among many touching polygons, against the slow way."""

import numpy as np
import shapely

from crimepatterns.domain.overlaps import overlapping_pairs
from crimepatterns.domain.place_lattice import PlaceLattice


def test_touching_cells_do_not_overlap_however_they_are_turned() -> None:
    cells = np.array([(i, j) for i in range(12) for j in range(12)])
    for turn in (0.0, 17.0, 45.0):
        shapes = PlaceLattice(250.0, 100.0, turn, (0.3, 0.1), (7_640_000.0, 680_000.0)).shapes(cells)
        assert len(overlapping_pairs(shapes, share=1e-6)[0]) == 0


def test_the_same_pairs_as_the_slow_way() -> None:
    rng = np.random.default_rng(4)
    corner = rng.uniform(0, 2_000, size=(120, 2))
    shapes = shapely.box(*corner.T, *(corner + rng.uniform(20, 200, size=(120, 2))).T)
    first, second, shared = overlapping_pairs(shapes, share=1e-3)
    slow = {
        (i, j): area
        for i in range(120)
        for j in range(i + 1, 120)
        if (area := shapes[i].intersection(shapes[j]).area) > 1e-3 * min(shapes[i].area, shapes[j].area)
    }
    assert {(int(i), int(j)) for i, j in zip(first, second, strict=True)} == set(slow)
    assert np.allclose(shared, [slow[int(i), int(j)] for i, j in zip(first, second, strict=True)])


def test_equal_and_nested_polygons_overlap() -> None:
    outer = shapely.box(0, 0, 10, 10)
    shapes = np.array([outer, outer, shapely.box(4, 4, 6, 6), shapely.box(10, 0, 20, 10)])
    first, second, _ = overlapping_pairs(shapes, share=1e-6)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]
