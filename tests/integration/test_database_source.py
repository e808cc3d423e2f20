"""A records management system in PostGIS, from the settings to clean incidents: changes, withdrawals, a lost server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError
from crimepatterns.operations.pipeline import run_stage
from servers.postgres import PASSWORD, PostgresServer

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "cities" / "records_system.yaml"
TABLE = """CREATE TABLE rms.incidents AS SELECT 'HX-' || i AS incident_no,
    '2024-01-01 00:30'::timestamp + i * interval '37 minutes' AS occurred_from,
    '2024-01-01 01:30'::timestamp + i * interval '37 minutes' AS occurred_to,
    '2024-01-01 06:00-06'::timestamptz + i * interval '38 minutes' AS reported_at,
    CASE i % 3 WHEN 0 THEN 'THEFT' ELSE 'BURGLARY' END AS offence, 'street'::text AS premise,
    ST_Transform(ST_SetSRID(ST_MakePoint(-87.6 - (i % 17) * 0.004, 41.8 + (i % 13) * 0.004), 4326), 3435) AS geom,
    '2024-06-01'::timestamp + i * interval '1 minute' AS changed_at, 'Zsazsa Qx'::text AS suspect
    FROM generate_series(1, 300) AS s(i)"""


@pytest.fixture
def records(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Callable[..., object], Callable[..., Settings]]:
    """Return what runs statements in the database, and what makes the settings."""
    if not postgres.run("postgres", "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"):
        pytest.skip("PostGIS is missing (make setup-system, as root on Debian)")
    name = postgres.database("CREATE EXTENSION postgis", "CREATE SCHEMA rms", TABLE)
    monkeypatch.setenv("RECORDS_DATABASE", postgres.url(name))

    def settings(**feed: Any) -> Settings:
        return load_settings(SHIPPED, {"root": str(tmp_path), "source": {"feed": {"page_size": 64, **feed}}})

    return (lambda *statements: postgres.run(name, *statements)), settings


def test_the_shipped_example_brings_changes_and_withdrawals(
    records: tuple[Callable[..., Any], Callable[..., Settings]], tmp_path: Path
) -> None:
    run, settings = records
    city = settings(reconcile_days=0)
    assert ingest(city)["rows"] == 300
    assert clean(city)["kept"] == 300
    table = City(city).incidents.table.set_index("id")
    assert str(table.loc["HX-1", "occurred_from"]) == "2024-01-01 01:07:00-06:00"
    assert str(table.loc["HX-1", "known_at"]) == "2024-01-01 06:38:00-06:00"
    run(
        "UPDATE rms.incidents SET offence = 'ARSON', changed_at = '2024-07-01' WHERE incident_no = 'HX-7'",
        "DELETE FROM rms.incidents WHERE incident_no IN ('HX-8', 'HX-9')",
        """INSERT INTO rms.incidents SELECT 'HX-301', occurred_from, occurred_to, reported_at, offence, premise, geom,
           '2024-07-02', suspect FROM rms.incidents WHERE incident_no = 'HX-300'""",
    )
    second = ingest(city)
    assert (second["new_or_changed"], second["withdrawn"]) == (2, 2)
    report = clean(city)
    assert report["kept"] == 299
    assert report["rejected"] == {"replaced by a later version of the record": 1, "withdrawn by the publisher": 2}
    table = City(city).incidents.table.set_index("id")
    assert table.loc["HX-7", "category"] == "arson"
    assert not {"HX-8", "HX-9"} & set(table.index)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Zsazsa" not in kept
    assert PASSWORD.encode() not in kept
    assert json.dumps(PASSWORD)[1:-1].encode() not in kept


def test_the_stage_asks_again_and_what_follows_is_left_alone(
    records: tuple[Callable[..., Any], Callable[..., Settings]],
) -> None:
    run, settings = records
    city = settings()
    assert not run_stage(city, "ingest").skipped
    assert not run_stage(city, "clean").skipped
    again = run_stage(city, "ingest")
    assert not again.skipped
    assert again.summary["new_or_changed"] == 0
    assert run_stage(city, "clean").skipped
    run("UPDATE rms.incidents SET premise = 'shop', changed_at = '2024-07-01' WHERE incident_no = 'HX-7'")
    assert run_stage(city, "ingest").summary["new_or_changed"] == 1
    assert not run_stage(city, "clean").skipped


def test_mistakes_in_the_settings_are_told(records: tuple[Callable[..., Any], Callable[..., Settings]]) -> None:
    _, settings = records
    for feed, message in (
        ({"query": None, "table": "rms.incident"}, r"did you mean 'incidents'\? Found: incidents"),
        ({"update_column": "changed"}, r"did you mean 'changed_at'"),
        ({"query": None}, "needs either table or query"),
        ({"database_env": None}, "needs database_env"),
        ({"database_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        ({"database": "postgresql://u:wr0ng@h/d"}, "it holds a password"),
        ({"id_column": "premise"}, r"columns.id \(incident_no\) and source.feed.id_column \(premise\)"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            ingest(settings(**feed))
        assert "wr0ng" not in str(caught.value)
