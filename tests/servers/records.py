"""Records of the embedded synthetic city, as a portal would publish them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crimepatterns.sources.synthetic import SyntheticCity

__all__ = ["ARCGIS_KINDS", "SODA_KINDS", "city_records", "layer_records"]

SODA_KINDS = {
    "case_number": "text",
    "occurred_from": "calendar_date",
    "occurred_until": "calendar_date",
    "reported": "calendar_date",
    "offense": "text",
    "offense_description": "text",
    "premise": "text",
    "neighborhood": "text",
    "place": "point",
    "victim_name": "text",
    ":@computed_region_awaf_s7ux": "number",
}
"""Columns of the dataset, with the portal's words for what they hold."""


def city_records(incidents: int = 1500, *, seed: int = 20_260) -> list[dict[str, Any]]:
    """Return distinct records with one name per case; the city's own planted duplicates are left out."""
    city = SyntheticCity(incidents=incidents, years=1, seed=seed)
    rows = [row for batch in city.fetch().batches for row in batch.to_pylist()]
    return list({row["Case Number"]: _published(row) for row in rows if row["Case Number"]}.values())


def _published(row: dict[str, Any]) -> dict[str, Any]:
    record = {
        name.lower().replace(" ", "_"): _floating(value)
        if name in {"Occurred From", "Occurred Until", "Reported"}
        else value
        for name, value in row.items()
        if name not in {"Longitude", "Latitude", "Discovery"}
    }
    there = row["Longitude"] is not None and row["Latitude"] is not None
    place = {"type": "Point", "coordinates": [row["Longitude"], row["Latitude"]]} if there else None
    return {**record, "place": place, "victim_name": "Zsazsa Qx", ":@computed_region_awaf_s7ux": "7"}


def _floating(value: str | None) -> str | None:
    return None if value is None else value.replace(" ", "T") + ".000"


ARCGIS_KINDS = {
    "CCN": "String",
    "REPORT_DAT": "Date",
    "START_DATE": "Date",
    "OFFENSE": "String",
    "SHIFT": "SmallInteger",
    "WARD": "Double",
    "SUSPECT_NAME": "String",
}
"""Fields of a layer, with the server's words for what they hold (without their ``esriFieldType``)."""


def layer_records(records: Iterable[dict[str, Any]], *, timezone: str = "America/Chicago") -> list[dict[str, Any]]:
    """Turn records into rows of a layer; moments as milliseconds since 1970 in UTC."""

    def millis(value: str | None) -> int | None:
        try:
            moment = datetime.fromisoformat(value or "")
        except ValueError:  # nothing, or one of the city's planted impossible days: a date field cannot hold it
            return None
        return int(moment.replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1000)

    return [
        {
            "CCN": record["case_number"],
            "REPORT_DAT": millis(record["reported"]),
            "START_DATE": millis(record["occurred_from"]),
            "OFFENSE": record["offense"],
            "SHIFT": 1,
            "WARD": 7.0,
            "SUSPECT_NAME": "Zsazsa Qx",
            "point": None if record["place"] is None else tuple(record["place"]["coordinates"]),
        }
        for record in records
    ]
