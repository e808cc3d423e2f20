"""What the web server tells agrees with an independent reading of the stored files."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import httpx
import numpy as np
import pytest
from shapely.geometry import shape

from crimepatterns.config import Settings
from crimepatterns.store.layout import Layout


@pytest.fixture(scope="module")
def incidents(small_city_run: Settings, layout: Layout) -> Iterator[duckdb.DuckDBPyConnection]:
    """The cleaned incidents as DuckDB sees them, with their civil time; none of the product's code reads them."""
    with duckdb.connect() as connection:
        connection.execute(
            """CREATE TABLE incidents AS
            SELECT category, discovery, time_precision, timezone($zone, occurred_from) AS wall,
                occurred_until - occurred_from AS lasted
            FROM read_parquet($files, hive_partitioning = false)""",
            {"zone": small_city_run.timezone, "files": f"{layout.incidents}/**/*.parquet"},
        )
        yield connection


def told_at(client: httpx.Client, address: str) -> dict[str, Any]:
    got = client.get(address)
    assert got.status_code == 200, f"{address}: {got.status_code} {got.text[:300]}"
    content: dict[str, Any] = got.json()
    return content


@pytest.mark.parametrize("category", ["burglary", "theft", "all"])
def test_weeks_agree_with_the_files(client: httpx.Client, incidents: duckdb.DuckDBPyConnection, category: str) -> None:
    counted = dict(
        incidents.execute(
            "SELECT strftime(date_trunc('week', wall), '%Y-%m-%d'), count(*) FROM incidents "
            "WHERE category = $category OR ($category = 'all' AND discovery = 'reported') GROUP BY 1",
            {"category": category},
        ).fetchall()
    )
    trend = told_at(client, f"/api/charts/trend?category={category}")
    told = {week["start"]: week["incidents"] for week in trend["periods"]}
    assert {week: count for week, count in told.items() if count} == counted
    assert sum(told.values()) == sum(counted.values())
    first, last = incidents.execute("SELECT min(wall)::DATE, max(wall)::DATE FROM incidents").fetchone() or ()
    whole = [week["start"] for week in trend["periods"] if week["complete"]]
    assert min(whole) >= first.isoformat()
    partial = [week["start"] for week in trend["periods"] if not week["complete"]]
    assert (last.weekday() != 6) == (trend["periods"][-1]["start"] in partial)


@pytest.mark.parametrize("category", ["burglary", "theft", "all"])
def test_rhythm_agrees_with_the_files(
    client: httpx.Client, incidents: duckdb.DuckDBPyConnection, category: str
) -> None:
    counted = incidents.execute(
        """WITH last AS (SELECT max(wall)::DATE + 1 AS day FROM incidents)
        SELECT isodow(wall) - 1, hour(wall), count(*) FROM incidents, last
        WHERE (category = $category OR ($category = 'all' AND discovery = 'reported'))
          AND wall >= day - INTERVAL 364 DAY AND wall < day
          AND time_precision IN ('minute', 'hour') AND lasted <= INTERVAL 1 HOUR
        GROUP BY ALL""",
        {"category": category},
    ).fetchall()
    table = np.zeros((7, 24), dtype=int)
    for weekday, hour, count in counted:
        table[weekday, hour] = count
    rhythm = told_at(client, f"/api/charts/rhythm?category={category}")
    told = np.array([cell["incidents"] for cell in rhythm["cells"]]).reshape(7, 24)
    np.testing.assert_array_equal(told, table)
    assert rhythm["cells"][0]["weekday"] == "Monday"
    assert rhythm["known_share"] == pytest.approx(table.sum() / rhythm["incidents"], abs=1e-4)


def test_totals_agree_with_the_files(
    client: httpx.Client, incidents: duckdb.DuckDBPyConnection, layout: Layout
) -> None:
    facts = told_at(client, "/api/status")
    total, first, last = (
        incidents.execute("SELECT count(*), min(wall)::DATE, max(wall)::DATE FROM incidents").fetchone() or ()
    )
    assert facts["incidents"] == total
    assert (facts["first"], facts["last"]) == (first.isoformat(), last.isoformat())
    report = told_at(client, "/api/cleaning")
    [(rejected,)] = duckdb.read_parquet(str(layout.rejected)).count("*").fetchall()
    assert report["rows_in"] == total + rejected
    assert sum(report["rejected"].values()) == rejected
    counted = dict(incidents.execute("SELECT category, count(*) FROM incidents GROUP BY 1").fetchall())
    assert report["categories"] == counted


