"""Free questions: every answer agrees with another program's count, for analysts and, coarsened, for the public."""

import itertools
import math
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import geopandas as gpd
import httpx
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_server import served
from crimepatterns.config import Settings
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout, slug
from model_city import copied
from vector_tiles import decoded

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def truth(layout: Layout, small_city_run: Settings) -> pd.DataFrame:
    """The cleaned incidents, read by another way than the server's, with civil times."""
    files = [str(path) for path in layout.incidents.rglob("*.parquet")]
    asked = duckdb.connect().sql("SELECT * EXCLUDE (geometry) FROM read_parquet(?)", params=[files])
    table = asked.to_arrow_table().to_pandas()
    wall = table["occurred_from"].dt.tz_convert(small_city_run.timezone).dt.tz_localize(None)
    return table.assign(wall=wall, day=wall.dt.normalize())


@pytest.fixture(scope="module")
def ask(client: httpx.Client) -> Ask:
    def get(path: str = "counts", **filters: Any) -> Any:
        answer = client.get(f"/api/explore/{path}?{urlencode({k.rstrip('_'): v for k, v in filters.items()})}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


@pytest.fixture(scope="module")
def public(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Client of a server that is open to the public, with drugs as a sensitive category."""
    city = copied(small_city_run, tmp_path_factory.mktemp("public-city"))
    security = city.security.model_copy(update={"anonymous": "public", "requests_per_second": 1e6, "burst": 10**6})
    disclosure = city.disclosure.model_copy(update={"sensitive": ("Drugs", "prostitution")})
    with served(create_app(city.model_copy(update={"security": security, "disclosure": disclosure}))) as client:
        yield client


# -- agreement ---------------------------------------------------------------------------------------------------------


def test_everything_together_is_the_record(ask: Ask, truth: pd.DataFrame) -> None:
    told = ask()
    assert told["total"] == len(truth)
    assert sum(told["times"]["counts"]) == sum(told["areas"].values()) == sum(told["cells"]["counts"]) == len(truth)
    assert sum(told["rhythm"]["counts"]) + told["rhythm"]["unknown"] == len(truth)
    whole = truth["category"].astype(str).value_counts()
    assert {name: n for name, n in told["offences"].items() if "." not in name} == {
        slug(k): v for k, v in whole.items()
    }
    assert ask("incidents")["total"] == len(truth)


def test_all_filters_at_once_agree_with_another_program(ask: Ask, truth: pd.DataFrame, layout: Layout) -> None:
    area = shapely.from_wkb(
        duckdb.connect()
        .execute("SELECT geometry FROM read_parquet(?) WHERE role = 'boundary'", [str(layout.study_area)])
        .fetchone()[0]  # type: ignore[index]
    )
    crs = pd.read_parquet(layout.study_area, columns=["crs"])["crs"].iloc[0]
    import pyproj

    back = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    x, y = area.centroid.x, area.centroid.y
    corners = [(x - 2000, y - 1500), (x + 1500, y - 900), (x + 700, y + 2500)]
    degrees = [tuple(round(v, 6) for v in back.transform(*corner)) for corner in corners]
    hours = [*range(18, 24), *range(42, 48)]
    told = ask(
        offence="theft,burglary.residential",
        from_="2024-03-01",
        until="2025-02-01",
        polygon=";".join(f"{lon},{lat}" for lon, lat in degrees),
        hours="18-23,42-47",
        discovery="reported",
        step="month",
    )
    forth = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    shape = shapely.Polygon([forth.transform(*point) for point in degrees])
    known = truth["time_precision"].isin(["minute", "hour"]) & (
        truth["occurred_until"] - truth["occurred_from"] <= pd.Timedelta(hours=1)
    )
    base = truth[
        truth["wall"].between("2024-03-01", "2025-02-01", inclusive="left")
        & shapely.intersects_xy(shape, truth["x"], truth["y"])
        & (truth["discovery"] == "reported")
    ]
    offence = (base["category"] == "theft") | ((base["category"] == "burglary") & (base["offence"] == "RESIDENTIAL"))
    hour = known.loc[base.index] & (base["wall"].dt.day_of_week * 24 + base["wall"].dt.hour).isin(hours)
    chosen = base[offence & hour]
    assert told["total"] == len(chosen) > 10
    months = chosen["wall"].dt.to_period("M").value_counts()
    assert {start[:7]: n for start, n in zip(told["times"]["starts"], told["times"]["counts"], strict=True) if n} == {
        str(month): n for month, n in months.items()
    }
    assert sum(told["cells"]["counts"]) == len(chosen)
    # What each filter leaves out of its own counts.
    assert sum(told["rhythm"]["counts"]) + told["rhythm"]["unknown"] == int(offence.sum())
    assert sum(told["rhythm"]["counts"][one] for one in hours) == told["total"]
    assert told["offences"]["damage"] == int((hour & (base["category"] == "damage")).sum())


def test_rows_are_the_incidents_that_were_counted(ask: Ask, truth: pd.DataFrame) -> None:
    asked = {"offence": "robbery", "from_": "2024-01-01"}
    pages = [ask("incidents", **asked, size=100, page=page) for page in (1, 2, 3)]
    names = pages[0]["columns"]
    ids = [row[names.index("id")] for page in pages for row in page["rows"]]
    chosen = truth[(truth["category"] == "robbery") & (truth["wall"] >= "2024-01-01")]
    assert len(ids) == len(set(ids)) == min(300, len(chosen))
    assert set(ids) <= set(chosen["id"])
    times = [row[names.index("occurred_from")] for page in pages for row in page["rows"]]
    assert times == sorted(times, reverse=True)
    assert pages[0]["total"] == len(chosen)


def test_a_place_and_its_surroundings(ask: Ask, truth: pd.DataFrame, layout: Layout) -> None:
    import pyproj

    crs = pd.read_parquet(layout.study_area, columns=["crs"])["crs"].iloc[0]
    x, y = truth["x"].median(), truth["y"].median()
    lon, lat = (round(v, 6) for v in pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y))
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    near = np.hypot(truth["x"] - x, truth["y"] - y) <= 750
    assert ask(near=f"{lon},{lat},750")["total"] == near.sum() > 20


def test_neighbourhoods_add_up(ask: Ask) -> None:
    told = ask()
    some = [name for name, n in told["areas"].items() if n][:3]
    assert ask(area=",".join(some))["total"] == sum(told["areas"][name] for name in some)


def test_periods_that_are_not_whole_are_marked(ask: Ask) -> None:
    told = ask(from_="2024-01-03", until="2024-02-14", step="week")["times"]
    assert told["complete"] == [False, *[True] * 5, False]
    days = ask(from_="2024-01-03", until="2024-02-14")["times"]
    assert days["step"] == "day"
    assert len(days["counts"]) == 42
    last = ask(step="month")["times"]
    assert len(last["starts"]) == len(last["counts"]) == len(last["complete"])


def test_the_period_before_is_counted_too(ask: Ask) -> None:
    told = ask(from_="2024-03-01", until="2024-03-29")
    assert told["before"]["total"] == ask(from_="2024-02-02", until="2024-03-01")["total"]


# -- tiles -------------------------------------------------------------------------------------------------------------


def tiles_at(client: httpx.Client, zoom: int, box: tuple[float, float, float, float], query: str = "") -> list[Any]:
    west, south, east, north = box

    def place(lon: float, lat: float) -> tuple[int, int]:
        phi = math.radians(lat)
        return int((lon / 360 + 0.5) * 2**zoom), int((0.5 - math.asinh(math.tan(phi)) / (2 * math.pi)) * 2**zoom)

    (x0, y0), (x1, y1) = place(west, north), place(east, south)
    found = []
    for x, y in itertools.product(range(x0, x1 + 1), range(y0, y1 + 1)):
        answer = client.get(f"/api/explore/tiles/{zoom}/{x}/{y}{query}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        found += [(x, y, one) for one in decoded(answer.content)]
    return found


@pytest.fixture(scope="module")
def box(client: httpx.Client) -> tuple[float, float, float, float]:
    return tuple(client.get("/api/areas").json()["bounds"])


@pytest.mark.parametrize("zoom", [9, 11, 13])
def test_tiles_hold_every_incident_once(client: httpx.Client, ask: Ask, box: Any, zoom: int) -> None:
    query = "?offence=theft&from=2024-01-01"
    points = tiles_at(client, zoom, box, query)
    assert sum(one["properties"]["n"] for _, _, one in points) == ask(offence="theft", from_="2024-01-01")["total"]


def test_at_street_zoom_single_incidents_lie_where_they_happened(client: httpx.Client, ask: Ask) -> None:
    row = ask("incidents", offence="robbery", size=1)
    told = dict(zip(row["columns"], row["rows"][0], strict=True))
    east, north = told["longitude"], told["latitude"]
    points = tiles_at(client, 15, (east, north, east, north), "?offence=robbery")
    mine = next((x, y, one) for x, y, one in points if one["properties"]["id"] == told["id"])
    x, y, one = mine
    lon = ((x + one["at"][0] / 4096) / 2**15 - 0.5) * 360
    lat = math.degrees(math.atan(math.sinh((0.5 - (y + one["at"][1] / 4096) / 2**15) * 2 * math.pi)))
    assert abs(lon - east) < 1e-5
    assert abs(lat - north) < 1e-5
    assert one["properties"]["category"] == "robbery"


def test_a_tile_is_not_sent_twice(client: httpx.Client) -> None:
    first = client.get("/api/explore/tiles/9/123/192")
    again = client.get("/api/explore/tiles/9/123/192", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/api/explore/tiles/9/512/0").status_code == 404


def test_empty_tiles_of_two_questions_have_two_tags(client: httpx.Client) -> None:
    # MapLibre draws nothing anew for a tile whose tag it has, and a map whose last tile came so is never idle.
    asked = (f"/api/explore/tiles/9/0/0{query}" for query in ("", "?offence=robbery", "?from=2025-01-01"))
    told = [client.get(address) for address in asked]
    assert {answer.content for answer in told} == {b""}
    assert len({answer.headers["etag"] for answer in told}) == 3


# -- what the public sees ----------------------------------------------------------------------------------------------


def test_the_public_sees_cells_weeks_and_steps(public: httpx.Client, truth: pd.DataFrame) -> None:
    facts = public.get("/api/explore/facts").json()
    assert facts["exact"] is False
    assert "Approximate" in facts["rule"]
    assert all(not one["offences"] for one in facts["categories"])
    assert not {"drugs", "prostitution"} & {one["slug"] for one in facts["categories"]}
    told = public.get("/api/explore/counts?from=2024-06-01&until=2025-06-01").json()
    assert told["rhythm"] is None
    assert told["filters"]["from"] == "2024-05-27"  # a Monday
    assert told["filters"]["until"] == "2025-06-02"
    numbers = [told["total"], *told["times"]["counts"], *told["areas"].values(), *told["cells"]["counts"]]
    assert all(number % 5 == 0 for number in [*numbers, *told["offences"].values()])
    open_rows = truth[~truth["category"].isin(["drugs", "prostitution"])]
    shown = open_rows["wall"].between("2024-05-27", "2025-06-02", inclusive="left").sum()
    assert abs(told["total"] - shown) < 0.06 * shown


@pytest.mark.parametrize("query", ["hours=0-5", "discovery=reported"])
def test_what_is_finer_than_that_is_refused(public: httpx.Client, query: str) -> None:
    answer = public.get(f"/api/explore/counts?{query}")
    assert answer.status_code == 422
    assert "analyst" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["drugs", "prostitution", "theft.shoplifting"])
def test_sensitive_and_fine_offences_do_not_exist_for_the_public(public: httpx.Client, name: str) -> None:
    for path in ("counts", "incidents", "tiles/9/123/192"):
        assert public.get(f"/api/explore/{path}?offence={name}").status_code == 404


def test_no_comparison_of_public_answers_tells_a_small_count(public: httpx.Client, box: Any) -> None:
    """An attack: polygons, periods and offences that differ by a little, in every form; all differences are steps."""
    rng = np.random.default_rng(20)
    west, south, east, north = box
    middle = np.array([(west + east) / 2, (south + north) / 2])
    sums: list[int] = []
    for _ in range(4):
        side = rng.uniform(0.01, 0.05)
        at = middle + rng.uniform(-0.03, 0.03, 2)
        corners = np.round(at + side * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), 6)
        wider = corners + np.array([[0, 0], [0.004, 0], [0.004, 0], [0, 0]])
        for shape in (corners, wider):
            text = ";".join(f"{lon:.6f},{lat:.6f}" for lon, lat in shape)
            for period in ("", "from=2024-05-06", "from=2024-05-13", "from=2024-05-13&until=2024-07-01"):
                for offence in ("theft", "theft,burglary"):
                    query = f"polygon={text}&offence={offence}&{period}"
                    told = public.get(f"/api/explore/counts?{query}").json()
                    rows = public.get(f"/api/explore/incidents?{query}&size=500").json()
                    sums += [told["total"], *told["times"]["counts"], *told["cells"]["counts"]]
                    counts = [row[rows["columns"].index("count")] for row in rows["rows"]]
                    if rows["total"] <= 500:
                        assert sum(counts) == told["total"]
                    sums += counts
    assert len(set(sums)) > 10
    assert {abs(a - b) % 5 for a, b in itertools.combinations(sorted(set(sums)), 2)} == {0}


def test_every_public_form_tells_the_same(public: httpx.Client, box: Any) -> None:
    query = "?offence=theft&from=2024-06-03&until=2024-09-02"
    told = public.get(f"/api/explore/counts{query}").json()
    rows = public.get(f"/api/explore/incidents{query}&size=500").json()
    assert rows["total"] <= 500
    assert "id" not in rows["columns"]
    for zoom in (9, 12, 15, 16):
        if zoom < 15:
            points = tiles_at(public, zoom, (box[0] - 0.01, box[1] - 0.01, box[2] + 0.01, box[3] + 0.01), query)
            assert sum(one["properties"]["n"] for _, _, one in points) == told["total"]
        else:
            lon, lat = (rows["rows"][0][rows["columns"].index(name)] for name in ("longitude", "latitude"))
            points = tiles_at(public, zoom, (lon, lat, lon, lat), query)
        assert all(set(one["properties"]) == {"n"} and one["properties"]["n"] % 5 == 0 for _, _, one in points)


# -- hostile questions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("offence=theft' OR 1=1 --", 404),
        ("area='; DROP TABLE exact; --", 404),
        ("from=2024-01-01' OR '1'='1", 422),
        ("from=0001-01-01", 422),
        ("from=2024-02-01&until=2024-01-01", 422),
        ("polygon=0,0;1,1", 422),
        ("polygon=0,0;1,1;nan,2", 422),
        ("polygon=0,0;1,1;1e999,2", 422),
        ("polygon=-92.95,40.85;-92.9,40.9;-92.95,40.9;-92.9,40.85", 422),  # crosses itself
        ("polygon=" + ";".join(f"{-92.9 + i * 1e-5},{40.9 + (i % 7) * 1e-5}" for i in range(700)), 422),
        ("polygon=" + "9" * 20_000, 422),
        ("near=-92.9,40.9,-5", 422),
        ("near=-92.9,40.9,1e9", 422),
        ("near=200,95,10", 422),
        ("hours=0-168", 422),
        ("hours=5-3", 422),
        ("hours=abc", 422),
        ("discovery=both", 422),
        ("step=year", 422),
    ],
)
def test_questions_that_make_no_sense_are_told_why(client: httpx.Client, query: str, status: int) -> None:
    answer = client.get(f"/api/explore/counts?{query}")
    assert answer.status_code == status, answer.text
    assert len(answer.json()["detail"]) > 15
    assert client.get("/api/explore/counts").json()["total"] > 1000


ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["theft", "theft,burglary", "theft.shoplifting", "old_town", "2024-02-30", "2024-05-01", "9999-12-31", "0-167",
         "167-0", "-92.95,40.87;-92.9,40.87;-92.93,40.9", "0,0;0,0;0,0", "180,85;-180,85;0,-85", "-92.9,40.9,500",
         "nan,nan,nan", "1e308,1e308,1e308", ";;;", ",,,", "%00", "reported", "week", "-1", "100001", "\ud7ff" * 9]
    ),
)  # fmt: skip
PARAMETERS = ["offence", "from", "until", "area", "polygon", "near", "hours", "discovery", "step", "page", "size",
              "bbox", "bbox-crs", "datetime", "crs", "limit", "offset", "q"]  # fmt: skip
PATHS = ["/api/explore/counts", "/api/explore/incidents", "/api/explore/tiles/12/990/1537",
         "/api/explore/search", "/api/explore/download.geojson",
         "/ogc/collections/incidents/items", "/ogc/collections/cells/items"]  # fmt: skip


@pytest.mark.parametrize("who", ["client", "public"])
def test_odd_questions_break_nothing(who: str, request: pytest.FixtureRequest) -> None:
    asked: httpx.Client = request.getfixturevalue(who)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(path=st.sampled_from(PATHS), query=st.dictionaries(st.sampled_from(PARAMETERS), ODD, max_size=4))
    def ask_oddly(path: str, query: dict[str, str]) -> None:
        answer = asked.get(path, params=query)
        assert answer.status_code in {200, 404, 422}, f"{path} {query}: {answer.text[:300]}"
        if answer.status_code != 200:
            assert answer.json()["detail"]

    ask_oddly()


def test_ten_megabytes_of_question_end_at_the_door(client: httpx.Client) -> None:
    port = client.base_url.port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        answer = b""
        try:
            line.sendall(
                b"GET /api/explore/counts?polygon=" + b"1" * 10_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            )
            answer = line.recv(200)
        except ConnectionError:
            pass  # the server had hung up
    assert not answer or answer.split()[1].startswith(b"4")
    assert client.get("/health").status_code == 200


def test_search_finds_neighbourhoods_and_streets(client: httpx.Client) -> None:
    facts = client.get("/api/explore/facts").json()
    name = facts["areas"][3]["name"]
    found = client.get("/api/explore/search", params={"q": name[:6].upper()}).json()["places"]
    assert found[0]["name"] == name
    assert found[0]["area"] == facts["areas"][3]["slug"]
    assert client.get("/api/explore/search", params={"q": "no such place at all"}).json()["places"] == []
    assert client.get("/api/explore/search", params={"q": "x"}).status_code == 422


def test_the_room_reaches_no_file(small_city_run: Settings, tmp_path: Path) -> None:
    from crimepatterns.serving.explore.record import open_record
    from crimepatterns.store.areas import read_study_area

    room = open_record(
        small_city_run, read_study_area(Layout(small_city_run.root, small_city_run.city).study_area)
    ).room
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for sql in (
        f"FROM read_csv('{secret}')",
        f"FROM '{secret}'",
        f"COPY exact TO '{tmp_path / 'stolen.csv'}'",
        f"ATTACH '{tmp_path / 'other.db'}'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ):
        with pytest.raises(duckdb.Error):
            room.table(sql)
    assert list(tmp_path.iterdir()) == [secret]


def test_streets_count_every_incident_at_its_nearest_stretch(ask: Ask, truth: pd.DataFrame, layout: Layout) -> None:
    crs = gpd.read_parquet(layout.study_area).crs
    lines = gpd.GeoDataFrame.from_features(ask("streets")["features"], crs="EPSG:4326").to_crs(crs)
    told = ask("streets/counts", offence="burglary", from_="2025-01-01")
    own = truth.loc[(truth["category"] == "burglary") & (truth["day"] >= "2025-01-01")]
    assert sum(told["counts"]) + told["off"] == len(own)
    points = shapely.points(own["x"].to_numpy(), own["y"].to_numpy())
    _, nearest = shapely.STRtree(lines.geometry.to_numpy()).query_nearest(points, all_matches=False)
    mine = np.bincount(nearest, minlength=len(lines))
    theirs = np.zeros(len(lines), dtype=int)
    theirs[told["index"]] = told["counts"]
    # A corner belongs to several stretches: which of them is a matter of rounding.
    assert np.abs(mine - theirs).sum() / 2 <= 0.08 * len(own)
    again = ask("streets/counts", offence="burglary", from_="2025-01-01", area="old_town")
    assert sum(again["counts"]) + again["off"] == ask(offence="burglary", from_="2025-01-01", area="old_town")["total"]


def test_streets_are_finer_than_the_public_may_see(public: httpx.Client) -> None:
    for path in ("streets", "streets/counts"):
        assert public.get(f"/api/explore/{path}").status_code in (401, 403)
    assert public.get("/api/explore/facts").json()["streets"] is False
