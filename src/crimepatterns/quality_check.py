"""Stage: doubt the records, say what is wrong with them and what that does to results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.incidents import INCIDENT_COLUMNS
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import MissingInputError, PatternError
from crimepatterns.quality.findings import SEVERITIES
from crimepatterns.quality.honesty import HonestyReport, Subject, check_record
from crimepatterns.quality.record import Intake, Record
from crimepatterns.reports.honesty import honesty_headline, honesty_page
from crimepatterns.store.atomic import read_json, replacing_folder, write_json, write_text
from crimepatterns.store.incident_sample import DaySample, rejected_by_label, sample_days
from crimepatterns.visuals.static_quality import honesty_figures

__all__ = ["check"]

_TASK = "Doubting the records"
_MOST_CATEGORIES = 3


def check(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Write the data honesty report below ``results/<city>/quality``: JSON, an HTML page and its pictures.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        JSON-able: ``flags`` (name to severity), ``severities``, ``sentence`` and ``outputs``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """
    city = City(settings)
    if not city.layout.cleaning_report.exists():
        raise MissingInputError(f"{settings.title} has not been cleaned yet: run `crimepatterns clean` first.")
    cleaning = read_json(city.layout.cleaning_report)
    progress(_TASK, 0, None)
    sample = sample_days(
        city.layout.incidents, city.area, max_rows=settings.quality.max_rows, seed=settings.quality.seed
    )
    record = Record(sample.incidents, sample.day_counts, _intake(city, cleaning), sample.share)
    subject = Subject(
        record,
        area_columns=[name for name in sample.incidents.table.columns if name not in INCIDENT_COLUMNS],
        discovery_given="discovery" in cleaning["columns_used"],
        rng=np.random.default_rng(settings.quality.seed),
    )
    report = check_record(
        subject,
        grid=city.grid,
        categories=_compared_categories(city, record),
        window_days=settings.patterns.window_days,
        progress=progress,
    )
    facts = _facts(settings, sample, report)
    with replacing_folder(city.layout.quality) as folder:
        pictures = _draw(report, record, folder)
        write_json(folder / "honesty.json", {**facts, "pictures": pictures})
        write_text(folder / "honesty.html", honesty_page(facts, pictures))
    root = city.layout.quality.relative_to(settings.root)
    return {
        "sentence": honesty_headline(facts),
        "flags": {name: flag["severity"] for name, flag in report.flags.items()},
        "severities": facts["severities"],
        "outputs": [str(root / name) for name in sorted(["honesty.json", "honesty.html", *pictures.values()])],
    }


def _intake(city: City, cleaning: Mapping[str, Any]) -> Intake:
    used = cleaning["columns_used"]
    taken = max((str(source["fetched_at"]) for source in cleaning["sources"]), default="")
    moment = pd.Timestamp(taken) if taken else None
    if moment is not None and moment.tzinfo is None:
        moment = moment.tz_localize("UTC")
    return Intake(
        rows_in=cleaning["rows_in"],
        rejected=cleaning["rejected"],
        taken_at=None if moment is None else moment.tz_convert(city.area.timezone),
        coordinates_crs=cleaning["coordinates_crs"],
        report_dates="known_at" in used,
        assumed_delay_days=cleaning["assumed_delay_days"] or 0.0,
        own_ids="id" in used,
        drop_duplicates=cleaning["drop_duplicates"],
        refused_by_label=rejected_by_label(city.layout.rejected, used.get("category")),
        rows_by_label={str(row["label"]): int(row["rows"]) for row in cleaning["labels"]},
    )


def _compared_categories(city: City, record: Record) -> tuple[str, ...]:
    """Choose the categories whose hot spots are compared: those of the settings, else the most frequent ones."""
    occurring = record.incidents.categories
    if len(occurring) < 2:
        return ()
    wanted = city.settings.patterns.categories or city.settings.forecast.categories or occurring
    return tuple(name for name in wanted if name in occurring)[:_MOST_CATEGORIES]


def _facts(settings: Settings, sample: DaySample, report: HonestyReport) -> dict[str, Any]:
    severities = {name: sum(one.severity == name for one in report.findings) for name in SEVERITIES}
    return {
        "city": settings.city,
        "title": settings.title,
        "rows": sample.rows,
        "rows_looked_at": len(sample.incidents),
        "share_of_days": round(sample.share, 4),
        "severities": severities,
        "flags": report.flags,
        "findings": [finding.to_dict() for finding in report.findings],
    }


def _draw(report: HonestyReport, record: Record, folder: Path) -> dict[str, str]:
    """Draw what there is to see; name of the check to file."""
    pictures = {}
    for check_name, draw in honesty_figures(report, record).items():
        try:
            figure = draw()
        except PatternError:
            continue
        figure.savefig(folder / f"{check_name}.png", dpi=160)
        pictures[check_name] = f"{check_name}.png"
    return pictures
