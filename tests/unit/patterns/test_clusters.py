"""DBSCAN clusters, checked against scikit-learn on the raw points, and their summaries."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import PatternError
from crimepatterns.patterns import clusters as clusters_module
from crimepatterns.patterns.cluster_summary import SUMMARY_COLUMNS
from crimepatterns.patterns.clusters import dbscan, hdbscan, st_dbscan, suggest_radius


def clumps(seed: int, n: int = 400) -> np.ndarray:
    """Points around and exactly on a few places, with scatter between."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(500, 4500, size=(8, 2))
    near = places[rng.integers(0, 8, n)] + rng.normal(0, 40, size=(n, 2)) * rng.integers(0, 2, size=(n, 1))
    return np.concatenate([near, rng.uniform(0, 5000, size=(n // 4, 2))])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), least=st.integers(3, 25))
def test_cores_and_noise_are_those_of_scikit_learn(
    plain_area: StudyArea, make_incidents, seed: int, least: int
) -> None:
    xy = clumps(seed)
    found = dbscan(make_incidents(plain_area, *xy.T), radius_m=60.0, min_incidents=least)
    oracle = DBSCAN(eps=60.0, min_samples=least).fit(xy)
    labels = found.labels.fillna(0).to_numpy(dtype=int)
    np.testing.assert_array_equal(labels > 0, oracle.labels_ >= 0)
    core = oracle.core_sample_indices_
    pairs = set(zip(labels[core].tolist(), oracle.labels_[core].tolist(), strict=True))
    assert len(pairs) == len(set(oracle.labels_[core])) == len(set(labels[core]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(plain_area: StudyArea, make_incidents, seed: int) -> None:
    xy = clumps(seed, 200)
    order = np.random.default_rng(seed).permutation(len(xy))
    first = dbscan(make_incidents(plain_area, *xy.T), radius_m=80.0, min_incidents=8)
    second = dbscan(make_incidents(plain_area, *xy[order].T), radius_m=80.0, min_incidents=8)
    np.testing.assert_array_equal(
        first.labels.fillna(0).to_numpy(dtype=int)[order], second.labels.fillna(0).to_numpy(dtype=int)
    )


def test_clusters_are_numbered_from_the_largest(plain_area: StudyArea, make_incidents) -> None:
    x = np.repeat([1000.0, 2000.0, 3000.0], [10, 30, 20])
    found = dbscan(make_incidents(plain_area, x, np.full(60, 1000.0)), radius_m=50, min_incidents=5)
    assert found.summary["cluster"].tolist() == [1, 2, 3]
    assert found.summary["incidents"].tolist() == [30, 20, 10]
    assert found.labels.iloc[[0, 10, 40]].tolist() == [3, 1, 2]
    assert found.parameters["distinct_places"] == 3


def test_the_summary_says_what_when_and_where(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(2)
    n = 60
    fridays = pd.Timestamp("2024-01-05") + pd.to_timedelta(rng.integers(0, 20, n) * 7, unit="D")
    times = [day + pd.Timedelta(hours=int(hour)) for day, hour in zip(fridays, rng.integers(22, 26, n), strict=True)]
    times = [t if t.day_of_week == 4 else t - pd.Timedelta(days=1) for t in times]
    x = np.concatenate([3000 + rng.integers(0, 3, n) * 40.0, [3300.0, 200.0]])
    y = np.concatenate([np.full(n, 2000.0), [2000.0, 200.0]])
    category = ["theft"] * 45 + ["robbery"] * 17
    incidents = make_incidents(plain_area, x, y, times=[*times, *times[:2]], category=category)
    found = dbscan(incidents, radius_m=60, min_incidents=20)
    row = found.summary.iloc[0]
    assert list(found.summary.columns) == list(SUMMARY_COLUMNS)
    assert (row["incidents"], row["distinct_places"]) == (60, 3)
    assert row["neighbourhood"] == "East End"
    assert row["span_m"] == pytest.approx(80.0, abs=0.5)
    assert row["peak_weekday"] == "Friday"
    assert row["peak_hours"] in {"22:00-02:00", "21:00-01:00"}
    assert row["top_categories"] == "theft 75 %, robbery 25 %"
    assert row["density_per_km2"] == pytest.approx(60 / row["area_km2"])
    ring_km2 = row["geometry"].buffer(500).area / 1e6 - row["area_km2"]
    assert row["times_surroundings"] == pytest.approx(row["density_per_km2"] * ring_km2, rel=0.02)
    for words in ("60 incidents at 3 places in East End", "theft 75 %", "Fridays", "times as dense"):
        assert words in row["sentence"]
    assert found.summary.crs == plain_area.crs


def test_the_ground_holds_its_members_and_is_one_piece(plain_area: StudyArea, make_incidents) -> None:
    incidents = make_incidents(plain_area, *clumps(5, 800).T)
    found = dbscan(incidents, radius_m=70, min_incidents=10)
    for row in found.summary.itertuples():
        assert row.geometry.geom_type == "Polygon"
        members = incidents.to_geodataframe().loc[found.labels.eq(row.cluster).fillna(False).to_numpy(bool)]
        assert members.within(row.geometry).all()


def test_dates_without_hours_give_no_peak_at_midnight(plain_area: StudyArea, make_incidents) -> None:
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    dated = make_incidents(
        plain_area, np.full(40, 900.0), np.full(40, 900.0), times=days, precision="date", span=pd.Timedelta(days=1)
    )
    row = dbscan(dated, radius_m=60, min_incidents=20).summary.iloc[0]
    assert row["peak_hours"] == ""
    assert np.isnan(row["peak_hours_share"])
    assert row["peak_weekday"] == ""
    assert "nothing else within 500 m" in row["sentence"]


def test_no_cluster_is_a_result(plain_area: StudyArea, make_incidents) -> None:
    found = dbscan(make_incidents(plain_area, [100.0, 4000.0], [100.0, 4000.0]), radius_m=50, min_incidents=2)
    assert found.labels.isna().all()
    assert found.summary.empty
    assert list(found.summary.columns) == list(SUMMARY_COLUMNS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radius_m": 0.0, "min_incidents": 5}, "radius must be > 0"),
        ({"radius_m": float("inf"), "min_incidents": 5}, "radius must be > 0"),
        ({"radius_m": 50.0, "min_incidents": 1}, "min_incidents >= 2"),
    ],
)
def test_impossible_parameters_are_refused(
    plain_area: StudyArea, make_incidents, options: dict[str, float], words: str
) -> None:
    with pytest.raises(PatternError, match=words):
        dbscan(make_incidents(plain_area, [1.0], [1.0]), **options)


def test_no_incidents_are_told(plain_area: StudyArea, make_incidents) -> None:
    with pytest.raises(PatternError, match="at least one incident"):
        dbscan(make_incidents(plain_area, [], [], times=[]), radius_m=50, min_incidents=5)


def test_a_radius_that_joins_everything_is_refused(plain_area: StudyArea, make_incidents, monkeypatch) -> None:
    monkeypatch.setattr(clusters_module, "MAX_PAIRS", 1000)
    with pytest.raises(PatternError, match=r"smaller patterns\.dbscan_radius_m"):
        dbscan(make_incidents(plain_area, *clumps(1).T), radius_m=3000.0, min_incidents=5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_border_incidents_belong_to_a_core_in_reach(plain_area: StudyArea, make_incidents, seed: int) -> None:
    xy = clumps(seed, 200)
    found = dbscan(make_incidents(plain_area, *xy.T), radius_m=70.0, min_incidents=9)
    labels = found.labels.fillna(0).to_numpy(dtype=int)
    near = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= 70.0
    core = near.sum(axis=1) >= 9
    for i in np.flatnonzero(~core):
        reached = set(labels[near[i] & core].tolist())
        assert labels[i] in (reached or {0})


def _plain_st_dbscan(xy: np.ndarray, day: np.ndarray, radius: float, days: int, least: int) -> np.ndarray:
    near = (np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= radius) & (np.abs(day[:, None] - day) <= days)
    core, labels, number = near.sum(axis=1) >= least, np.zeros(len(xy), dtype=int), 0
    for start in np.flatnonzero(core):
        if labels[start]:
            continue
        number += 1
        waiting = [start]
        while waiting:
            one = waiting.pop()
            if labels[one]:
                continue
            labels[one] = number
            waiting += np.flatnonzero(near[one] & core & (labels == 0)).tolist()
    return np.where(core, labels, 0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_st_dbscan_equals_a_plain_search(plain_area: StudyArea, make_incidents, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xy, day = clumps(seed, 250), rng.integers(0, 40, 312)
    times = pd.Timestamp("2024-01-01 12:00") + pd.to_timedelta(day, unit="D")
    found = st_dbscan(make_incidents(plain_area, *xy.T, times=times), radius_m=80.0, days=5, min_incidents=5)
    expected = _plain_st_dbscan(xy, day, 80.0, 5, 5)
    labels = found.labels.fillna(0).to_numpy(dtype=int)
    core = expected > 0
    assert (labels[core] > 0).all()
    pairs = set(zip(labels[core].tolist(), expected[core].tolist(), strict=True))
    assert len(pairs) == len(set(expected[core])) == len(set(labels[core]))


def test_a_burst_is_told_from_a_standing_hot_place(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(0)
    xy = np.r_[rng.normal(1_000, 20, (60, 2)), rng.normal(3_000, 20, (60, 2))]
    day = np.r_[rng.integers(0, 360, 60), rng.integers(100, 107, 60)]
    times = pd.Timestamp("2024-01-01 12:00") + pd.to_timedelta(day, unit="D")
    incidents = make_incidents(plain_area, *xy.T, times=times)
    assert len(dbscan(incidents, radius_m=60, min_incidents=20).summary) == 2
    burst = st_dbscan(incidents, radius_m=60, days=7, min_incidents=20)
    assert burst.summary["incidents"].tolist() == [60]
    assert burst.summary["first_date"].iloc[0] >= "2024-04-10"


def test_hdbscan_finds_clusters_of_different_density(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(1)
    xy = np.r_[rng.normal(1_000, 15, (80, 2)), rng.normal(3_000, 150, (80, 2)), rng.uniform(0, 5_000, (40, 2))]
    incidents = make_incidents(plain_area, *np.clip(xy, 0, 4_999).T)
    assert len(hdbscan(incidents, min_incidents=20).summary) == 2
    with pytest.raises(PatternError, match="would take about"):
        hdbscan(incidents, min_incidents=20, max_places=100)
    assert len(hdbscan(make_incidents(plain_area, [1.0, 2.0], [1.0, 2.0]), min_incidents=5).summary) == 0


def test_the_suggested_radius_is_the_bend_of_the_distances(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(2)
    spots = np.stack(np.meshgrid([1_000, 2_000, 3_000, 4_000], [1_500, 3_500]), axis=-1).reshape(8, 2)
    xy = np.r_[spots[rng.integers(0, 8, 400)] + rng.normal(0, 30, (400, 2)), rng.uniform(0, 5_000, (100, 2))]
    incidents = make_incidents(plain_area, *xy.T)
    told = suggest_radius(incidents, min_incidents=10)
    assert 20 < told.radius_m < 200
    assert len(dbscan(incidents, radius_m=told.radius_m, min_incidents=10).summary) == 8
    tree_distance = np.sort(np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)), axis=1)[:, 9]
    assert told.distances_m == pytest.approx(np.sort(tree_distance))
    assert f"{told.radius_m:.0f} m" in told.sentence()
    stacked = make_incidents(plain_area, [10.0] * 50, [10.0] * 50)
    assert suggest_radius(stacked, min_incidents=10).radius_m == 1.0
    with pytest.raises(PatternError, match="more than 30"):
        suggest_radius(make_incidents(plain_area, [1.0], [1.0]))
