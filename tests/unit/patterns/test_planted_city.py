"""Hot spots judged by the known truth of the embedded city rather than by another program."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.patterns.bandwidth import choose_bandwidth
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.optimised import optimised_hot_spots
from crimepatterns.sources.synthetic import SyntheticCity


def true_incidents(city: SyntheticCity, make_incidents: Any) -> Incidents:
    """All true incidents of the record, without the defects of its files."""
    history = city.truth.history
    kept = history.day >= 0
    places = city.truth.places
    x, y = (np.asarray(axis)[history.place[kept]] for axis in (places.x, places.y))
    first = pd.Timestamp(city.start).tz_localize(None).normalize() + pd.Timedelta(hours=12)
    inside = city.area.contains(x, y)
    times = first + pd.to_timedelta(history.day[kept][inside], unit="D")
    return make_incidents(city.area, x[inside], y[inside], times=times)


@pytest.fixture(scope="module")
def stable() -> SyntheticCity:
    return SyntheticCity(incidents=20_000, years=2, seed=11, area_km2=40)


@pytest.fixture(scope="module")
def stable_incidents(stable: SyntheticCity, make_incidents: Any) -> Incidents:
    return true_incidents(stable, make_incidents)


def true_ratio(city: SyntheticCity, grid: Grid) -> np.ndarray:
    """Expected incidents of the following weeks around each cell, divided by an even spread."""
    weeks = Periods.starting_at(city.end, days=42, count=1)
    expected = city.truth.expected_counts(grid, weeks, treated=False)[:, 0]
    near = grid.adjacency @ expected + expected
    room = grid.adjacency @ grid.area_km2 + grid.area_km2
    return np.asarray(near / room / (expected.sum() / grid.area_km2.sum()))


def by_month(city: SyntheticCity, incidents: Incidents, grid: Grid) -> tuple[np.ndarray, Periods]:
    periods = Periods(pd.date_range(city.start, city.end, freq="MS").as_unit("us"))
    cell, _ = grid.assign(incidents.table["x"], incidents.table["y"])
    step, timely = periods.locate(incidents.table["occurred_from"])
    assert timely.all()
    flat = cell * len(periods) + step
    return np.bincount(flat, minlength=len(grid) * len(periods)).reshape(len(grid), -1), periods


def test_persistent_hot_spots_are_truly_hot(stable: SyntheticCity, stable_incidents: Incidents) -> None:
    grid = Grid.square(stable.area, cell_size_m=200)
    counts, months = by_month(stable, stable_incidents, grid)
    found = emerging_hot_spots(counts, grid, months, baseline="step")
    ratio = true_ratio(stable, grid)
    hot = np.char.endswith(found.classes.astype(str), "hot spot")
    assert hot.sum() > 50
    assert (ratio[hot] > 1).mean() >= 0.95
    assert hot[ratio > 3].mean() > 0.8


def test_a_drifting_city_has_more_changes_than_a_stable_one(make_incidents: Any) -> None:
    share = {}
    for kind in ("stable", "drifting"):
        city = SyntheticCity(city_class=kind, incidents=60_000, years=2, seed=11, area_km2=40)
        grid = Grid.square(city.area, cell_size_m=200)
        counts, months = by_month(city, true_incidents(city, make_incidents), grid)
        classes = emerging_hot_spots(counts, grid, months, baseline="step").classes.astype(str)
        hot = np.char.endswith(classes, "hot spot")
        share[kind] = (~np.char.startswith(classes[hot], "persistent")).mean()
    assert share["drifting"] > 2 * share["stable"]


def test_optimised_hot_spots_hold_the_planted_places(stable: SyntheticCity, stable_incidents: Incidents) -> None:
    found = optimised_hot_spots(stable_incidents)
    grid = found.surface.grid
    ratio = true_ratio(stable, grid)
    hot = found.surface.q_values <= 0.05
    assert (ratio[hot] > 1).mean() >= 0.95
    planted = stable.truth.hot_places()
    cell, inside = grid.assign(planted.geometry.x, planted.geometry.y)
    strong = inside & (planted["weight"] >= planted["weight"].median()).to_numpy()
    assert hot[cell[strong]].mean() > 0.8


def test_the_chosen_bandwidth_is_near_the_best_by_the_truth(stable: SyntheticCity, stable_incidents: Incidents) -> None:
    grid = Grid.square(stable.area, cell_size_m=75)
    choice = choose_bandwidth(stable_incidents, grid)
    weeks = Periods.starting_at(stable.end, days=42, count=1)
    truth = stable.truth.expected_counts(grid, weeks, treated=False)[:, 0]
    gain = []
    for bandwidth in choice.table["bandwidth_m"]:
        surface = kernel_density(stable_incidents, grid, bandwidth_m=bandwidth)
        mass = surface.to_geodataframe()["value"].to_numpy() * grid.area_km2
        gain.append(float(truth @ np.log(0.98 * mass / mass.sum() + 0.02 * grid.area_km2 / grid.area_km2.sum())))
    chosen = choice.table["bandwidth_m"].tolist().index(choice.bandwidth_m)
    # Nats per incident lost against the bandwidth that the truth would choose.
    assert (max(gain) - gain[chosen]) / truth.sum() < 0.02
