"""The embedded city as a source: repeatable, streamed, valid, with the defects it promises."""

import subprocess
import sys
from hashlib import sha256
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from crimepatterns.domain.grid import Grid
from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_calendar import Calendar
from crimepatterns.sources.synthetic_plan import CATEGORIES, DEFECT_SHARES, PREMISES

SMALL = {"incidents": 8_000, "years": 1, "area_km2": 30.0}
DIGEST = """
import sys, hashlib
from crimepatterns.sources.synthetic import SyntheticCity
city = SyntheticCity(incidents=3000, years=1, area_km2=25, seed=5)
digest = hashlib.sha256()
for batch in city.fetch().batches:
    digest.update(batch.to_pandas().to_csv().encode())
print(digest.hexdigest())
"""
MEMORY = """
import resource, sys
from crimepatterns.sources.synthetic import SyntheticCity
rows = sum(batch.num_rows for batch in SyntheticCity(incidents=int(sys.argv[1]), area_km2=25).fetch().batches)
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def run(code: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def read(city: SyntheticCity, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> pd.DataFrame:
    return pa.Table.from_batches(city.fetch(window).batches).to_pandas()


@pytest.fixture(scope="module")
def city() -> SyntheticCity:
    return SyntheticCity()


@pytest.fixture(scope="module")
def raw(city: SyntheticCity) -> pd.DataFrame:
    return read(city)


@pytest.fixture(scope="module")
def answers(city: SyntheticCity) -> pd.DataFrame:
    return city.truth.answer_table()


# -- the source -------------------------------------------------------------------------------------------------------


def test_same_seed_gives_the_same_rows_in_another_process_and_another_seed_does_not() -> None:
    here = sha256()
    for batch in SyntheticCity(incidents=3000, years=1, area_km2=25, seed=5).fetch().batches:
        here.update(batch.to_pandas().to_csv().encode())
    assert run(DIGEST) == [here.hexdigest()]
    assert run(DIGEST.replace("seed=5", "seed=6")) != [here.hexdigest()]


def test_table_can_be_read_twice_and_has_the_promised_columns(city: SyntheticCity, raw: pd.DataFrame) -> None:
    table = city.fetch()
    batches = list(table.batches)
    assert all(tuple(batch.schema.names) == table.columns for batch in batches)
    assert len(batches) >= 36
    assert pa.Table.from_batches(table.batches).to_pandas().equals(raw)
    named = [name for key, value in city.columns.items() for name in ([value] if key != "extra" else value)]
    assert set(named) == set(table.columns)
    assert table.rows == pytest.approx(len(raw), rel=0.03)


def test_window_gives_the_same_rows_as_the_whole_record(city: SyntheticCity, answers: pd.DataFrame) -> None:
    window = (pd.Timestamp("2024-02-10 06:00", tz="America/Chicago"), pd.Timestamp("2024-04-02", tz="UTC"))
    part = read(city, window)
    local = [moment.tz_convert("America/Chicago").tz_localize(None) for moment in window]
    inside = (answers["occurred_from"] >= local[0]) & (answers["occurred_from"] < local[1])
    assert set(part["Case Number"]) == set(answers.loc[inside, "Case Number"])
    whole = read(city).set_index("Case Number").loc[part["Case Number"].unique()]
    assert whole[~whole.index.duplicated()].equals(part.drop_duplicates("Case Number").set_index("Case Number"))
    assert city.fetch(window).rows == pytest.approx(len(part), rel=0.25)


def test_expected_number_of_incidents_is_met(city: SyntheticCity) -> None:
    # The standard deviation of the total is about 400: Poisson, inflated by triggering and by days' factors.
    assert city.truth.incidents == pytest.approx(60_000, abs=1_600)
    large = SyntheticCity(incidents=150_000, years=1, area_km2=25)
    assert sum(batch.num_rows for batch in large.fetch().batches) == pytest.approx(151_500, rel=0.03)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    few, some_mb = map(int, run(MEMORY, "100000"))
    many, more_mb = map(int, run(MEMORY, "2000000"))
    assert many > 15 * few
    assert more_mb - some_mb < 120


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"city_class": "sleepy"}, "sleepy"),
        ({"incidents": 0}, "incidents"),
        ({"seed": -1}, "seed"),
        ({"area_km2": 5.0}, "area_km2"),
        ({"end": "2025-06-15"}, "first day of a month"),
    ],
)
def test_impossible_cities_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        SyntheticCity(**options)
    with pytest.raises(SourceError, match="time zone"):
        SyntheticCity(**SMALL).fetch((pd.Timestamp("2025-01-01"), pd.Timestamp("2025-02-01")))


# -- the place --------------------------------------------------------------------------------------------------------


def test_neighbourhoods_tile_one_connected_area(city: SyntheticCity) -> None:
    area = city.area
    shapes = area.neighbourhoods.geometry.to_numpy()
    assert 20 <= len(shapes) <= 30
    assert area.polygon.geom_type == "Polygon"
    assert area.area_km2 == pytest.approx(120, rel=0.1)
    assert shapely.area(shapes).sum() == pytest.approx(area.polygon.area, rel=1e-6)
    assert shapely.union_all(shapes).area == pytest.approx(area.polygon.area, rel=1e-6)


def test_streets_form_one_network_inside_the_area(city: SyntheticCity) -> None:
    streets = city.streets
    assert streets["street_id"].is_unique
    assert streets.within(area := city.area.polygon.buffer(0.01)).all()
    assert not streets.loc[streets["kind"] == "local"].intersects(city.unbuilt.union_all()).any()
    assert streets["bridge"].sum() >= 3
    assert 5 < streets["length_m"].sum() / 1e3 / (area.area / 1e6) < 20  # km of street per km2
    connected = shapely.union_all(shapely.buffer(streets.geometry.to_numpy(), 0.1))
    assert connected.geom_type == "Polygon"


def test_addresses_lie_beside_their_street(city: SyntheticCity) -> None:
    places, streets = city.places, city.streets.set_index("street_id")
    assert len(places) > 15_000
    lines = streets.loc[places["street_id"], "geometry"].to_numpy()
    assert (shapely.distance(places.geometry.to_numpy(), lines) < 12.5).all()
    x, y = places.geometry.x.to_numpy(), places.geometry.y.to_numpy()
    assert (city.area.neighbourhood_of(x, y) == places["neighbourhood"].to_numpy()).all()
    _, inside = Grid.square(city.area, cell_size_m=250).assign(x, y)
    assert inside.all()


# -- the rows ---------------------------------------------------------------------------------------------------------


def test_every_planted_defect_is_there_in_the_counted_number(
    city: SyntheticCity, raw: pd.DataFrame, answers: pd.DataFrame
) -> None:
    assert dict(city.defects) == answers["defect"].value_counts().reindex(list(DEFECT_SHARES)).to_dict()
    for name, share in DEFECT_SHARES.items():
        sd = np.sqrt(share * len(answers))
        assert city.defects[name] == pytest.approx(share * len(answers), abs=4 * sd)
    assert raw.duplicated().sum() == city.defects["duplicate"] == len(raw) - len(answers)
    assert raw["Longitude"].isna().sum() == raw["Latitude"].isna().sum() == city.defects["missing_coordinates"]
    assert ((raw["Longitude"] == 0) & (raw["Latitude"] == 0)).sum() == city.defects["null_island"]
    assert raw["Offense"].isna().sum() == city.defects["missing_category"]
    times = pd.to_datetime(raw["Occurred From"], errors="coerce")
    impossible = times.isna() | (times < "2023-01-01") | (times >= "2026-01-01")
    assert impossible.sum() == city.defects["impossible_date"]
    midnight = raw.set_index("Case Number").loc[answers.loc[answers["defect"] == "midnight", "Case Number"]]
    assert midnight["Occurred From"].str.endswith(" 00:00:00").all()


def test_sound_rows_say_what_is_true(city: SyntheticCity, raw: pd.DataFrame, answers: pd.DataFrame) -> None:
    rows = raw.drop_duplicates().set_index("Case Number").loc[answers["Case Number"]].reset_index()
    sound = answers["defect"].isna().to_numpy()
    assert rows.loc[sound, "Offense"].map(city.taxonomy).tolist() == answers.loc[sound, "category"].tolist()
    assert (pd.to_datetime(rows.loc[sound, "Occurred From"]) == answers.loc[sound, "occurred_from"]).all()
    points = shapely.points(rows["Longitude"].to_numpy(), rows["Latitude"].to_numpy())
    import geopandas as gpd

    placed = gpd.GeoSeries(points, crs="EPSG:4326").to_crs(city.area.crs)
    apart = np.hypot(placed.x - answers["x"], placed.y - answers["y"])
    assert (apart[sound] < 0.01).all()
    snapped = (answers["defect"] == "snapped").to_numpy()
    assert (apart[snapped] > 5).all()
    assert len(rows.loc[snapped, ["Longitude", "Latitude"]].drop_duplicates()) < snapped.sum()


def test_premises_and_offences_fit_their_category(raw: pd.DataFrame) -> None:
    for plan in CATEGORIES:
        mine = raw[raw["Offense"] == plan.label]
        possible = {name for name, weight in zip(PREMISES, plan.premises, strict=True) if weight > 0}
        assert set(mine["Premise"]) == possible
        assert mine["Offense Description"].value_counts().index.tolist()[0] == plan.offences[0]
        assert set(mine["Offense Description"]) == set(plan.offences)


def test_shares_intervals_delays_and_discovery_follow_the_plan(answers: pd.DataFrame) -> None:
    for plan in CATEGORIES:
        mine = answers[answers["category"] == plan.name]
        n = len(mine)
        assert n == pytest.approx(60_000 * plan.share, rel=0.08)
        assert mine["police_initiated"].mean() == pytest.approx(plan.police_initiated, abs=4 * np.sqrt(0.25 / n))
        length_h = (mine["occurred_until"] - mine["occurred_from"]) / pd.Timedelta(hours=1)
        assert (length_h > 0).mean() == pytest.approx(plan.interval_share, abs=4 * np.sqrt(0.25 / n))
        if plan.interval_share:
            assert length_h[length_h > 0].median() == pytest.approx(plan.interval_hours, rel=0.15)
        delay_h = (mine["known_at"] - mine["occurred_until"]) / pd.Timedelta(hours=1)
        # Prompt reports have the planted median; late ones an exponential tail.
        late_beyond = np.exp(-plan.report_hours / 24 / plan.late_days)
        beyond = 0.5 * (1 - plan.late_share) + plan.late_share * late_beyond
        assert (delay_h > plan.report_hours).mean() == pytest.approx(beyond, abs=4 * np.sqrt(0.25 / n) + 0.03)
        if plan.late_share:
            expected = plan.late_share * np.exp(-7 / plan.late_days)
            assert (delay_h > 7 * 24).mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / n) + 1e-3)
        assert delay_h.between(1 / 61, 60 * 24 + 2).all()
        assert mine["moment"].between(mine["occurred_from"], mine["occurred_until"]).all()


def test_hours_and_weekdays_have_the_planted_rhythm(answers: pd.DataFrame) -> None:
    assault = answers.loc[answers["category"] == "assault", "occurred_from"]
    assert (assault.dt.day_of_week == 5).sum() > 1.2 * (assault.dt.day_of_week == 0).sum()
    vehicles = answers.loc[answers["category"] == "vehicle theft", "occurred_from"].dt.hour
    assert vehicles.between(20, 23).sum() > 2 * vehicles.between(8, 11).sum()
    assert (answers["occurred_from"].dt.minute == 0).mean() == pytest.approx(0.35 + 0.65 / 60, abs=0.01)


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/London", "America/Santiago", "UTC"])
def test_every_local_time_exists(zone: str) -> None:
    rows = SyntheticCity(timezone=zone, **SMALL).truth.answer_table()
    for name in ("occurred_from", "occurred_until", "known_at", "moment"):
        rows[name].dt.tz_localize(ZoneInfo(zone), ambiguous=True, nonexistent="raise")
    assert (rows["occurred_until"] >= rows["occurred_from"]).all()
    assert (rows["known_at"] > rows["occurred_until"]).all()


def test_the_skipped_hour_moves_forward() -> None:
    calendar = Calendar("2026-01-01", 1, "America/Chicago")
    times = np.array(["2025-03-09T01:59", "2025-03-09T02:00", "2025-03-09T02:59", "2025-03-09T03:00"], "datetime64[s]")
    moved = calendar.skip_gaps(times)
    assert moved.astype(str).tolist() == [f"2025-03-09T0{t}:00" for t in ("1:59", "3:00", "3:59", "3:00")]


def test_case_numbers_are_unique_and_count_up_within_the_year(raw: pd.DataFrame) -> None:
    numbers = raw.drop_duplicates()["Case Number"]
    assert numbers.is_unique
    assert numbers.str.fullmatch(r"LF-20\d\d-\d{7}").all()
    assert numbers.is_monotonic_increasing