@pytest.mark.parametrize("category", ["burglary", "theft"])
def test_the_forecast_agrees_with_its_file(client: httpx.Client, layout: Layout, category: str) -> None:
    stored = duckdb.read_parquet(str(layout.forecasts / f"{category}.parquet"))
    rows = stored.project('cell_id, mean_0, "q0.05_0", "q0.95_0", area_km2').fetchall()
    told = told_at(client, f"/api/forecast/{category}")
    grid = told_at(client, f"/api/grids/{told['grid']}")
    cells = [feature["properties"]["cell"] for feature in grid["cells"]["features"]]
    assert cells == [row[0] for row in rows]
    mean = np.array([row[1] for row in rows])
    assert told["total"] == pytest.approx(mean.sum())
    np.testing.assert_allclose(told["expected"], mean, atol=5.1e-4)
    np.testing.assert_allclose(told["none"], np.exp(-mean), atol=5.1e-4)
    np.testing.assert_allclose(told["low"], [row[2] for row in rows], atol=0.051)
    np.testing.assert_allclose(told["high"], [row[3] for row in rows], atol=0.051)
    # Half of what is expected lies on the share of the ground that the headline names, and on no less.
    areas = np.array([row[4] for row in rows])
    order = np.argsort(-mean / areas)
    share = np.cumsum(areas[order]) / areas.sum()
    caught = np.cumsum(mean[order]) / mean.sum()
    reached = int(np.argmax(caught >= 0.5))
    assert told["half_of_expected_on_area_share"] == pytest.approx(share[reached])


@pytest.mark.parametrize("category", ["burglary", "all"])
def test_hot_cells_agree_with_the_file(client: httpx.Client, layout: Layout, category: str) -> None:
    path = layout.patterns / category / "gi_star.parquet"
    rows = duckdb.read_parquet(str(path)).project("value, q_value").fetchall()
    told = told_at(client, f"/api/layers/{category}/gi_star")
    np.testing.assert_allclose(told["z"], [row[0] for row in rows], atol=5.1e-3)
    assert told["hot"] == [i for i, (_, q) in enumerate(rows) if q <= 0.05]
    assert client.get(f"/api/grids/{told['grid']}").headers["cache-control"].startswith("private")


def test_shapes_lie_inside_the_city(client: httpx.Client) -> None:
    areas = told_at(client, "/api/areas")
    west, south, east, north = areas["bounds"]
    boundary = shape(areas["boundary"]["features"][0]["geometry"])
    assert boundary.bounds == pytest.approx((west, south, east, north), abs=2e-3)
    names = {one["properties"]["name"] for one in areas["labels"]["features"]}
    assert len(names) == len(areas["neighbourhoods"]["features"])
    for label in areas["labels"]["features"]:
        assert boundary.covers(shape(label["geometry"]))
    around = boundary.buffer(2e-3)
    for address, key in (
        ("/api/layers/theft/density", "bands"),
        ("/api/layers/theft/clusters", "places"),
        ("/api/plan", "places"),
    ):
        shapes = told_at(client, address)[key]["features"]
        assert shapes
        for one in shapes:
            assert shape(one["geometry"]).is_valid
            assert around.covers(shape(one["geometry"]))


def test_density_bands_ascend_and_hold_the_peaks(client: httpx.Client) -> None:
    density = told_at(client, "/api/layers/theft/density")
    assert density["breaks"] == sorted(set(density["breaks"]))
    bands = [(one["properties"]["low"], shape(one["geometry"])) for one in density["bands"]["features"]]
    assert [low for low, _ in bands] == density["breaks"]
    peak = density["peaks"][0]
    assert peak["value"] == pytest.approx(density["max"], abs=0.1)
    spot = shape({"type": "Point", "coordinates": peak["at"]})
    assert bands[-1][1].distance(spot) < 2e-3


def test_the_scoreboard_is_the_stored_scorecard(client: httpx.Client, layout: Layout) -> None:
    board = told_at(client, "/api/scoreboard?category=burglary")
    span = layout.evaluation / board["span"]
    summary = duckdb.read_parquet(str(span / "summary.parquet")).filter("category = 'burglary'")
    stored = {
        (model, metric): value
        for model, metric, budget, value in summary.project("model, metric, budget, value").fetchall()
        if budget in ("", board["primary"])
    }
    assert {one["model"] for one in board["models"]} == {model for model, _ in stored}
    compared = 0
    for one in board["models"]:
        for metric, score in one["scores"].items():
            if score["value"] is not None:
                assert score["value"] == pytest.approx(stored[one["model"], metric], abs=1e-6)
                compared += 1
    assert compared > 20
    champions = json.loads((span / "champions.json").read_text(encoding="utf-8"))
    assert board["champion"] in json.dumps(champions)
    assert [one["model"] for one in board["models"] if one["champion"]] == [board["champion"]]
