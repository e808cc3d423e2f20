"""Every address of the web server, on results that the whole pipeline has really made."""

import gzip
import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx
import pytest

from crimepatterns.config import Settings, load_settings
from crimepatterns.store.layout import Layout

ClientOf = Callable[[Settings], httpx.Client]


@pytest.fixture
def empty_client(client_of: ClientOf, tmp_path: Path) -> httpx.Client:
    """Client of a city for which nothing has run yet."""
    return client_of(load_settings(overrides={"root": str(tmp_path)}))


@pytest.fixture
def own_copy(small_city_run: Settings, layout: Layout, tmp_path: Path) -> Settings:
    """The small city in a folder that the test may spoil."""
    shutil.copytree(layout.processed, tmp_path / "data" / "processed" / layout.city)
    shutil.copytree(layout.results, tmp_path / "results" / layout.city)
    return small_city_run.model_copy(update={"root": tmp_path})


def answer(client: httpx.Client, address: str, status: int = 200) -> httpx.Response:
    got = client.get(address)
    assert got.status_code == status, f"{address}: {got.status_code} {got.text[:300]}"
    return got


JSON_ADDRESSES = (
    "/api/status",
    "/api/cities",
    "/api/categories",
    "/api/cleaning",
    "/api/areas",
    "/api/layers/burglary/density",
    "/api/layers/burglary/gi_star",
    "/api/layers/burglary/clusters",
    "/api/layers/all/gi_star",
    "/api/forecast/theft",
    "/api/explain/theft",
    "/api/plan",
    "/api/scoreboard?category=theft",
    "/api/charts/trend?category=burglary",
    "/api/charts/rhythm?category=burglary",
    "/api/openapi.json",
)
PAGES = ("/", "/forecast?category=theft", "/reports/cleaning", "/reports/honesty/", "/reports/plan", "/monitoring")
FILES = ("/static/styles.css", "/static/theme.js", "/static/mark.svg", "/favicon.ico", "/reports/plan.csv", "/health")


# -- every address answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [*JSON_ADDRESSES, *PAGES, *FILES])
def test_address_answers_with_its_type_and_safe_headers(client: httpx.Client, address: str) -> None:
    got = answer(client, address)
    kind = got.headers["content-type"]
    if address in JSON_ADDRESSES or address == "/health":
        assert kind == "application/json"
        assert got.json()
    elif address in PAGES:
        assert kind == "text/html; charset=utf-8"
        assert got.text.lstrip().lower().startswith("<!doctype html>")
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["referrer-policy"] == "no-referrer"
    assert "server" not in got.headers  # neither its name nor its version


ASKED_ELSEWHERE = ("/api/explore", "/ogc", "/api/jobs", "/api/uploads")
"""Beginnings of addresses that have test files of their own."""


def test_every_route_of_the_description_is_asked_here(client: httpx.Client) -> None:
    paths = answer(client, "/api/openapi.json").json()["paths"]
    asked = [*JSON_ADDRESSES, "/api/grids/0", "/api/monitoring"]
    for path, methods in paths.items():
        if path.startswith(ASKED_ELSEWHERE):
            continue
        assert set(methods) == {"get"}, f"{path} is not read-only"
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"(\?.*)?$")
        assert any(pattern.match(address) for address in asked), f"no test asks for {path}"


@pytest.mark.parametrize("address", ["/api/status", "/api/forecast/theft", "/"])
def test_nothing_can_be_written(client: httpx.Client, address: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, address).status_code == 405


@pytest.mark.parametrize("address", ["/health", "/", "/api/plan", "/static/styles.css"])
def test_head_answers_like_get_without_a_body(client: httpx.Client, address: str) -> None:
    got, head = answer(client, address), client.head(address)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]


def test_health_says_what_runs(client: httpx.Client, small_city_run: Settings) -> None:
    told = answer(client, "/health").json()
    assert told["status"] == "ok"
    assert told["city"] == small_city_run.city


