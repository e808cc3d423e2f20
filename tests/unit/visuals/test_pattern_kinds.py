"""Pictures of scans, usual counts, concentration, streets, ratios, rates, seasons and shifts: legible, and true."""

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib.figure import Figure

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.segments import Segments
from crimepatterns.errors import PatternError
from crimepatterns.patterns.concentration import chance_curve, concentration, gini_by_chance
from crimepatterns.patterns.density_labelling import labelled_ratio
from crimepatterns.patterns.network import network_density, network_gi_star
from crimepatterns.patterns.repeat_places import repeat_places
from crimepatterns.patterns.scan import CylinderLimits, permutation_scan
from crimepatterns.patterns.seasonality import season_trend
from crimepatterns.patterns.shifts import ShiftCalendar, mass_by_shift
from crimepatterns.patterns.similarity import s_index
from crimepatterns.patterns.smoothed_rates import smoothed_rates
from crimepatterns.patterns.usual_counts import against_usual
from crimepatterns.visuals import static

FACTS = {
    "category": "theft", "window": "1 Mar 2023 to 8 Feb 2024", "run_date": "2025-01-02", "sentence": "Said in words.",
    "as_of": "2024-02-09T00:00:00-06:00", "filter": ["outdoor"],
}  # fmt: skip
Check = Callable[[Figure], list[str]]


@pytest.fixture(scope="module")
def thefts(make_town_incidents: Callable[..., Incidents]) -> Incidents:
    return make_town_incidents(1500, categories=("theft",))


@pytest.fixture(scope="module")
def grid(town: StudyArea) -> Grid:
    return Grid.square(town, cell_size_m=400)


def told(check: Check, figure: Figure) -> str:
    """Return all words of a legible figure in one line; each names category, place, as-of date, filter and run."""
    words = " ".join(" ".join(check(figure)).split())
    for named in ("theft", "Elltown", "As known on 2024-02-09", "Only outdoor", "Run 2025-01-02", "Said in words"):
        assert named in words, named
    return words


def test_a_scan_lists_its_clusters(thefts: Incidents, town: StudyArea, assert_legible: Check) -> None:
    rng = np.random.default_rng(4)
    table = thefts.table.copy()
    late = table["occurred_from"].max() - pd.to_timedelta(rng.uniform(0, 6, 25), unit="D")
    burst = table.head(25).assign(
        id=[f"b{k}" for k in range(25)], x=4000.0, y=1500.0, occurred_from=late.to_numpy(),
        occurred_until=late.to_numpy(), known_at=late.to_numpy(),
    )  # fmt: skip
    for name in ("occurred_from", "occurred_until", "known_at"):
        burst[name] = burst[name].astype(table[name].dtype)
    both = Incidents(pd.concat([table, burst], ignore_index=True), town)
    found = permutation_scan(both, limits=CylinderLimits(max_days=14), replicates_count=19)
    facts = {**FACTS, "null": found.null, "parameters": dict(found.parameters)}
    layer = found.to_geodataframe()
    words = told(assert_legible, static.scan_map(layer, town, facts=facts))
    assert "1 cluster beyond chance" in words
    assert "Null hypothesis: dates are exchangeable" in words
    assert f"{layer['observed'].iloc[0]} for {layer['expected'].iloc[0]:,.1f} expected · p 0.05" in words
    with pytest.raises(PatternError, match="Said"):
        static.scan_map(layer.iloc[:0], town, facts=facts)


def test_usual_counts_stand_beside_now(thefts: Incidents, assert_legible: Check) -> None:
    found = against_usual(thefts)
    facts = {**FACTS, "parameters": dict(found.parameters)}
    words = told(assert_legible, static.usual_chart(found.table, city="Elltown", facts=facts))
    whole = found.table.loc[found.table["area"] == "Elltown"].set_index("period")
    for period in ("7 days", "28 days"):
        assert f"all: {whole.loc[period, 'count']:,.0f}, usual {whole.loc[period, 'usual']:,.0f}" in words
    assert "O'Hare And Near North Side" in words
    with pytest.raises(PatternError, match="Said"):
        static.usual_chart(found.table.assign(verdict=""), city="Elltown", facts=facts)


def test_concentration_and_the_j_curve(thefts: Incidents, grid: Grid, assert_legible: Check) -> None:
    cell, inside = grid.assign(thefts.table["x"], thefts.table["y"])
    found = concentration(np.bincount(cell[inside], minlength=len(grid)), replicates=49)
    curve = pd.concat(
        [found.curve.assign(kind="observed"), chance_curve(found.incidents, found.places).assign(kind="chance")]
    )
    figure = static.concentration_curve(curve, found.shares, city="Elltown", facts=FACTS)
    words = told(assert_legible, figure)
    half = found.shares.loc[found.shares["incidents_share"] == 0.5, "places_share"].item()
    assert f"50 % of incidents in {100 * half:.1f} % of cells" in words
    piled = Incidents(thefts.table.assign(x=np.where(np.arange(1500) < 90, 4000.0, thefts.table["x"])), thefts.area)
    piled = Incidents(piled.table.assign(y=np.where(np.arange(1500) < 90, 1500.0, piled.table["y"])), thefts.area)
    ranking = repeat_places(piled)
    words = told(assert_legible, static.j_curve(ranking.table, city="Elltown", facts=FACTS))
    assert "far above its surroundings" in words
    assert "90" in words
    with pytest.raises(PatternError, match="more than one"):
        static.j_curve(ranking.table.assign(incidents=1), city="Elltown", facts=FACTS)


