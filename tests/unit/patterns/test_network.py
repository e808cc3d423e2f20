"""Patterns on streets: worked cases, plain loops over shortest ways, and no leakage across what is not a street."""

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy import stats
from scipy.sparse.csgraph import dijkstra

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.segments import Segments
from crimepatterns.errors import PatternError
from crimepatterns.patterns import network, network_reach
from crimepatterns.patterns.network import network_density, network_gi_star, network_rates, segment_counts
from crimepatterns.patterns.network_reach import reachable_junctions
from crimepatterns.patterns.network_sentences import network_sentence
from crimepatterns.sources.synthetic import SyntheticCity

Maker = Callable[..., Incidents]
CRS = "EPSG:32616"


def streets(area: StudyArea, *paths: list[tuple[float, float]], **settings: float) -> Segments:
    table = gpd.GeoDataFrame(geometry=[shapely.LineString(path) for path in paths], crs=CRS)
    return Segments.from_lines(area, table, **settings)


@pytest.fixture(scope="module")
def town() -> tuple[Segments, np.ndarray, np.ndarray]:
    """Streets of a small synthetic city, and incidents at its addresses."""
    city = SyntheticCity(incidents=100, years=1, area_km2=20)
    rng = np.random.default_rng(3)
    chosen = city.places.geometry.iloc[rng.integers(0, len(city.places), 1_500)]
    return Segments.from_lines(city.area, city.streets), chosen.x.to_numpy(), chosen.y.to_numpy()


def test_counts_rates_and_how_far_incidents_were_moved(plain_area: StudyArea, make_incidents: Maker) -> None:
    made = streets(plain_area, [(0, 0), (100, 0)], [(100, 0), (100, 50)])
    incidents = make_incidents(plain_area, [20, 30, 105, 400], [8, 12, 40, 900])
    found = segment_counts(incidents, made)
    assert found.counts.tolist() == [2, 1]
    assert dict(found.parameters) == {
        "incidents": 3, "refused": 1, "max_snap_m": 50.0, "snap_m_median": 8.0, "snap_m_p95": 11.6, "snap_m_p99": 11.92,
        "snap_m_max": 12.0,
    }  # fmt: skip
    assert "1 do not and are left out" in found.sentence()
    rates = network_rates(incidents, made)
    assert rates.values == pytest.approx([20, 20])
    assert rates.times_expected == pytest.approx([1, 1])
    assert {"value", "times_expected", "segment_id"} <= set(rates.to_geodataframe())