# -- tags and compression --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/api/areas", "/api/forecast/burglary", "/reports/cleaning", "/static/styles.css"])
def test_an_answer_is_sent_once(client: httpx.Client, address: str) -> None:
    first = answer(client, address)
    tag = first.headers["etag"]
    again = client.get(address, headers={"if-none-match": tag})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    assert client.get(address, headers={"if-none-match": f'"other", W/{tag}'}).status_code == 304
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("address", ["/api/layers/theft/gi_star", "/api/areas", "/", "/static/styles.css"])
def test_compressed_answer_is_the_same_answer(client: httpx.Client, address: str) -> None:
    with client.stream("GET", address, headers={"accept-encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    plain = client.get(address, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]
    refused = client.get(address, headers={"accept-encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in refused.headers


def test_a_new_result_is_served_without_a_restart(client_of: ClientOf, own_copy: Settings) -> None:
    table = Layout(own_copy.root, own_copy.city).plan / "plan.csv"
    client = client_of(own_copy)
    before = answer(client, "/reports/plan.csv")
    table.write_text("rank,cell_id\n1,elsewhere\n", encoding="utf-8")
    after = answer(client, "/reports/plan.csv")
    assert after.text == "rank,cell_id\n1,elsewhere\n"
    assert after.headers["etag"] != before.headers["etag"]
    table.unlink()
    assert "crimepatterns plan" in answer(client, "/reports/plan.csv", 404).json()["detail"]


# -- what is not there, and what must not be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/api/layers/arson/density", "burglary"),
        ("/api/forecast/arson", "theft"),
        ("/api/scoreboard?category=arson", "theft"),
        ("/api/charts/trend?category=Theft", "theft"),
        ("/api/charts/rhythm?category=", "theft"),
        ("/api/layers/theft/heat", "gi_star"),
        ("/api/grids/0123456789abcdef", "load the page again"),
        ("/api/forecast/all", "/api/categories"),
        ("/api/nothing", "/api/openapi.json"),
        ("/nothing", "/api/openapi.json"),
        ("/static/nothing.js", "nothing.js"),
    ],
)
def test_unknown_names_are_answered_with_help(
    client: httpx.Client, small_city_run: Settings, address: str, told: str
) -> None:
    problem = answer(client, address, 404).json()
    assert set(problem) == {"error", "detail"}
    assert told in problem["detail"]
    assert "\n" not in problem["detail"]
    assert str(small_city_run.root) not in problem["detail"]


def test_overlong_names_are_refused_in_one_sentence(client: httpx.Client) -> None:
    for path in ("scoreboard", "charts/trend", "charts/rhythm"):
        problem = answer(client, f"/api/{path}?category={'x' * 5000}", 422).json()
        assert set(problem) == {"error", "detail"}
        assert "at most 80 characters" in problem["detail"]
        assert "xxx" not in problem["detail"]


@pytest.mark.parametrize("category", ["theft", "all"])
def test_links_within_the_page_lead_somewhere(client: httpx.Client, category: str) -> None:
    text = answer(client, f"/forecast?category={category}").text
    links = re.findall(r'href="#(\w+)"', text)
    assert len(links) >= 6
    for part in links:
        assert f'id="{part}"' in text


def test_addresses_from_before_there_were_pages_still_lead_to_the_map(client: httpx.Client) -> None:
    got = client.get("/?category=theft&surface=gi_star&show=clusters,plan&at=plan:1")
    assert got.status_code == 307
    assert got.headers["location"] == "/forecast?category=theft&surface=gi_star&show=clusters,plan&at=plan:1"
    assert client.get("/?x=1").status_code == 200


def test_page_of_an_unknown_category_shows_the_first(client: httpx.Client) -> None:
    text = answer(client, "/forecast?category=%3Cscript%3Ealert(1)%3C/script%3E", 404).text
    assert "There is no category" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert 'data-map="legend"' in text
    assert len(answer(client, f"/forecast?category={'x' * 5000}", 404).text) < len(text) + 1000


@pytest.mark.parametrize(
    "address",
    [
        "/static/../main.py",
        "/static/%2e%2e/main.py",
        "/static/..%2fmain.py",
        "/static/..%5cmain.py",
        "/static/%252e%252e/main.py",
        "/static//etc/passwd",
        "/static/bundle/.digest",
        "/static/bundle/../../main.py",
        "/static/",
        "/static",
        "/api/layers/..%2f..%2f..%2fdata/density",
        "/api/layers/theft/..%2fgi_star",
        "/api/layers/theft/gi_star.parquet",
        "/api/forecast/..%2fforecasts%2ftheft",
        "/api/forecast/theft%00",
        "/api/grids/..%2f..%2fpyproject.toml",
        "/reports/..%2fpyproject.toml",
        "/reports/sheet.html",
        "/data/processed/default/rejected.parquet",
    ],
)
def test_no_way_leads_to_other_files(client: httpx.Client, address: str) -> None:
    # httpx would resolve the dots itself: the raw path is sent as it stands.
    request = client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=address.encode())
    got = client.send(request)
    assert got.status_code == 404, f"{address}: {got.status_code} {got.text[:200]}"
    assert set(got.json()) == {"error", "detail"}


def test_a_foreign_host_name_is_refused(client: httpx.Client) -> None:
    got = client.get("/api/status", headers={"host": "elsewhere.example"})
    assert got.status_code == 400
    assert "Lindenfeld" not in got.text
    assert client.get("/health", headers={"host": "localhost:8000"}).status_code == 200


def test_a_damaged_file_is_a_sentence(client_of: ClientOf, own_copy: Settings) -> None:
    damaged = Layout(own_copy.root, own_copy.city).forecasts / "theft.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    client = client_of(own_copy)
    problem = answer(client, "/api/forecast/theft", 503).json()
    assert "--force" in problem["detail"]
    assert str(own_copy.root) not in problem["detail"]
    assert "cannot be shown" in answer(client, "/forecast?category=theft").text


# -- before the first run ----------------------------------------------------------------------------------------------


def test_an_empty_root_has_a_page_that_says_what_to_run(empty_client: httpx.Client) -> None:
    text = answer(empty_client, "/").text
    assert "<code>crimepatterns run</code>" in text
    for stage in ("ingest", "clean", "patterns", "train", "evaluate", "forecast", "plan", "visualize"):
        assert f"<code>crimepatterns {stage}</code>" in text
    assert 'id="map-canvas"' not in text
    for part in re.findall(r'href="#(\w+)"', text):
        assert f'id="{part}"' in text, f"a link leads to #{part}, which is not there"
    assert answer(empty_client, "/health").json()["status"] == "ok"
    facts = answer(empty_client, "/api/status").json()
    assert facts["categories"] == []
    assert not any(stage["done"] for stage in facts["stages"])


@pytest.mark.parametrize(
    "address",
    [
        "/api/areas",
        "/api/plan",
        "/api/scoreboard",
        "/api/charts/trend",
        "/api/charts/rhythm",
        "/reports/cleaning",
        "/reports/honesty/",
        "/reports/plan",
        "/reports/plan.csv",
    ],
)
def test_an_empty_root_names_the_next_command(empty_client: httpx.Client, address: str, tmp_path: Path) -> None:
    detail = answer(empty_client, address, 404).json()["detail"]
    assert "run" in detail
    assert str(tmp_path) not in detail


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/reports/cleaning", "/reports/honesty/", "/reports/plan"])
def test_reports_may_use_only_the_styles_written_in_them(client: httpx.Client, address: str) -> None:
    got = answer(client, address)
    policy = got.headers["content-security-policy"]
    assert "script-src" not in policy  # default-src 'none' forbids them
    assert "<script" not in got.text
    assert not re.search(r"""\b(src|href)=["']?https?:""", got.text)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", got.text, flags=re.DOTALL)
    assert styles
    assert policy.count("sha256-") == len(styles)
    # An inline style attribute would be blocked by this policy and the report would look broken.
    assert not re.search(r"<[^>]+\sstyle=", got.text)


def test_the_cleaning_page_is_the_stored_one(client: httpx.Client, layout: Layout) -> None:
    stored = layout.cleaning_report.with_suffix(".html").read_bytes()
    assert answer(client, "/reports/cleaning").content == stored
    report = json.loads(layout.cleaning_report.read_text(encoding="utf-8"))
    assert answer(client, "/api/cleaning").json() == report
    assert f"{report['kept']:,}" in answer(client, "/").text


def test_the_page_tells_the_gravest_faults_and_the_report_brings_its_pictures(
    client: httpx.Client, layout: Layout
) -> None:
    report = json.loads((layout.quality / "honesty.json").read_text(encoding="utf-8"))
    gravest = next(one for one in report["findings"] if one["severity"] in ("serious", "warning"))
    assert html.escape(gravest["found"], quote=False)[:60] in answer(client, "/").text
    page = answer(client, "/reports/honesty/").text
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert sorted(pictures) == sorted(report["pictures"].values())
    for name in pictures:
        assert answer(client, f"/reports/honesty/{name}").content == (layout.quality / name).read_bytes()
    for stranger in ("honesty.json", "..%2Fstages%2Fclean.json"):
        answer(client, f"/reports/honesty/{stranger}", 404)


def test_the_plan_is_the_same_in_every_form(client: httpx.Client, layout: Layout) -> None:
    table = answer(client, "/reports/plan.csv")
    assert "attachment" in table.headers["content-disposition"]
    assert table.content == (layout.plan / "plan.csv").read_bytes()
    stored = duckdb.read_csv(str(layout.plan / "plan.csv")).project("rank, cell_id").fetchall()
    places = answer(client, "/api/plan").json()["places"]["features"]
    assert {(one["properties"]["rank"], one["properties"]["cell_id"]) for one in places} == set(stored)
    sheet = answer(client, "/reports/plan").text
    for one in places:
        assert one["properties"]["cell_id"] in sheet
