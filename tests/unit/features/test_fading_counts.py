"""Fading counts, worked by hand."""

import numpy as np
import pytest

from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.features.fading_counts import CountedPlaces, Fading

PLACES = np.array([[5.0, 5.0], [6.0, 6.0], [15.0, 5.0], [5.0, 15.0], [55.0, 55.0]])
AGES = np.array([0.0, 10.0, 20.0, 10.0, 0.0])


def counted(width: float = 10.0, height: float = 10.0) -> CountedPlaces:
    return CountedPlaces.on(PlaceLattice(width, height), PLACES)


def test_plain_counts() -> None:
    cells = counted()
    assert cells.cells.tolist() == [[0, 0], [0, 1], [1, 0], [5, 5]]
    assert cells.scores(np.ones(5, dtype=bool), AGES, [Fading()])[0].tolist() == [2, 1, 1, 1]


def test_an_incident_counts_half_after_the_half_life() -> None:
    assert counted().scores(np.ones(5, dtype=bool), AGES, [Fading(), Fading(10.0)])[1].tolist() == [1.5, 0.5, 0.25, 1]


def test_touching_cells_count_a_little_but_corners_do_not() -> None:
    scores = counted().scores(np.ones(5, dtype=bool), AGES, [Fading(touching=0.1)])[0]
    assert scores == pytest.approx([2.2, 1.2, 1.2, 1.0])


def test_a_cell_known_only_from_later_incidents_scores_nothing() -> None:
    past = np.array([True, True, True, False, True])
    assert counted().scores(past, AGES, [Fading(touching=0.5)])[0, 1] == 0.0


def test_common_borders_have_the_length_of_the_side() -> None:
    borders = counted(10.0, 10.0).borders.toarray()
    assert borders[0].tolist() == [0, 10, 10, 0]
    assert (borders == borders.T).all()
    upright = CountedPlaces.on(PlaceLattice(10.0, 5.0), np.array([[5.0, 2.0], [15.0, 2.0], [5.0, 7.0]]))
    # Cells above one another share the width, cells beside one another the height.
    assert upright.borders.toarray().tolist() == [[0, 10, 5], [10, 0, 0], [5, 0, 0]]
