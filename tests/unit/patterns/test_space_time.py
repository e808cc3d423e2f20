"""Close pairs, the Knox test and near-repeat chains: against plain counting, pointpats and planted repeats."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.execution import JoblibExecutor
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.near_repeat import near_repeat_chains, repeat_decay
from crimepatterns.patterns.space_time_pairs import PairSearch, SpaceTimeBands, civil_days

Maker = Callable[..., Incidents]
BANDS = SpaceTimeBands((100.0, 250.0), (2, 7))


def _plain_count(x: np.ndarray, y: np.ndarray, day: np.ndarray, bands: SpaceTimeBands) -> np.ndarray:
    table = np.zeros(bands.shape, dtype=int)
    for i in range(len(x)):
        for j in range(i):
            apart, lag = np.hypot(x[i] - x[j], y[i] - y[j]), abs(day[i] - day[j])
            if apart > bands.reach_m or lag > bands.reach_days:
                continue
            row = 0 if apart < 1 else 1 + next(k for k, edge in enumerate(bands.distances_m) if apart <= edge)
            table[row, next(k for k, edge in enumerate(bands.days) if lag <= edge)] += 1
    return table


@pytest.fixture(scope="module")
def scattered() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x, y = np.round(rng.uniform(0, 1_500, size=(2, 400)) / 50) * 50  # many at equal places and at exact edges
    return x, y, rng.integers(0, 60, 400)


def test_pairs_equal_plain_counting(scattered: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    x, y, day = scattered
    search = PairSearch(x, y, reach_m=BANDS.reach_m, reach_days=BANDS.reach_days)
    expected = _plain_count(x, y, day, BANDS)
    assert np.array_equal(search.count(day, BANDS), expected)
    # The way for many points, which never keeps the pairs, finds the same.
    blocks = list(search.pairs(day))
    streamed = np.bincount(
        np.concatenate([BANDS.locate(one.distance_m, one.days) for one in blocks]), minlength=expected.size
    )
    assert np.array_equal(streamed.reshape(expected.shape), expected)
    first, second = (np.concatenate([getattr(one, name) for one in blocks]) for name in ("first", "second"))
    assert (day[first] <= day[second]).all()
    assert (first < second)[day[first] == day[second]].all()
    assert len({(int(a), int(b)) for a, b in zip(first, second, strict=True)}) == len(first)


def test_small_chunks_find_the_same(
    scattered: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, day = scattered
    monkeypatch.setattr("crimepatterns.patterns.space_time_pairs._CHUNK", 50)
    monkeypatch.setattr("crimepatterns.patterns.space_time_pairs._MOST_KEPT", 0)
    search = PairSearch(x, y, reach_m=BANDS.reach_m, reach_days=BANDS.reach_days)
    assert np.array_equal(search.count(day, BANDS), _plain_count(x, y, day, BANDS))


def test_edges_belong_to_the_band_below() -> None:
    assert BANDS.locate([0.0, 0.99, 1.0, 100.0, 100.01, 250.0], [2] * 6).tolist() == [0, 0, 2, 2, 4, 4]
    assert BANDS.locate([50.0] * 4, [0, 2, 3, 7]).tolist() == [2, 2, 3, 3]
    assert BANDS.distance_labels == ("same place", "0 to 100 m", "100 to 250 m")
    assert BANDS.day_labels == ("0 to 2 days", "3 to 7 days")
    with pytest.raises(PatternError, match="ascend"):
        SpaceTimeBands((100.0, 50.0), (7,))


def test_a_day_is_a_civil_day_when_clocks_change() -> None:
    moments = pd.Series(pd.to_datetime(["2024-03-09 23:30", "2024-03-10 23:30", "2024-03-11 00:10"]))
    assert np.diff(civil_days(moments.dt.tz_localize("America/Chicago"))).tolist() == [1, 1]


def _repeats(area: StudyArea, make: Maker, *, share: float, seed: int = 0, size: int = 700) -> Incidents:
    """Scatter incidents, and let a share of them follow an earlier one within 80 m (sd) and some days."""
    rng = np.random.default_rng(seed)
    x, y, day = rng.uniform(100, 4_900, size), rng.uniform(100, 4_900, size), rng.integers(0, 300, size).astype(float)
    child = np.flatnonzero(rng.random(size) < share)
    parent = rng.choice(np.setdiff1d(np.arange(size), child), len(child))
    x[child] = np.clip(x[parent] + rng.normal(0, 80, len(child)), 0, 4_999)
    y[child] = np.clip(y[parent] + rng.normal(0, 80, len(child)), 0, 4_999)
    day[child] = np.minimum(day[parent] + rng.exponential(5, len(child)), 299)
    return make(area, x, y, times=pd.Timestamp("2024-01-01 12:00") + pd.to_timedelta(np.floor(day), unit="D"))


def test_knox_finds_planted_repeats_and_agrees_with_pointpats(plain_area: StudyArea, make_incidents: Maker) -> None:
    from pointpats import Knox as Peer

    incidents = _repeats(plain_area, make_incidents, share=0.3)
    ours = knox(incidents, bands=SpaceTimeBands((200.0,), (14,)), replicates_count=199, season_days=400)
    table = incidents.table
    day = civil_days(table["occurred_from"])
    theirs = Peer(table[["x", "y"]].to_numpy(), day[:, None], delta=200.0, tau=14.0, permutations=99)
    assert ours.observed.sum() == theirs.statistic_
    assert theirs.p_sim <= 0.01
    frame = ours.to_frame()
    near = frame.loc[frame["distance"] == "0 to 200 m"]
    assert float(near["p_value"].iloc[0]) == pytest.approx(1 / 200)
    assert float(near["p_fitted"].iloc[0]) < 1e-6
    assert float(near["ratio_lower"].iloc[0]) > 1.5
    assert "times as frequent as chance" in ours.sentence()


def test_knox_is_not_liberal_under_the_null(plain_area: StudyArea, make_incidents: Maker) -> None:
    found = [
        knox(
            _repeats(plain_area, make_incidents, share=0.0, seed=seed, size=200),
            bands=SpaceTimeBands((300.0,), (14,)), replicates_count=39, seed=seed,
        ).p_values[1, 0]
        for seed in range(150)
    ]  # fmt: skip
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_many_bands_are_accounted_for(plain_area: StudyArea, make_incidents: Maker) -> None:
    """One of twelve bands is often below 5 % where nothing repeats; the sentence and the adjusted p-values know."""
    bands, cities = SpaceTimeBands((150.0, 300.0, 600.0), (7, 14, 28)), 60
    any_alone = any_adjusted = claims = 0
    for seed in range(cities):
        quiet = _repeats(plain_area, make_incidents, share=0.0, seed=500 + seed, size=200)
        found = knox(quiet, bands=bands, replicates_count=39, seed=seed)
        assert (found.p_adjusted >= found.p_values - 1e-12).all()
        any_alone += bool((found.p_values <= 0.05).any())
        any_adjusted += bool((found.p_adjusted <= 0.05).any())
        claims += not found.sentence().startswith("No band")
    allowed = stats.binom.ppf(0.999, cities, 0.05)
    assert claims <= any_adjusted <= allowed < any_alone


def test_seasons_and_district_trends_are_not_called_repeats(plain_area: StudyArea, make_incidents: Maker) -> None:
    """Half the city has its summer first: a test over the whole record is fooled, one within seasons is not."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 5_000, size=(2, 1_500))
    day = rng.integers(0, 90, 1_500) + np.where(x < 2_500, 0, 91)
    incidents = make_incidents(plain_area, x, y, times=pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"))
    bands = SpaceTimeBands((400.0,), (14,))
    within = knox(incidents, bands=bands, replicates_count=99, season_days=91)
    # All of the city in one district over one long season: what a plain Knox test does.
    one = StudyArea(plain_area.name, plain_area.polygon, plain_area.crs, plain_area.timezone,
                    plain_area.neighbourhoods.dissolve().assign(name="all")[["name", "geometry"]])  # fmt: skip
    plain = knox(Incidents(incidents.table, one), bands=bands, replicates_count=99, season_days=1_000)
    assert plain.ratio[1, 0] > 1.5
    assert plain.p_values[1, 0] == 0.01
    assert within.ratio[1, 0] == pytest.approx(1.0, abs=0.1)


def test_dates_are_drawn_from_intervals(plain_area: StudyArea, make_incidents: Maker) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1_000, size=(2, 200))
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 200), unit="D")
    sharp = make_incidents(plain_area, x, y, times=times)
    wide = make_incidents(plain_area, x, y, times=times, span=pd.Timedelta(days=10))
    bands = SpaceTimeBands((200.0,), (2,))
    assert knox(sharp, bands=bands, replicates_count=9).parameters["dates_drawn_from_intervals"] == 0
    drawn = knox(wide, bands=bands, replicates_count=19)
    assert drawn.parameters["dates_drawn_from_intervals"] == 200
    assert (drawn.observed % 1 != 0).any()
    midnight = make_incidents(plain_area, x, y, times=times, span=pd.Timedelta(days=1))
    assert knox(midnight, bands=bands, replicates_count=9).parameters["dates_drawn_from_intervals"] == 0


