"""Records of the embedded synthetic city, as a portal would publish them."""

from typing import Any

from crimepatterns.sources.synthetic import SyntheticCity

__all__ = ["SODA_KINDS", "city_records"]

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
