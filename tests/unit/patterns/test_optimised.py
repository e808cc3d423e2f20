"""Hot spots in one call: the size follows the planted places, the reasons say what was done."""

import numpy as np
import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.optimised import optimised_hot_spots


def drawn(
    area: StudyArea, make_incidents: object, rng: np.random.Generator, *, spread_m: float, count: int = 4000,
    snap_m: float = 0.1,
) -> tuple[Incidents, np.ndarray]:  # fmt: skip
    centres = rng.uniform(500, 4500, (12, 2))
    xy = centres[rng.integers(0, 12, count)] + rng.normal(0, spread_m, (count, 2))
    xy[: count // 3] = rng.uniform(1, 4999, (count // 3, 2))
    xy = np.clip(np.round(xy / snap_m) * snap_m, 1, 4999)
    days = np.datetime64("2023-01-01T12:00") + rng.integers(0, 365, count) * np.timedelta64(1, "D")
    return make_incidents(area, xy[:, 0], xy[:, 1], times=days), centres


def test_larger_places_are_counted_in_larger_cells(plain_area: StudyArea, make_incidents: object) -> None:
    rng = np.random.default_rng(1)
    small, _ = drawn(plain_area, make_incidents, rng, spread_m=40)
    large, _ = drawn(plain_area, make_incidents, rng, spread_m=400)
    fine = optimised_hot_spots(small)
    assert fine.cell_size_m <= 100
    assert ("the smallest size tried" in " ".join(fine.reasons)) == (fine.cell_size_m == 75)
    assert optimised_hot_spots(large).cell_size_m >= 150


def test_fewer_incidents_are_counted_in_larger_cells(plain_area: StudyArea, make_incidents: object) -> None:
    many, _ = drawn(plain_area, make_incidents, np.random.default_rng(2), spread_m=200, count=20_000)
    few, _ = drawn(plain_area, make_incidents, np.random.default_rng(2), spread_m=200, count=200)
    assert optimised_hot_spots(few).cell_size_m > optimised_hot_spots(many).cell_size_m


@pytest.mark.parametrize("hexagons", [False, True])
def test_planted_places_are_hot_and_the_reasons_say_so(
    plain_area: StudyArea, make_incidents: object, hexagons: bool
) -> None:
    incidents, centres = drawn(plain_area, make_incidents, np.random.default_rng(3), spread_m=100)
    found = optimised_hot_spots(incidents, hexagons=hexagons)
    cell = found.surface.grid.assign(centres[:, 0], centres[:, 1])[0]
    assert (found.surface.q_values[cell] <= 0.05).all()
    text = " ".join(found.reasons)
    assert f"4,000 incidents at {len(incidents.table[['x', 'y']].round(1).drop_duplicates()):,} distinct" in text
    assert ("hexagons" if hexagons else "squares") + f" of {found.cell_size_m:,.0f} m" in text
    assert "Null hypothesis: each of the 4,000 incidents falls" in text
    assert f"{found.surface.parameters['discoveries']:,} cells are hot" in text
    assert found.surface.parameters["later"] == 1200
    assert found.to_frame()["log_likelihood"].max() > 0.5


def test_cells_finer_than_snapped_records_are_not_tried(plain_area: StudyArea, make_incidents: object) -> None:
    incidents, _ = drawn(plain_area, make_incidents, np.random.default_rng(4), spread_m=100, snap_m=200)
    found = optimised_hot_spots(incidents)
    assert found.to_frame()["cell_size_m"].min() >= 200
    assert "cells under 200 m were not tried" in found.reasons[0]


def test_chance_alone_gives_nothing(plain_area: StudyArea, make_incidents: object) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(20):
        days = np.datetime64("2023-01-01T12:00") + rng.integers(0, 365, 500) * np.timedelta64(1, "D")
        xy = rng.uniform(1, 4999, (500, 2))
        hot = optimised_hot_spots(make_incidents(plain_area, xy[:, 0], xy[:, 1], times=days))
        found += bool(hot.surface.parameters["discoveries"])
        last = hot.reasons[-1]
    assert found <= 3
    assert "false discovery rate of 5 %" in last


def test_a_background_explains_the_crowd_away(plain_area: StudyArea, make_incidents: object) -> None:
    incidents, _ = drawn(plain_area, make_incidents, np.random.default_rng(6), spread_m=150)
    everything, _ = drawn(plain_area, make_incidents, np.random.default_rng(6), spread_m=150, count=12_000)
    plain = optimised_hot_spots(incidents, sizes_m=(250,))
    against = optimised_hot_spots(incidents, sizes_m=(250,), background=everything)
    assert against.surface.parameters["discoveries"] < 0.3 * plain.surface.parameters["discoveries"]
    assert "expected counts" in against.surface.null


def test_one_place_few_incidents_and_outside(plain_area: StudyArea, make_incidents: object) -> None:
    piled = optimised_hot_spots(make_incidents(plain_area, [2500.0] * 60 + [9999.0], [2500.0] * 61))
    assert piled.surface.parameters["discoveries"] > 0
    assert "at 1 distinct place (1 more lie outside" in piled.reasons[0]
    with pytest.raises(PatternError, match="at least 30 incidents"):
        optimised_hot_spots(make_incidents(plain_area, [2500.0] * 29, [2500.0] * 29))
    with pytest.raises(PatternError, match="at least 30 incidents"):
        optimised_hot_spots(make_incidents(plain_area, [], []))
    city = make_incidents(plain_area, [2500.0] * 60, [2500.0] * 60)
    with pytest.raises(PatternError, match="None of the cell sizes"):
        optimised_hot_spots(city, sizes_m=(4000,))
    with pytest.raises(PatternError, match="later_share"):
        optimised_hot_spots(city, later_share=1.0)
    with pytest.raises(PatternError, match="background has no incident"):
        optimised_hot_spots(city, background=make_incidents(plain_area, [9999.0], [1.0]))