@pytest.mark.parametrize("cells", [1 << 22, 5_000])
def test_ways_are_the_shortest(
    town: tuple[Segments, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(network_reach, "_CELLS", cells)
    graph = town[0].graph
    sources = np.random.default_rng(1).choice(graph.shape[0], 40, replace=False)
    expected = dijkstra(graph, indices=sources, limit=400.0)
    found = np.full(expected.shape, np.inf)
    for row, junction, distance in reachable_junctions(graph, sources, 400.0):
        assert np.isinf(found[row, junction]).all()
        found[row, junction] = distance
    assert np.allclose(found, expected)


def test_density_on_one_street_by_hand(plain_area: StudyArea) -> None:
    made = streets(plain_area, [(0, 0), (400, 0)])
    dense = network_density(([150.0], [3.0]), made, bandwidth_m=200)
    at = (np.arange(16) + 0.5) * 25.0  # four points on each of the four pieces
    kernel = np.maximum(1 - ((at - 150) / 200) ** 2, 0) ** 2
    expected = kernel.reshape(4, 4).sum(axis=1) / kernel.sum() / 0.1
    assert dense.values == pytest.approx(expected)
    assert (dense.values * 0.1).sum() == pytest.approx(1.0)


def test_a_parallel_street_that_is_not_connected_gets_nothing(plain_area: StudyArea) -> None:
    made = streets(plain_area, [(0, 0), (500, 0)], [(0, 40), (500, 40)])
    dense = network_density(([250.0], [1.0]), made, bandwidth_m=300).values
    assert dense[made.table["street_id"] == "1"].tolist() == [0.0] * 5
    # Joined at one end only, it is as far as the way round.
    joined = streets(plain_area, [(0, 0), (500, 0)], [(0, 40), (500, 40)], [(0, 0), (0, 40)])
    reached = network_density(([250.0], [1.0]), joined, bandwidth_m=310).values
    assert (reached[joined.table["street_id"] == "1"] > 0).tolist() == [True, False, False, False, False]


def test_density_equals_plain_loops_and_keeps_the_mass(town: tuple[Segments, np.ndarray, np.ndarray]) -> None:
    made, x, y = town
    x, y = x[:60], y[:60]
    for kernel, reach in (("quartic", 1.0), ("gaussian", 3.0)):
        found = network_density((x, y), made, bandwidth_m=150, kernel=kernel)
        snapped = made.assign(x, y)
        ways = dijkstra(made.graph, indices=made.ends[snapped.segment].ravel()).reshape(len(x), 2, -1)
        total = np.zeros(len(made))
        for i in range(len(x)):
            own, along = snapped.segment[i], min(np.round(snapped.position_m[i]), made.length_m[snapped.segment[i]])
            to = np.minimum(along + ways[i, 0], made.length_m[own] - along + ways[i, 1])[made.ends]
            weight = np.zeros(len(made))
            for share in (0.125, 0.375, 0.625, 0.875):
                at = share * made.length_m
                away = np.minimum(to[:, 0] + at, to[:, 1] + made.length_m - at)
                away[own] = min(away[own], abs(along - at[own]))
                u = away / 150
                value = np.maximum(1 - u**2, 0) ** 2 * (u < 1) if kernel == "quartic" else np.exp(-(u**2) / 2)
                weight += np.where(u <= reach, value, 0)
            weight *= made.length_m
            total += weight / weight.sum()
        assert np.allclose(found.values, total / made.length_m * 1e3, rtol=1e-9, atol=1e-12)
        assert found.values @ made.length_m / 1e3 == pytest.approx(60)


def test_density_does_not_depend_on_the_size_of_its_blocks(
    town: tuple[Segments, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, x, y = town
    whole = network_density((x, y), made, bandwidth_m=200).values
    monkeypatch.setattr(network_reach, "_CELLS", 30_000)
    monkeypatch.setattr(network, "_CHUNK_PAIRS", 700)
    assert np.allclose(network_density((x, y), made, bandwidth_m=200).values, whole)
    assert whole @ made.length_m / 1e3 == pytest.approx(len(x))


def test_hot_segments_have_exact_binomial_tails(town: tuple[Segments, np.ndarray, np.ndarray]) -> None:
    made, x, y = town
    busy = int(made.table["length_m"].argmax())
    middle = made.table.geometry.iloc[busy].interpolate(0.5, normalized=True)
    x, y = np.r_[x, np.full(25, middle.x)], np.r_[y, np.full(25, middle.y)]
    found = network_gi_star((x, y), made)
    counts = segment_counts((x, y), made).counts
    near = made.adjacency.toarray() + np.eye(len(made))
    share = near @ made.length_m / made.length_m.sum()
    assert found.p_values == pytest.approx(stats.binom.sf(near @ counts - 1, counts.sum(), share), rel=1e-8)
    assert found.q_values is not None
    assert found.q_values[busy] < 0.001
    assert found.parameters["discoveries"] == (found.q_values <= 0.05).sum()
    cold = network_gi_star((x, y), made, alternative="cold")
    assert cold.p_values == pytest.approx(stats.binom.cdf(near @ counts, counts.sum(), share), rel=1e-8)
    # Nothing is hot where just that was expected.
    flat = network_gi_star((x, y), made, expected=counts + 0.01)
    assert flat.parameters["discoveries"] == 0
    assert "expected counts" in flat.null


def test_many_maps_without_hot_streets_show_few(town: tuple[Segments, np.ndarray, np.ndarray]) -> None:
    made, _, _ = town
    rng, shown = np.random.default_rng(5), 0
    lines, middle = made.table.geometry.to_numpy(), made.length_m / made.length_m.sum()
    for _ in range(40):
        points = shapely.line_interpolate_point(lines[rng.choice(len(made), 300, p=middle)], 0.5, normalized=True)
        xy = shapely.get_coordinates(points)
        shown += int(network_gi_star((xy[:, 0], xy[:, 1]), made).parameters["discoveries"] > 0)  # type: ignore[operator]
    assert shown <= stats.binom.ppf(0.999, 40, 0.05)


def test_maps_of_streets_speak_plain_english(plain_area: StudyArea) -> None:
    made = streets(plain_area, [(0, 0), (1_000, 0)])
    x = np.r_[np.full(29, 250.0), 950.0]
    rates = network_sentence(network_rates((x, np.zeros(30)), made))
    assert rates == (
        "Busiest street segment in West End (0-3): 290 incidents per km, 10 times the mean of all streets."
    )
    assert network_sentence(network_gi_star((x, np.zeros(30)), made)) == (
        "3 hot segments, 0.3 km or 30.0 % of the streets, at a false discovery rate of 5 %."
    )
    assert network_sentence(network_gi_star((x[-1:], [0.0]), made)).startswith("No street segment stands out")


def test_what_cannot_be_mapped_is_said(plain_area: StudyArea) -> None:
    made = streets(plain_area, [(0, 0), (400, 0)], max_length_m=150.0)
    here = ([10.0], [1.0])
    for points, text in ((([], []), "None of 0"), (([9e5], [9e5]), "within 50 m"), (([np.nan], [1.0]), "finite"),
                         (([1.0, 2.0], [1.0]), "one length")):  # fmt: skip
        with pytest.raises(PatternError, match=text):
            segment_counts(points, made)
    with pytest.raises(PatternError, match="longest segment, got 100 m and 133 m"):
        network_density(here, made, bandwidth_m=100)
    with pytest.raises(PatternError, match="Kernel must be one of"):
        network_density(here, made, bandwidth_m=200, kernel="flat")  # type: ignore[arg-type]
    with pytest.raises(PatternError, match="'hot' or 'cold'"):
        network_gi_star(here, made, alternative="warm")  # type: ignore[arg-type]
    with pytest.raises(PatternError, match="Expected counts"):
        network_gi_star(here, made, expected=np.zeros(3))
    # Many at one place are one spot with that mass; an island keeps its own.
    island = streets(plain_area, [(0, 0), (90, 0)])
    assert network_density((np.full(50, 10.0), np.ones(50)), island, bandwidth_m=90).values == pytest.approx(
        [50 / 0.09]
    )
    assert network_gi_star(here, island).p_values == pytest.approx([1.0])
