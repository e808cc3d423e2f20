"""Stage: from the champions' forecasts to a patrol plan on paper, in a table and on a map."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings, settings_digest
from crimepatterns.decisions.allocation import Capacity
from crimepatterns.decisions.patrol import PlanRules, plan_patrols
from crimepatterns.decisions.plan_score import PlanHits, score_plan
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import MissingInputError
from crimepatterns.evaluation.comparison import compare
from crimepatterns.quality.flags import without_doubted_hours
from crimepatterns.reports.patrol_sheet import patrol_sheet_html, plan_csv
from crimepatterns.store.atomic import read_json, write_json, write_text
from crimepatterns.store.layers import read_forecast, write_layer
from crimepatterns.store.layout import slug
from crimepatterns.store.scorecards import read_extra
from crimepatterns.version import __version__

__all__ = ["plan"]

_SAID = {"hours_unreliable": "Hours", "recent_weeks_incomplete": "Last weeks"}
"""Flags of the honesty report that a plan must tell, and under which name."""


def plan(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Plan patrols for the coming horizon and score such plans on the past.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        ``places``, ``place_days``, ``expected_in_hours``, ``cap``, ``backtest`` and ``outputs``.

    Raises
    ------
    MissingInputError
        If `forecast` has not run.
    """
    city = City(settings)
    folder = city.layout.plan
    forecasts = [
        read_forecast(city.layout.forecasts / f"{slug(category)}.parquet", city.area)[0] for category in city.targets
    ]
    rules = _rules(settings)
    progress("Choosing places and hours", 0, 2)
    made = plan_patrols(forecasts, without_doubted_hours(city.incidents, city.flags), rules=rules)
    if city.warnings:
        made = replace(made, places=made.places.assign(warning=" ".join(city.warnings.values())))
    progress("Scoring plans on the past", 1, 2)
    backtest = _backtest(city, rules)
    run = {
        "Version": __version__,
        "Settings": settings_digest(settings.plan, settings.grid, settings.forecast),
        "Data until": str(city.archive.end.date()),
        **{said: city.flags.note(name) for name, said in _SAID.items() if name in city.flags},
    }
    page = patrol_sheet_html(
        made,
        city.area,
        title=settings.title,
        made_at=pd.Timestamp.now(tz=city.area.timezone),
        backtest=backtest,
        run=run,
        warnings=tuple(city.warnings.values()),
    )
    facts = {**made.facts, "run": run, "warnings": list(city.warnings.values())}
    write_layer(folder / "plan.parquet", made.places, facts)
    write_text(folder / "plan.geojson", made.places.to_crs("EPSG:4326").to_json(drop_id=True) + "\n")
    write_text(folder / "plan.csv", plan_csv(made))
    write_json(folder / "backtest.json", backtest or {"sentences": ["No back-test: run `crimepatterns evaluate`."]})
    write_text(folder / "sheet.html", page)
    progress("Scoring plans on the past", 2, 2)
    names = ("plan.csv", "plan.geojson", "plan.parquet", "sheet.html", "backtest.json")
    return {
        "places": len(made.places),
        "place_days": made.facts["place_days"],
        "expected_in_hours": made.facts["expected_in_hours"],
        "uncapped_expected_in_hours": made.facts["uncapped_expected_in_hours"],
        "cap": made.facts["cap"],
        "warnings": list(city.warnings.values()),
        "backtest": [] if backtest is None else backtest["sentences"],
        "outputs": [str((folder / name).relative_to(settings.root)) for name in names],
    }


def _rules(settings: Settings) -> PlanRules:
    wanted = settings.plan
    capacity = Capacity(
        units=wanted.units,
        hours_per_unit=wanted.hours_per_unit,
        minutes_per_visit=wanted.minutes_per_visit,
        visits_per_place_day=wanted.visits_per_place_day,
        shift_hours=wanted.shift_hours,
    )
    return PlanRules(capacity, wanted.area_budget, wanted.neighbourhood_cap)