def test_workers_do_not_change_the_answer(plain_area: StudyArea, make_incidents: Maker) -> None:
    incidents = _repeats(plain_area, make_incidents, share=0.2, size=300)
    alone, spread = (
        knox(incidents, replicates_count=10),
        knox(incidents, replicates_count=10, executor=JoblibExecutor(2)),
    )
    assert np.array_equal(alone.expected, spread.expected)
    assert np.array_equal(alone.p_values, spread.p_values)


def test_chains_have_one_originator_and_lines(plain_area: StudyArea, make_incidents: Maker) -> None:
    at = pd.to_datetime(
        ["2024-01-05 10:00", "2024-01-01 09:00", "2024-01-09 10:00", "2024-03-01 00:00", "2024-01-05 08:00"]
    )
    incidents = make_incidents(plain_area, [100, 150, 120, 4_000, 300], [100, 100, 100, 4_000, 100], times=at)
    found = near_repeat_chains(incidents, distance_m=100, days=7)
    assert found.members["id"].tolist() == ["i1", "i0", "i2"]
    assert found.members["role"].tolist() == ["originator", "repeat", "repeat"]
    assert found.members["follows"].fillna("").tolist() == ["", "i1", "i0"]
    assert found.members["days"].fillna(-1).tolist() == [-1, 4, 4]
    assert found.members["distance_m"].tolist()[1:] == [50.0, 20.0]
    assert found.chains["incidents"].tolist() == [3]
    assert found.chains.geometry.iloc[0].length == pytest.approx(70.0)
    shuffled = Incidents(incidents.table.iloc[[4, 2, 0, 3, 1]].reset_index(drop=True), plain_area)
    again = near_repeat_chains(shuffled, distance_m=100, days=7)
    pd.testing.assert_frame_equal(again.members.drop(columns="row"), found.members.drop(columns="row"))


