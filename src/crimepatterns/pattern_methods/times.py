"""Pattern methods that ask when incidents happen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.domain.aoristic import hour_of_week
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.calendar_counts import record_of
from crimepatterns.patterns.rhythms import WEEKDAYS
from crimepatterns.patterns.seasonality import season_trend
from crimepatterns.patterns.shifts import ShiftCalendar, mass_by_shift
from crimepatterns.patterns.window import Window
from crimepatterns.quality.flags import without_doubted_hours
from crimepatterns.store.layers import write_table

__all__ = ["course", "hours_and_shifts"]


def course(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Take the incidents per day of the whole record apart into trend and season, and test the season."""
    step = work.settings.season_step
    if step != "month" and (chosen.table["time_precision"] == "month").any():
        raise NotApplicableError("Times are known to the month only: set patterns.season_step to month.")
    record = work.known.of(*chosen.categories)
    covered = Window(record_of(work.known).start, work.window.end)
    try:
        found = season_trend(record, step=step, covered=covered, replicates=work.settings.replicates)
    except PatternError as error:
        raise NotApplicableError(f"{error} Or set patterns.season_step.") from error
    strengths = {name: round(getattr(found, name), 3) for name in ("trend_strength", "season_strength", "season_p")}
    own = {
        "kind": "trend and season", "method": "season_trend", "parameters": {**found.parameters, **strengths},
        "null": "the deviations from the trend are exchangeable between periods", "left_out_periods": found.dropped,
    }  # fmt: skip
    write_table(folder / "season_trend.parquet", found.to_frame(), {**facts, **own, "sentence": found.sentence()})
    return {**strengths, "sentence": found.sentence()}


def hours_and_shifts(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Spread incidents over hours and shifts of the week by the time they can have happened in."""
    known = without_doubted_hours(chosen, work.city.flags)
    week = hour_of_week(known.table)
    if not week.used:
        raise NotApplicableError("Hours are not known: times are given to the day or month.")
    by_shift = mass_by_shift(known.table, ShiftCalendar(tuple(work.settings.shifts)))
    sentence = f"{by_shift.sentence()} {week}"
    hours = pd.DataFrame(
        {"weekday": np.repeat(WEEKDAYS, 24), "hour": np.tile(np.arange(24), 7), "incidents": week.mass.ravel()}
    )
    own = {"method": "rhythms", "parameters": {"shifts": list(work.settings.shifts), "no_hour": week.no_hour,
           "used": week.used}, "sentence": sentence}  # fmt: skip
    write_table(folder / "rhythms_hours.parquet", hours, {**facts, **own, "kind": "hours of the week"})
    write_table(folder / "rhythms_shifts.parquet", by_shift.to_frame(), {**facts, **own, "kind": "shifts of the week"})
    return {"used": week.used, "no_hour": week.no_hour, "sentence": sentence}
