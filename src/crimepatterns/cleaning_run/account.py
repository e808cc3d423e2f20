"""The account of a cleaning: what went in, what became of it, and advice where nothing is left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning_run.opening import area_is_drawn
from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import SchemaError
from crimepatterns.store.atomic import write_json
from crimepatterns.store.csv_export import write_rows
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry
from crimepatterns.store.snapshots import Snapshots, share_folder

__all__ = ["cleaning_facts", "nothing_kept", "relative", "without_coordinates"]


def cleaning_facts(
    settings: Settings,
    job: CleaningJob,
    entries: Sequence[RawEntry],
    account: Mapping[str, Any],
    area: StudyArea | None,
) -> dict[str, Any]:
    """Put together the report: the sources, the rules, the study area, and what became of every row."""
    listed = ("source_name", "origin", "licence", "sha256", "rows", "fetched_at", "columns", "dropped_columns")
    facts: dict[str, Any] = {
        "city": settings.city,
        "title": settings.title,
        "timezone": settings.timezone,
        "sources": [{name: getattr(entry, name) for name in (*listed, "erased_rows")} for entry in entries],
        "columns_used": job.columns.mapped | ({"extra": list(job.columns.extra)} if job.columns.extra else {}),
        "coordinates_crs": job.rules.coordinates_crs,
        "earliest": job.rules.earliest,
        "latest": job.rules.latest,
        "assumed_delay_days": None if job.columns.known_at else job.rules.assumed_delay_days,
        "drop_duplicates": job.rules.drop_duplicates,
    }
    if area is not None:
        facts["study_area"] = {
            "area_km2": round(area.area_km2, 2),
            "crs": area.crs,
            "neighbourhoods": len(area.neighbourhoods),
            "derived": area_is_drawn(settings),
        }
    return {**facts, **account}


def nothing_kept(account: Mapping[str, Any]) -> str:
    """Say why no row can be used, and what to look at."""
    rejected = account["rejected"]
    listed = "; ".join(f"{reason}: {count:,}" for reason, count in list(rejected.items())[:4])
    hints = {
        "row does not fit the header": "check source.delimiter",
        "time cannot be read": "set cleaning.time_format",
        "outside the study area": "check cleaning.coordinates_crs, cleaning.swap_coordinates and the boundary",
        "category is not in taxonomy.mapping": "check taxonomy.mapping",
    }
    hint = next((advice for reason, advice in hints.items() if reason in rejected), "check columns")
    return f"None of {account['rows_in']:,} rows can be used ({listed}): {hint}. Earlier results are untouched."


def without_coordinates(
    settings: Settings, layout: Layout, job: CleaningJob, entries: Sequence[RawEntry]
) -> SchemaError:
    """Write what a file without coordinates still allows, and return the message that says so."""
    lacks = f"No coordinates: {job.parts[0].name} has no mapped pair of longitude and latitude or x and y"
    advice = "Maps, forecasts and plans need columns.longitude and columns.latitude (or columns.x and columns.y)."
    if job.columns.area is None:
        return SchemaError(f"{lacks}. {advice} With columns.area, counts by area and month would still be possible.")
    account, counts = job.count_areas()
    if not account["kept"]:
        return SchemaError(nothing_kept(account))
    snapshots = Snapshots(layout.processed)
    with snapshots.writing() as folder:
        # Earlier results stay: the columns may only be mapped wrongly.
        share_folder(snapshots.current, folder)
        path = folder / "area_counts.csv"
        write_rows(path, ("area", "month", "category", "incidents"), [(*key, counts[key]) for key in sorted(counts)])
        write_json(folder / "area_counts_report.json", cleaning_facts(settings, job, entries, account, None))
    return SchemaError(
        f"{lacks}. Still possible, and written: counts of {account['kept']:,} incidents by area ({job.columns.area}), "
        f"month and category in {relative(layout, layout.processed / path.name)}. {advice}"
    )


def relative(layout: Layout, path: Path) -> str:
    """Write a path as seen from the project folder."""
    return str(path.relative_to(layout.root))