def test_same_day_pairs_begin_with_the_earlier_time_then_the_smaller_id(
    plain_area: StudyArea, make_incidents: Maker
) -> None:
    at = pd.to_datetime(["2024-01-01 22:00", "2024-01-01 08:00"])
    found = near_repeat_chains(make_incidents(plain_area, [10, 20], [10, 10], times=at), distance_m=50, days=0)
    assert found.members["id"].tolist() == ["i1", "i0"]
    same = make_incidents(plain_area, [10, 20], [10, 10], times="2024-01-01 08:00")
    assert near_repeat_chains(same, distance_m=50, days=0).members["id"].tolist() == ["i0", "i1"]


def test_links_equal_a_plain_search(plain_area: StudyArea, make_incidents: Maker) -> None:
    incidents = _repeats(plain_area, make_incidents, share=0.4, size=300)
    found = near_repeat_chains(incidents, distance_m=150, days=10).members.set_index("id")
    table = incidents.table.sort_values(["occurred_from", "id"])
    x, y, day = table["x"].to_numpy(), table["y"].to_numpy(), civil_days(table["occurred_from"])
    ids = table["id"].to_numpy()
    for j in range(len(ids)):
        linked = [i for i in range(j) if np.hypot(x[i] - x[j], y[i] - y[j]) <= 150 and day[j] - day[i] <= 10]
        told = found["follows"].get(ids[j])
        assert (told if isinstance(told, str) else None) == (ids[linked[-1]] if linked else None)


def test_decay_recovers_planted_half_distance_and_half_life(plain_area: StudyArea, make_incidents: Maker) -> None:
    rng = np.random.default_rng(11)
    size, kids = 6_000, 2_500
    x, y, day = rng.uniform(0, 5_000, size), rng.uniform(0, 5_000, size), rng.uniform(0, 700, size)
    parent = rng.choice(size, kids, replace=False)  # no two repeats of one origin
    # Distances whose pair density falls exponentially on the plane: the radius is gamma distributed with shape 2.
    radius, angle = rng.gamma(2.0, 60 / np.log(2), kids), rng.uniform(0, 2 * np.pi, kids)
    x = np.clip(np.r_[x, x[parent] + radius * np.cos(angle)], 0, 4_999)
    y = np.clip(np.r_[y, y[parent] + radius * np.sin(angle)], 0, 4_999)
    day = np.r_[day, day[parent] + rng.exponential(6 / np.log(2), kids)]
    times = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.floor(day), unit="D")
    bands = SpaceTimeBands(tuple(range(25, 401, 25)), tuple(range(0, 42, 2)))
    decay = repeat_decay(knox(make_incidents(plain_area, x, y, times=times), bands=bands, replicates_count=40))
    assert decay.half_distance_m == pytest.approx(60, rel=0.15)
    assert decay.half_life_days == pytest.approx(6, rel=0.2)
    assert decay.half_distance_interval[0] < decay.half_distance_m < decay.half_distance_interval[1]
    assert "halves every" in decay.sentence()


def test_bad_input_is_told(plain_area: StudyArea, make_incidents: Maker) -> None:
    one = make_incidents(plain_area, [10], [10])
    with pytest.raises(PatternError, match="at least two"):
        knox(one)
    assert "None of 1" in near_repeat_chains(one).sentence()
    with pytest.raises(PatternError, match="month"):
        knox(make_incidents(plain_area, [10, 20], [10, 20], precision="month"))
    with pytest.raises(PatternError, match="distance_m"):
        near_repeat_chains(one, distance_m=0)
    equal = knox(make_incidents(plain_area, [10] * 30, [10] * 30), replicates_count=9)
    assert equal.observed[0, 0] == 30 * 29 / 2
    assert (equal.p_values == 1).all()
    assert equal.sentence().startswith("No band")
    with pytest.raises(PatternError, match="nothing fades"):
        repeat_decay(equal)