def test_the_curve_of_chance_has_the_gini_coefficient_of_chance() -> None:
    for incidents, places in ((50, 1000), (3000, 1000)):
        curve = chance_curve(incidents, places)
        area = np.trapezoid(curve["incidents_share"], curve["places_share"])
        assert 2 * area - 1 == pytest.approx(gini_by_chance(incidents, places), abs=1e-6)


def test_streets_are_counted_in_kilometres(thefts: Incidents, town: StudyArea, assert_legible: Check) -> None:
    marks = np.arange(0.0, 7001.0, 200.0)
    lines = [shapely.LineString([(at, 0), (at, 7000)]) for at in marks] + [
        shapely.LineString([(0, at), (7000, at)]) for at in marks
    ]
    segments = Segments.from_lines(town, gpd.GeoDataFrame(geometry=lines, crs=town.crs))
    tested = network_gi_star(thefts, segments, max_snap_m=150)
    smooth = network_density(thefts, segments, bandwidth_m=300, max_snap_m=150)
    layer = segments.to_geodataframe().assign(
        q_value=tested.q_values, times_expected=tested.times_expected, density_per_km=smooth.values
    )
    extent = {"segments": len(segments), "street_km": segments.length_m.sum() / 1e3}
    facts = {**FACTS, "null": tested.null, "parameters": {**smooth.parameters, **tested.parameters, **extent}}
    words = told(assert_legible, static.hot_streets_map(layer, town, facts=facts))
    hot = tested.q_values <= 0.05
    assert f"{hot.sum():,} of {len(hot):,} segments stand out from chance" in words
    assert f"{(~hot).sum():,} segments, {segments.length_m[~hot].sum() / 1e3:,.1f} km" in words
    assert "same chance per metre of street" in words
    words = told(assert_legible, static.street_density_map(layer, town, facts=facts))
    assert "Reach 300 m along the streets" in words
    assert "Null" not in words


def test_ratios_rates_and_shares(thefts: Incidents, town: StudyArea, grid: Grid, assert_legible: Check) -> None:
    rng = np.random.default_rng(5)
    x, y = thefts.table["x"].to_numpy(), thefts.table["y"].to_numpy()
    more = (np.append(x, rng.normal(5000, 100, 200)), np.append(y, rng.normal(1000, 100, 200)))
    found = labelled_ratio(more, (x, y), grid, bandwidth_m=500, count=39)
    facts: dict[str, Any] = {**FACTS, "against": "the 365 days before"}
    words = told(assert_legible, static.density_ratio_map(found.surface, facts=facts))
    assert "against the 365 days before" in words
    assert "every way to label them is equally likely" in words
    count = int(((found.surface.q_values <= 0.05) & (found.surface.times_expected > 1)).sum())
    assert f"outlined: more {count} cells" in words
    counts = np.bincount(grid.assign(x, y)[0], minlength=len(grid))
    rates = smoothed_rates(counts, grid.area_km2 * 1000, grid, denominator_name="homes")
    words = told(assert_legible, static.rates_map(rates, facts=FACTS))
    assert "per 1,000 homes" in words
    assert "in proportion to homes" in words
    alike = s_index([50, 80, 20], [90, 40, 20], replicates=40)
    names = np.array(["as before", "larger share than before", "smaller share than before"], dtype=object)
    layer = town.neighbourhoods.assign(kind=names[-alike.table["direction"].to_numpy()])
    figures = {"s": alike.s, "s_robust": alike.s_robust, "s_by_chance": alike.s_by_chance}
    facts = {**FACTS, "days_before": 365, "parameters": {**alike.parameters, **figures}}
    words = told(assert_legible, static.alike_map(layer, town, facts=facts))
    assert "Andresen's S" in words
    assert f"{(layer['kind'] == 'as before').sum()} areas" in words


def test_seasons_and_shifts(thefts: Incidents, assert_legible: Check) -> None:
    found = season_trend(thefts, step="day", replicates=19)
    given = {
        "season_strength": found.season_strength,
        "trend_strength": found.trend_strength,
        "season_p": found.season_p,
    }
    facts = {**FACTS, "null": "deviations are exchangeable", "parameters": {**found.parameters, **given}}
    words = told(assert_legible, static.season_trend_chart(found.to_frame(), city="Elltown", facts=facts))
    assert "STL by day" in words
    assert f"strength of the season {found.season_strength:.2f}" in words
    shifts = mass_by_shift(thefts.table, ShiftCalendar(("06:00", "14:00", "22:00")))
    words = told(assert_legible, static.shift_table(shifts.to_frame(), city="Elltown", facts=FACTS))
    assert "22:00-06:00" in words
    assert f"{shifts.mass[0, 0]:,.0f}" in words
