"""Downloads and OGC API Features: other programs read what was counted, and no form tells more than another."""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest

from app_server import served
from crimepatterns.config import Settings
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout
from model_city import copied

ASKED = "offence=robbery&from=2024-06-01&until=2025-03-01"


@pytest.fixture(scope="module")
def counted(client: httpx.Client) -> int:
    total = int(client.get(f"/api/explore/counts?{ASKED}").json()["total"])
    assert total > 50
    return total


@pytest.fixture(scope="module")
def public(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    city = copied(small_city_run, tmp_path_factory.mktemp("public-files"))
    security = city.security.model_copy(update={"anonymous": "public", "requests_per_second": 1e6, "burst": 10**6})
    with served(create_app(city.model_copy(update={"security": security}))) as client:
        yield client


def read(answer: httpx.Response, kind: str) -> pd.DataFrame:
    assert answer.status_code == 200, answer.text
    assert f".{kind}" in answer.headers["content-disposition"]
    if kind == "csv":
        return pd.read_csv(io.StringIO(answer.text), skiprows=3)
    if kind == "parquet":
        return gpd.read_parquet(io.BytesIO(answer.content))
    return gpd.read_file(stored(answer, kind), engine="pyogrio")


def stored(answer: httpx.Response, kind: str) -> Path:
    """Put a file on disk under its own ending, as a browser does."""
    path = Path(tempfile.mkdtemp()) / f"taken.{kind}"
    path.write_bytes(answer.content)
    return path


@pytest.mark.parametrize("kind", ["csv", "geojson", "gpkg", "parquet"])
def test_a_file_holds_what_was_counted_and_its_question(client: httpx.Client, counted: int, kind: str) -> None:
    answer = client.get(f"/api/explore/download.{kind}?{ASKED}")
    table = read(answer, kind)
    assert len(table) == counted
    assert set(table["category"]) == {"robbery"}
    assert table["occurred_from"].astype(str).min() >= "2024-06-01"
    if kind == "csv":
        assert answer.text.startswith("# ")
        assert '"offence":["robbery"]' in answer.text.splitlines()[1]
        assert table["longitude"].between(-180, 180).all()
    else:
        assert table.crs is not None
        assert table.crs.to_epsg() == 4326
    if kind == "geojson":
        told = answer.json()["question"]
    elif kind == "gpkg":
        told = json.loads(pyogrio.read_info(stored(answer, kind))["layer_metadata"]["QUESTION"])
    elif kind == "parquet":
        told = json.loads(pq.read_metadata(io.BytesIO(answer.content)).metadata[b"question"])
    if kind != "csv":
        assert told["filters"]["from"] == "2024-06-01"
        assert told["made_at"].startswith("20")


def test_a_spreadsheet_runs_nothing(small_city_run: Settings, tmp_path: Any) -> None:
    city = copied(small_city_run, tmp_path)
    part = max(Layout(city.root, city.city).incidents.rglob("*.parquet"))
    table = pq.read_table(part)
    ids = table["id"].to_pylist()
    ids[0] = '=HYPERLINK("http://example.org")'
    part.unlink()  # files of versions are shared by hard links
    pq.write_table(table.set_column(table.column_names.index("id"), "id", [ids]), part)
    with served(create_app(city)) as client:
        text = client.get("/api/explore/download.csv").text
        assert "'=HYPERLINK" in text
        assert '\n"=HYPERLINK' not in text


GDAL = """
import json, sys
import pyogrio
address = f"OAPIF:{sys.argv[1]}/ogc"
assert "OAPIF" in pyogrio.list_drivers()
names = sorted(str(name) for name, _ in pyogrio.list_layers(address))
hoods = pyogrio.read_dataframe(address, layer="neighbourhoods")
some = pyogrio.read_dataframe(address, layer="incidents", max_features=1500)
west, south, east, north = hoods.total_bounds
box = (west, south, (west + east) / 2, (south + north) / 2)
part = pyogrio.read_dataframe(address, layer="incidents", bbox=box, max_features=300)
inside = part.geometry.x.le(box[2] + 1e-6).all() and part.geometry.y.le(box[3] + 1e-6).all()
print(json.dumps({"names": names, "hoods": sorted(hoods["name"]), "some": len(some), "part": len(part),
                  "inside": bool(inside), "crs": some.crs.to_string(), "columns": sorted(some.columns)}))
"""


def test_gdal_reads_our_features(client: httpx.Client) -> None:
    """What QGIS does with the one address, by the same library; apart, for it blocks this process while it waits."""
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    command = [sys.executable, "-c", GDAL, str(client.base_url).rstrip("/")]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["names"] == ["cells", "incidents", "neighbourhoods"]
    areas = client.get("/api/areas").json()["neighbourhoods"]["features"]
    assert told["hoods"] == sorted(one["properties"]["name"] for one in areas)
    assert told["some"] == 1500  # several pages
    assert told["part"] > 50
    assert told["inside"]
    assert {"category", "occurred_from", "neighbourhood"} <= set(told["columns"])


def test_pages_of_the_standard(client: httpx.Client, counted: int) -> None:
    landing = client.get("/ogc").json()
    for link in landing["links"]:
        assert client.get(link["href"]).status_code == 200, link
    assert any(uri.endswith("conf/core") for uri in client.get("/ogc/conformance").json()["conformsTo"])
    address: str | None = f"/ogc/collections/incidents/items?{ASKED}&limit=40"
    ids: list[str] = []
    while address:
        answer = client.get(address)
        assert answer.headers["content-type"] == "application/geo+json"
        page = answer.json()
        assert page["numberMatched"] == counted
        assert page["numberReturned"] == len(page["features"])
        ids += [one["id"] for one in page["features"]]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert len(ids) == len(set(ids)) == counted
    one = client.get(f"/ogc/collections/incidents/items/{ids[0]}").json()
    assert one["id"] == ids[0]
    assert client.get("/ogc/collections/neighbourhoods/items/0").json()["properties"]["name"]


def test_reference_systems_boxes_and_times(client: httpx.Client) -> None:
    own = client.get("/ogc/collections/incidents").json()["storageCrs"]
    plain = client.get("/ogc/collections/incidents/items?limit=5").json()["features"]
    answer = client.get("/ogc/collections/incidents/items", params={"limit": 5, "crs": own})
    assert answer.headers["content-crs"] == f"<{own}>"
    code = own.rsplit("/", 1)[1]
    moved = gpd.GeoDataFrame.from_features(plain, crs=4326).to_crs(f"EPSG:{code}").geometry
    for feature, point in zip(answer.json()["features"], moved, strict=True):
        x, y = feature["geometry"]["coordinates"]
        assert abs(x - point.x) < 0.2
        assert abs(y - point.y) < 0.2
    x, y = answer.json()["features"][0]["geometry"]["coordinates"]
    box = {"bbox": f"{x - 1},{y - 1},{x + 1},{y + 1}", "bbox-crs": own, "limit": 100}
    assert plain[0]["id"] in [
        one["id"] for one in client.get("/ogc/collections/incidents/items", params=box).json()["features"]
    ]
    day = client.get("/ogc/collections/incidents/items?datetime=2024-07-01/2024-07-07&limit=1").json()["numberMatched"]
    assert abs(day - client.get("/api/explore/counts?from=2024-07-01&until=2024-07-08").json()["total"]) <= 25
    open_end = client.get("/ogc/collections/incidents/items?datetime=2025-01-01/..&limit=1").json()["numberMatched"]
    assert open_end >= client.get("/api/explore/counts?from=2025-01-01").json()["total"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ogc/collections/persons", 404),
        ("/ogc/collections/incidents/items?bbox=1,2,3", 422),
        ("/ogc/collections/incidents/items?bbox=a,b,c,d", 422),
        ("/ogc/collections/incidents/items?bbox=1,2,3,1e999", 422),
        ("/ogc/collections/incidents/items?datetime=yesterday", 422),
        ("/ogc/collections/incidents/items?datetime=9999-12-31", 422),
        ("/ogc/collections/incidents/items?crs=EPSG:4326", 422),
        ("/ogc/collections/incidents/items?limit=0", 422),
        ("/ogc/collections/incidents/items/..%2F..%2Fetc%2Fpasswd", 404),
        ("/ogc/collections/cells/items/99999999", 404),
        ("/api/explore/download.exe", 422),
    ],
)
def test_wrong_requests_are_told_why(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_every_public_file_tells_the_same_steps(public: httpx.Client) -> None:
    asked = "offence=theft&from=2024-06-03&until=2024-12-02"
    total = public.get(f"/api/explore/counts?{asked}").json()["total"]
    for kind in ("csv", "geojson", "gpkg", "parquet"):
        table = read(public.get(f"/api/explore/download.{kind}?{asked}"), kind)
        assert table["count"].sum() == total
        assert (table["count"] % 5 == 0).all()
        assert not {"id", "occurred_from", "offence"} & set(table.columns)
    items = public.get(f"/ogc/collections/incidents/items?{asked}&limit=10000").json()["features"]
    assert sum(one["properties"]["count"] for one in items) == total
    assert public.get("/ogc/collections/incidents/items/LF-2024-0000001").status_code == 404
    assert all(one["properties"]["category"] != "prostitution" for one in items)
