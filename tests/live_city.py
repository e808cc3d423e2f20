"""A city whose records come from a portal on this machine, and the records that it publishes."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.store.layout import Layout
from servers import FaultServer
from servers.records import city_records
from servers.soda import SodaDataset


def sound(record: dict[str, Any]) -> bool:
    """Tell the records without planted defects: each of them becomes an incident."""
    try:
        moments = [datetime.fromisoformat(record[name]) for name in ("occurred_from", "reported")]
    except (TypeError, ValueError):
        return False
    there = record["place"] is not None and all(abs(axis) > 1 for axis in record["place"]["coordinates"])
    return there and bool(record["offense"]) and all(moment.year in {2024, 2025} for moment in moments)


RECORDS = [record for record in city_records() if sound(record)]
COLUMNS = {
    "occurred_from": "occurred_from",
    "known_at": "reported",
    "category": "offense",
    "longitude": "place_longitude",
    "latitude": "place_latitude",
    "extra": ["premise"],
}


@dataclass
class LiveCity:
    """A city whose records come from a portal on this machine."""

    server: FaultServer
    dataset: SodaDataset
    folder: Path
    file: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.file, {"root": str(self.folder)})

    def run(self, *stages: str) -> dict[str, Any]:
        outcome = [run_stage(self.settings, stage) for stage in stages or ("ingest", "clean")][-1]
        return dict(outcome.summary)

    @property
    def incidents(self) -> dict[str, str]:
        table = City(self.settings).incidents.table
        assert table["id"].is_unique
        return dict(zip(table["id"], table["category"].astype(str), strict=True))

    @property
    def published(self) -> dict[str, str]:
        return {row["case_number"]: row["offense"].lower() for row in self.dataset.records}

    @property
    def accounted(self) -> bool:
        """Whether every raw row is an incident or has a reason for being none."""
        rejected = pd.read_parquet(Layout(self.settings.root, "live").rejected)
        summary = self.run("clean")
        return bool(summary["rows_in"] == summary["kept"] + len(rejected) and rejected["reason"].notna().all())


def known(records: list[dict[str, Any]]) -> dict[str, str]:
    return {record["case_number"]: record["offense"].lower() for record in records}
