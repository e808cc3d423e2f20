"""Saved views: kept by name, opened by their address, renamed and deleted; nothing odd gets in."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from crimepatterns.config import Settings
from crimepatterns.errors import ArtefactError
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role
from crimepatterns.store.saved_views import SavedViewError, change_views, new_view, read_views
from model_city import copied

ClientOf = Callable[[Settings], httpx.Client]
READY = "html[data-ready=yes] #explore[data-state=idle]"


@pytest.fixture(scope="module")
def city(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return copied(small_city_run, tmp_path_factory.mktemp("views-city"))


def test_views_are_kept_renamed_and_deleted(client_of: ClientOf, city: Settings) -> None:
    client = client_of(city)
    token = {"x-form-token": client.get("/api/views").json()["token"]}
    query = "?offence=theft&from=2025-01-01"
    kept = client.post("/api/views", headers=token, json={"name": " Thefts ", "page": "explore", "query": query})
    assert [(one["name"], one["address"]) for one in kept.json()["views"]] == [("Thefts", f"/explore{query}")]
    own = kept.json()["views"][0]["id"]
    again = client.post("/api/views", headers=token, json={"name": "thefts", "page": "explore", "query": ""})
    assert again.status_code == 422
    assert "already" in again.json()["detail"]
    named = client.post(f"/api/views/{own}", headers=token, json={"name": "Thefts of the year"})
    assert named.json()["views"][0]["name"] == "Thefts of the year"
    assert client.get("/api/views").json()["views"] == named.json()["views"]
    assert client.delete("/api/views/unknown", headers=token).status_code == 404
    assert client.delete(f"/api/views/{own}", headers=token).json() == {"views": []}
    log = (city.root / city.security.audit_file).read_text()
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["view saved", "view renamed", "view deleted"]
    assert "Thefts" not in log


@pytest.mark.parametrize(
    "given",
    [
        {"name": "", "page": "explore", "query": ""},
        {"name": "x" * 81, "page": "explore", "query": ""},
        {"name": "a\nb", "page": "explore", "query": ""},
        {"name": "a", "page": "//elsewhere.example", "query": ""},
        {"name": "a", "page": "explore", "query": "q" * 20_001},
        {"name": ["a"], "page": "explore"},
        [],
    ],
)
def test_odd_views_are_refused(client_of: ClientOf, city: Settings, given: object) -> None:
    client = client_of(city)
    token = {"x-form-token": client.get("/api/views").json()["token"]}
    assert client.post("/api/views", headers=token, json=given).status_code == 422
    assert client.get("/api/views").json()["views"] == []


def test_only_pages_of_this_server_change_views(client_of: ClientOf, city: Settings) -> None:
    client = client_of(city)
    given = {"name": "a", "page": "explore", "query": ""}
    token = client.get("/api/views").json()["token"]
    assert client.post("/api/views", json=given).status_code == 403
    assert client.post("/api/views", json=given, headers={"x-form-token": "0" * 64}).status_code == 403
    foreign = {"x-form-token": token, "sec-fetch-site": "cross-site"}
    assert client.post("/api/views", json=given, headers=foreign).status_code == 403
    assert client.get("/api/views").json()["views"] == []


def test_the_public_has_no_views(
    client_of: ClientOf, small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    closed = copied(small_city_run, tmp_path_factory.mktemp("views-closed"))
    _, key = create_key(closed.root / closed.security.keys_file, name="one", role=Role.ANALYST)
    client = client_of(closed)
    assert client.get("/api/views").status_code == 401
    assert client.get("/api/views", headers={"authorization": f"Bearer {key}"}).status_code == 200


def test_a_damaged_file_is_told_and_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    many = [new_view(name=f"view {number}", page="forecast", query="", by="one") for number in range(200)]
    change_views(path, lambda views: [*views, *many])
    with pytest.raises(SavedViewError, match="the most"):
        change_views(path, lambda views: [*views, new_view(name="one more", page="forecast", query="", by="one")])
    assert len(read_views(path)) == 200
    path.write_text('{"views": [{"name": "a"}]}')
    with pytest.raises(ArtefactError, match="no view"):
        read_views(path)


@pytest.mark.chromium
def test_an_analyst_keeps_a_view_and_comes_back_to_it(opened: Callable[..., Page]) -> None:
    page = opened("/explore?offence=theft&from=2025-01-01&until=2025-04-01", ready=READY)
    saved = page.locator(".saved")
    saved.locator("summary").click()
    saved.get_by_label("Name of this view").fill("Thefts of the spring")
    saved.get_by_role("button", name="Save this view").click()
    link = saved.get_by_role("link", name="Thefts of the spring", exact=True)
    expect(link).to_be_visible()
    saved.get_by_role("button", name="Rename Thefts of the spring").click()
    saved.get_by_label("New name").fill("Thefts of winter")
    saved.get_by_role("button", name="Keep").click()
    other = opened("/forecast", ready="html[data-ready=yes]")
    other.locator(".saved summary").click()
    other.locator(".saved").get_by_role("link", name="Thefts of winter").click()
    other.wait_for_selector(READY, state="attached")
    expect(other.locator("#count")).to_contain_text("2025-01-01 to 2025-03-31")
    assert other.locator('input[value="theft"]').is_checked()
    other.locator(".saved summary").click()
    other.locator(".saved").get_by_role("button", name="Delete Thefts of winter").click()
    expect(other.locator(".saved li")).to_have_text(["None yet."])
