"""Free questions about Chicago's real records, beside pandas."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from app_server import served
from crimepatterns.config import find_resource, load_settings
from crimepatterns.domain.disclosure import DisclosureRule, release
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout

pytestmark = pytest.mark.shared

Chicago = tuple[httpx.Client, pd.DataFrame]


@pytest.fixture(scope="module")
def chicago(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chicago]:
    """A server of Chicago's records, and the same records in pandas with civil times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRIMEPATTERNS_SHARED", str(shared_data.parent))
        city = load_settings(
            find_resource("config/cities/chicago.yaml"), {"root": str(tmp_path_factory.mktemp("chicago"))}
        )
        for stage in ("ingest", "clean"):
            run_stage(city, stage)
    files = sorted(map(str, Layout(city.root, city.city).incidents.rglob("*.parquet")))
    names = ["id", "occurred_from", "category", "x", "y"]
    table = ds.dataset(files).to_table(columns=names).to_pandas()
    wall = table["occurred_from"].dt.tz_convert(city.timezone).dt.tz_localize(None)
    with served(create_app(city)) as client:
        yield client, table.assign(wall=wall, hour=wall.dt.day_of_week * 24 + wall.dt.hour)


def test_questions_agree_with_pandas(chicago: Chicago) -> None:
    client, table = chicago
    rng = np.random.default_rng(11)
    assert client.get("/api/explore/counts").json()["total"] == len(table) > 300_000
    for _ in range(12):
        start = pd.Timestamp("2016-01-01") + pd.Timedelta(days=int(rng.integers(0, 600)))
        end = start + pd.Timedelta(days=int(rng.integers(1, 120)))
        low, high = sorted(int(one) for one in rng.integers(0, 168, 2))
        category = str(rng.choice(["theft", "battery", "damage", "assault"]))
        asked = {"offence": category, "from": f"{start:%Y-%m-%d}", "until": f"{end:%Y-%m-%d}", "hours": f"{low}-{high}"}
        told = client.get("/api/explore/counts", params=asked).json()
        inside = table["wall"].between(start, end, inclusive="left") & (table["category"] == category)
        chosen = table[inside & table["hour"].between(low, high)]
        assert told["total"] == len(chosen) == sum(told["times"]["counts"]) == sum(told["cells"]["counts"])
        hours = np.bincount(table.loc[inside, "hour"], minlength=168)
        assert told["rhythm"]["counts"] == hours.tolist()
        rows = client.get("/api/explore/incidents", params={**asked, "size": 500}).json()
        assert {row[0] for row in rows["rows"]} <= set(chosen["id"])


def test_the_public_sum_is_right_on_the_whole(chicago: Chicago) -> None:
    _, table = chicago
    part = table.assign(
        week=(table["wall"].dt.normalize() - pd.Timestamp("1969-12-29")).dt.days // 7,
        cell=(table["x"] // 500).astype(int) * 10_000 + (table["y"] // 500).astype(int),
        offence=table["category"],
    )
    made = release(part, DisclosureRule())
    assert abs(made["count"].sum() - len(table)) < 0.005 * len(table)
    weekly = made.groupby("week")["count"].sum().reindex(sorted(part["week"].unique()), fill_value=0)
    truth = part.groupby("week").size()
    assert (weekly - truth).abs().median() < 0.06 * truth.median()
