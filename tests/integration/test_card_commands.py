"""Pattern cards by the commands of an analyst: from a file of records to printed bulletins, over two analyses."""

import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import pytest
import yaml
from matplotlib.image import imread
from typer.testing import CliRunner

from app_server import served
from crimepatterns.cli import app
from crimepatterns.config import load_settings
from crimepatterns.errors import ArtefactError, CrimePatternsError, DomainError, MissingInputError, PatternError
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.serving.web import create_app
from crimepatterns.store.card_decisions import erase_members, read_decisions
from crimepatterns.store.layout import Layout
from planted_series import planted_town

EARLIER, LATER = "2024-12-20", "2025-01-01"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small city with behaviour columns, ingested and cleaned."""
    root = tmp_path_factory.mktemp("cards")
    incidents = planted_town(series=6, background=1_600, seed=4).incidents
    table = incidents.to_geodataframe().to_crs("EPSG:4326")
    table["longitude"], table["latitude"] = table.geometry.x, table.geometry.y
    columns = ["id", "occurred_from", "category", "longitude", "latitude", "method", "premise", "property"]
    table["occurred_from"] = table["occurred_from"].dt.strftime("%Y-%m-%d %H:%M")
    table[columns].to_csv(root / "records.csv", index=False)
    # In degrees, as the records are: their places move by less than a metre.
    incidents.area.neighbourhoods.to_crs("EPSG:4326").to_file(root / "quarters.geojson")
    path = root / "town.yaml"
    settings = {
        "city": "plantingen",
        "title": "Plantingen",
        "timezone": "America/Chicago",
        "crs": incidents.area.crs,
        "root": str(root),
        "workers": 1,
        "source": {"paths": [str(root / "records.csv")]},
        "columns": {
            "id": "id", "occurred_from": "occurred_from", "category": "category", "longitude": "longitude",
            "latitude": "latitude", "extra": ["method", "premise", "property"],
        },
        "study_area": {"boundary": str(root / "quarters.geojson"), "neighbourhood_name": "name", "buffer_m": 5},
        "patterns": {
            "cards": {"method": "method", "premise": "premise", "property": "property", "replicates": 59},
            "export": ["geojson", "gpkg"],
        },
    }  # fmt: skip
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    for stage in ("ingest", "clean"):
        run(stage, "--config", str(path))
    return path


def _look(town: Path, day: str) -> str:
    return run("patterns", "--method", "cards", "--as-of", day, "--config", str(town))


def _listed(town: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("cards", "list", "--json", *options, "--config", str(town)))
    return found


@pytest.fixture
def desk(town: Path) -> Path:
    """The city as analysed on the earlier day, with nothing decided."""
    layout = Layout(load_settings(town).root, "plantingen")
    layout.card_decisions.unlink(missing_ok=True)
    if not (layout.patterns / "all" / "cards.json").exists() or _listed(town)["as_of"][:10] != EARLIER:
        _look(town, EARLIER)
    return town


def test_nothing_looked_for_yet_is_said(tmp_path: Path, town: Path) -> None:
    with pytest.raises(MissingInputError, match="clean"):
        run("cards", "list", "--config", str(town), "--set", f"root={tmp_path}")
    layout = Layout(load_settings(town).root, "plantingen")
    if not layout.patterns.exists():
        with pytest.raises(MissingInputError, match="patterns --method cards"):
            run("cards", "list", "--config", str(town))


def test_cards_are_kept_as_data_for_other_programs(desk: Path) -> None:
    folder = Layout(load_settings(desk).root, "plantingen").patterns / "all"
    document = json.loads((folder / "cards.json").read_text(encoding="utf-8"))
    assert len(document["cards"]) >= 3
    assert {"run_date", "as_of", "parameters", "window", "skipped"} <= set(document)
    assert document["parameters"]["columns"] == {"method": "method", "premise": "premise", "property": "property"}
    members = json.loads((folder / "cards_members.geojson").read_text(encoding="utf-8"))
    assert members["crimepatterns"]["parameters"]["replicates"] == 59
    counted = sum(len(card["members"]) for card in document["cards"])
    assert len(members["features"]) == len(gpd.read_file(folder / "cards_members.gpkg")) == counted
    assert {one["properties"]["card"] for one in members["features"]} == {one["card"] for one in document["cards"]}


def test_the_list_and_the_card_say_the_same(desk: Path) -> None:
    listed = _listed(desk)
    first = listed["cards"][0]
    assert first["card"] in run("cards", "list", "--config", str(desk))
    shown = run("cards", "show", first["card"][:6].lower(), "--config", str(desk))
    assert first["title"] in shown
    assert all(member in shown for member in first["member_ids"])
    assert "not who is behind them" in shown
    assert "unknown  No known relationship" in shown
    plain = json.loads(run("cards", "show", first["card"], "--json", "--config", str(desk)))
    assert plain["events"] == len(plain["members"]) == first["events"]
    assert set(listed["skipped"]) == {"hot prey"} or not listed["skipped"]
    only = _listed(desk, "--type", "series")["cards"]
    assert {card["iaca_type"] for card in only} == {"series"}


def test_decisions_survive_the_next_analysis(desk: Path) -> None:
    kept, other, third = (card["card"] for card in _listed(desk)["cards"][:3])
    run("cards", "rename", kept, "--title", "Way 9 in the south", "--by", "Ann", "--config", str(desk))
    run("cards", "accept", kept, "--by", "Ann", "--reason", "same tool marks", "--config", str(desk))
    said = run("cards", "dismiss", other, "--by", "Ben", "--reason", "one report twice", "--config", str(desk))
    assert "dismissed" in said
    before = _listed(desk, "--dismissed")
    assert {card["status"] for card in before["cards"]} == {"accepted", "dismissed", "candidate"}
    _look(desk, LATER)
    after = {card["title"]: card for card in _listed(desk)["cards"]}
    assert after["Way 9 in the south"]["status"] == "accepted"
    assert "same tool marks" in " ".join(after["Way 9 in the south"]["notes"])
    later = _listed(desk, "--dismissed")
    was = next(card for card in before["cards"] if card["card"] == other)
    again = [card for card in later["cards"] if set(card["member_ids"]) >= set(was["member_ids"])]
    # What was dismissed is shown again only where a new event has joined it.
    assert all((card["status"] == "dismissed") == (card["events"] == was["events"]) for card in again)
    # An earlier id still leads to the card.
    assert json.loads(run("cards", "show", kept, "--json", "--config", str(desk)))["title"] == "Way 9 in the south"
    _look(desk, EARLIER)
    assert third in {card["card"] for card in _listed(desk)["cards"]}


def test_merged_cards_stay_merged(desk: Path) -> None:
    one, two = (card for card in _listed(desk)["cards"][:2])
    told = run("cards", "merge", one["card"], two["card"], "--title", "Both", "--by", "Ann", "--config", str(desk))
    assert "Both" in told
    whole = next(card for card in _listed(desk)["cards"] if card["title"] == "Both")
    assert set(whole["member_ids"]) == {*one["member_ids"], *two["member_ids"]}
    assert whole["q_value"] == max(one["q_value"], two["q_value"])
    with pytest.raises(PatternError, match="two or more different cards"):
        run("cards", "merge", whole["card"], whole["card"], "--config", str(desk))


def test_bulletins_are_printed(desk: Path, tmp_path: Path) -> None:
    with pytest.raises(PatternError, match="No card is accepted"):
        run("cards", "bulletin", "--config", str(desk))
    card = _listed(desk)["cards"][0]
    run("cards", "accept", card["card"], "--by", "Ann <b>", "--config", str(desk))
    files = json.loads(run("cards", "bulletin", "--to", str(tmp_path), "--json", "--config", str(desk)))["files"]
    assert [Path(path).name for path in files] == [f"{card['card']}.html", f"{card['card']}.pdf"]
    page = Path(files[0]).read_text(encoding="utf-8")
    assert card["title"] in page
    assert "Ann &lt;b&gt;" in page
    assert page.count("<svg") == 2
    assert Path(files[1]).read_bytes().startswith(b"%PDF-")


def test_the_page_decides_as_the_commands_do(desk: Path) -> None:
    """A form of the page, sent as a browser sends it: the decision is kept, named, and the commands know it."""
    one, two, three = (card["card"] for card in _listed(desk)["cards"][:3])
    settings = load_settings(desk)
    with served(create_app(settings)) as client:
        page = client.get("/patterns").text
        assert all(f'id="card-{card}"' in page for card in (one, two, three))
        token = re.search(r'name="token" value="(\w+)"', page).group(1)  # type: ignore[union-attr]

        def send(headers: dict[str, str] | None = None, **form: Any) -> httpx.Response:
            own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
            return client.post("/patterns/decisions", data={"token": token, **form}, headers=headers or own)

        # From another site, without the token, with a wrong one, and with nonsense: nothing is decided.
        evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        assert send(evil, decision="accept", card=one).status_code == 403
        assert send(decision="accept", card=one, token="").status_code == 403
        assert send(decision="accept", card=one, token="0" * 64).status_code == 403
        wrong = [("hide", one), ("accept", "P-nowhere"), ("rename", one), ("merge", one)]
        for form in ({"decision": kind, "card": card, "title": " "} for kind, card in wrong):
            assert send(**form).status_code == 422, form
        assert read_decisions(Layout(settings.root, "plantingen").card_decisions) == ()

        done = send(decision="accept", card=one, by="A. Analyst", reason="same <tool>")
        assert (done.status_code, done.headers["location"]) == (303, f"/patterns?decided={one}#cards")
        assert send(decision="rename", card=two, title="Pry bars, <West>").status_code == 303
        assert send(decision="dismiss", card=three, reason="one report twice").status_code == 303
        page = client.get(f"/patterns?decided={one}").text
        assert f"Your decision about {one} is kept." in page
        assert "Pry bars, &lt;West&gt;" in page
        assert "same &lt;tool&gt;" in page
        assert f'id="card-{three}"' not in page
        assert "1 dismissed" in page
        kept = {card["card"]: card for card in _listed(desk, "--dismissed")["cards"]}
        assert [kept[card]["status"] for card in (one, two, three)] == ["accepted", "candidate", "dismissed"]
        assert kept[two]["title"] == "Pry bars, <West>"
        last = read_decisions(Layout(settings.root, "plantingen").card_decisions)
        assert [decision.by for decision in last] == ["A. Analyst (this machine)", "this machine", "this machine"]
        # This morning shows an accepted card first, with the day on which its window ends.
        assert "accepted)" in client.get("/").text.split('<li class="card">')[1]
        assert send(decision="accept", card=three).status_code == 303
        assert send(decision="merge", card=[one, three], title="Both of them").status_code == 303
        assert "Both of them" in {card["title"] for card in _listed(desk)["cards"]}


def test_the_page_prints_bulletins_within_their_policy(desk: Path) -> None:
    card = _listed(desk)["cards"][0]["card"]
    with served(create_app(load_settings(desk))) as client:
        got = client.get(f"/patterns/cards/{card}")
        assert got.status_code == 200
        assert card in got.text
        assert " style=" not in got.text
        assert "script-src" not in got.headers["content-security-policy"]
        paper = client.get(f"/patterns/cards/{card}/bulletin.pdf")
        assert paper.content.startswith(b"%PDF")
        assert card in paper.headers["content-disposition"]
        for wrong in ("P-nowhere", "..%2F..%2Fcards.json", "x" * 300):
            assert client.get(f"/patterns/cards/{wrong}").status_code == 404


def test_mistakes_are_told_clearly(desk: Path) -> None:
    config = ("--config", str(desk))
    with pytest.raises(PatternError, match=r"No card 'P-nowhere'; there are P-"):
        run("cards", "show", "P-nowhere", *config)
    with pytest.raises(PatternError, match=r"series, spree.*got loop"):
        run("cards", "list", "--type", "loop", *config)
    card = _listed(desk)["cards"][0]["card"]
    with pytest.raises(PatternError, match="must not be empty"):
        run("cards", "rename", card, "--title", " ", *config)
    with pytest.raises(PatternError, match="no column 'weapon' for method"):
        run("patterns", "--method", "cards", *config, "--set", "patterns.cards.method=weapon")
    with pytest.raises(CrimePatternsError, match="replicates"):
        run("patterns", "--method", "cards", *config, "--set", "patterns.cards.replicates=9")


def test_other_results_stay_beside_the_cards(desk: Path) -> None:
    folder = Layout(load_settings(desk).root, "plantingen").patterns
    run("patterns", "--method", "concentration", "--config", str(desk))
    assert (folder / "all" / "cards.json").exists()
    assert (folder / "theft" / "concentration.parquet").exists()
    run_stage(load_settings(desk, {"patterns": {"methods": ["concentration"]}}), "patterns")
    assert not (folder / "all" / "cards.json").exists()


def test_expunged_records_leave_the_decisions(tmp_path: Path, desk: Path) -> None:
    card = _listed(desk)["cards"][0]
    run("cards", "accept", card["card"], "--by", "Ann", "--config", str(desk))
    layout = Layout(load_settings(desk).root, "plantingen")
    copy = tmp_path / "cards.jsonl"
    copy.write_bytes(layout.card_decisions.read_bytes())
    assert erase_members(copy, card["member_ids"][:1]) == 1
    assert card["member_ids"][0] not in read_decisions(copy)[0].members
    assert erase_members(copy, card["member_ids"][:-1]) == 1
    assert read_decisions(copy) == ()


def test_damaged_results_are_not_read(desk: Path) -> None:
    path = Layout(load_settings(desk).root, "plantingen").patterns / "all" / "cards.json"
    good = path.read_text(encoding="utf-8")
    document = json.loads(good)
    document["cards"][0]["members"][0] = "another"
    try:
        for text in (json.dumps(document), json.dumps({**document, "format": 99}), "{"):
            path.write_text(text, encoding="utf-8")
            with pytest.raises((ArtefactError, DomainError)):
                run("cards", "list", "--config", str(desk))
    finally:
        path.write_text(good, encoding="utf-8")


def test_the_figure_shows_the_cards(desk: Path) -> None:
    from crimepatterns.city import City
    from crimepatterns.pattern_methods.card_file import CardFile
    from crimepatterns.visuals.static import card_sheet

    found = CardFile(City(load_settings(desk)))
    figure = card_sheet(found.decided.cards, found.city.area, facts=found.stored.facts)
    target = load_settings(desk).root / "cards.png"
    figure.savefig(target, dpi=80)
    assert imread(target)[..., :3].std() > 0.02
    with pytest.raises(PatternError, match="chance"):
        card_sheet((), found.city.area, facts={**found.stored.facts, "sentence": "Nothing beyond chance."})
