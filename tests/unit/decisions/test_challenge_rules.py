"""The rules of the challenge: valid maps pass, each broken rule is named."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from crimepatterns.decisions.challenge_rules import NIJ
from crimepatterns.domain.map_units import FOOT_M
from crimepatterns.domain.place_lattice import PlaceLattice

CRS = "EPSG:2913"


def a_map(width: float = 250.0, height: float = 250.0, *, turn: float = 0.0, chosen: int = 112) -> gpd.GeoDataFrame:
    """Some 400 cells in feet, so many of them chosen."""
    lattice = PlaceLattice(width, height, turn, (0.2, 0.4), (7_640_000.0, 680_000.0))
    cells = np.array([(i, j) for i in range(20) for j in range(20)])
    hot = (np.arange(400) < chosen).astype(int)
    return gpd.GeoDataFrame({"hotspot": hot}, geometry=list(lattice.shapes(cells)), crs=CRS)


@pytest.mark.parametrize(
    ("cells", "broken"),
    [
        (a_map(), []),
        (a_map(turn=37.0), []),
        (a_map(500.0, 125.0, turn=60.0), []),
        (a_map(600.0, 600.0, chosen=58), []),
        (a_map(249.0, 250.0, chosen=113), ["400 cells are not of 62,500 to 360,000 sq ft (from 62,250 to 62,250)."]),
        (a_map(601.0, 600.0, chosen=57), ["400 cells are not of 62,500 to 360,000 sq ft (from 360,600 to 360,600)."]),
        (a_map(1000.0, 100.0, chosen=90), ["The shorter side of a cell is 100.0 ft, less than 125."]),
        (a_map(chosen=111), ["Hot spots cover 0.2488 sq mi, not 0.25 to 0.75."]),
        (a_map(chosen=335), ["Hot spots cover 0.7510 sq mi, not 0.25 to 0.75."]),
        (a_map().to_crs("EPSG:32610"), ["The reference system must be EPSG:2913, found EPSG:32610."]),
        (a_map().rename(columns={"hotspot": "risk"}), ["There is no field hotspot, only ['geometry', 'risk']."]),
        (a_map().assign(hotspot=2), ["The field hotspot must be 0 or 1 in every cell."]),
        (a_map().assign(geometry=lambda cells: cells.centroid), ["Every cell must be a polygon."]),
    ],
)  # fmt: skip
def test_each_broken_rule_is_named(cells: gpd.GeoDataFrame, broken: list[str]) -> None:
    assert NIJ.broken_by(cells, crs=CRS) == broken


def test_overlaps_are_found_whether_partial_equal_or_within() -> None:
    cells = a_map(300.0, 300.0, chosen=90)
    shapes = cells.geometry.to_numpy().copy()
    shapes[5] = shapely.affinity.translate(shapes[5], 10, 0)
    shapes[100] = shapes[99]
    shapes[200] = shapely.affinity.scale(shapes[199], 0.9, 0.9)
    broken = NIJ.broken_by(cells.set_geometry(list(shapes)).set_crs(CRS), crs=CRS)
    assert broken == ["3 pairs of cells overlap."]


@pytest.mark.parametrize(("side_ft", "low", "high"), [(250.0, 112, 334), (400.0, 44, 130), (600.0, 20, 58)])
def test_areas_are_met_from_inside_the_limits(side_ft: float, low: int, high: int) -> None:
    lattice = PlaceLattice(side_ft * FOOT_M, side_ft * FOOT_M)
    assert NIJ.cells_for(lattice, 0.25, unit_m=1.0) == low
    assert NIJ.cells_for(lattice, 0.75, unit_m=1.0) == high
    assert low < NIJ.cells_for(lattice, 0.5, unit_m=1.0) < high