def _backtest(city: City, rules: PlanRules) -> dict[str, Any] | None:
    """Make the plan of every select origin from the champions and from plain counts, and compare what they caught."""
    select = city.layout.evaluation / "select"
    try:
        table = read_extra(select, "backtest")
    except MissingInputError:
        return None
    champions: dict[str, str] = read_json(select / "champions.json")
    categories = [name for name in city.targets if name in champions]
    if not categories or "count" not in table.columns or table["cell_id"].nunique() != len(city.grid):
        return None
    horizon = city.settings.forecast.horizon_days
    rows = []
    for cutoff, part in table.groupby("cutoff", sort=True):
        moment = pd.Timestamp(str(cutoff)).tz_convert(city.area.timezone)
        window = (moment, moment + pd.DateOffset(days=horizon))
        hits = [
            _score(city, rules, part, moment, window, {name: models[name] for name in categories})
            for models in (champions, dict.fromkeys(categories, "count"))
        ]
        rows.append((moment, hits[0], hits[1]))
    return _compare_plans(rows, categories)


def _score(
    city: City,
    rules: PlanRules,
    means: pd.DataFrame,
    cutoff: pd.Timestamp,
    window: tuple[pd.Timestamp, pd.Timestamp],
    models: dict[str, str],
) -> PlanHits:
    days = city.settings.forecast.horizon_days
    periods = Periods.starting_at(cutoff, days=days, count=1)
    forecasts = []
    for category, model in models.items():
        by_cell = means.loc[means["category"] == category].set_index("cell_id")[model]
        mean = by_cell.reindex(city.grid.ids.astype(str)).to_numpy(dtype=float)
        forecasts.append(Forecast(city.grid, periods, category, model, cutoff, mean[:, None]))
    made = plan_patrols(forecasts, city.incidents, rules=rules)
    return score_plan(made, city.incidents, city.grid, window=window, categories=tuple(models))


def _compare_plans(
    rows: Sequence[tuple[pd.Timestamp, PlanHits, PlanHits]], categories: Sequence[str]
) -> dict[str, Any]:
    origins = [
        {
            "cutoff": moment.isoformat(),
            "total": ours.total,
            "at_places": ours.at_places,
            "at_places_count": counts.at_places,
            "total_timed": ours.total_timed,
            "in_hours": ours.in_hours,
            "in_hours_count": counts.in_hours,
            "place_days": ours.place_days,
            "place_days_count": counts.place_days,
            "empty_places": ours.empty_places,
        }
        for moment, ours, counts in rows
    ]
    table = pd.DataFrame(origins)
    found: dict[str, Any] = {"categories": list(categories), "origins": origins, "sentences": []}
    for key, total, label in (
        ("at_places", "total", "in planned places"),
        ("in_hours", "total_timed", "in planned places and hours"),
    ):
        if not table[total].sum():
            continue
        paired = compare(table[key], table[f"{key}_count"], table[total], higher_is_better=True)
        share, share_count = (float(table[name].sum() / table[total].sum()) for name in (key, f"{key}_count"))
        found[key] = {
            "share": share,
            "share_count": share_count,
            "difference": paired.difference,
            "lower": paired.lower,
            "upper": paired.upper,
            "smallest_detectable": paired.smallest_detectable,
            "verdict": paired.verdict,
        }
        found["sentences"].append(
            f"Over {len(rows)} past periods, {share * 100:.1f} % of incidents fell {label}; a plan made from plain "
            f"counts would have had {share_count * 100:.1f} % (difference {paired.difference * 100:+.2f} points, "
            f"{paired.lower * 100:+.2f} to {paired.upper * 100:+.2f}: {paired.verdict}"
            f"{', smallest detectable ' + format(paired.smallest_detectable * 100, '.2f')})."
        )
    ours, counts = float(table["place_days"].mean()), float(table["place_days_count"].mean())
    if abs(ours - counts) > 0.02 * counts:
        found["sentences"].append(f"The plans differ in size: {ours:.0f} place-days against {counts:.0f} from counts.")
    found["sentences"].append(
        f"{float(np.mean(table['empty_places'])) * 100:.0f} % of planned places saw no incident at all."
    )
    return found
