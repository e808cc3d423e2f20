"""How well forecasts by shift would have done on past origins, beside rhythms that cost nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.history import History
from crimepatterns.errors import ForecastError
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.shift_scores import ShiftOutcome, compare_contenders, score_shifts
from crimepatterns.forecast_outputs.shifts import PLACES
from crimepatterns.forecasts.hour_profile import FittedHourProfile, HourProfile
from crimepatterns.forecasts.raw_hour_profile import raw_hour_profile
from crimepatterns.forecasts.shift_forecast import by_shift
from crimepatterns.patterns.shifts import ShiftCalendar
from crimepatterns.quality.flags import without_doubted_hours

__all__ = ["EVEN", "RHYTHM", "shift_sentences", "try_shifts"]

EVEN, RHYTHM = "even hours", "rhythm by place"
_CITY = "city's hours"


def try_shifts(
    city: City, results: Sequence[BacktestResult], models: Mapping[str, str], *, variants: bool = False
) -> pd.DataFrame:
    """Share the forecasts of past origins out over shifts by several rhythms and score each.

    Parameters
    ----------
    city : City
    results : sequence of BacktestResult
        One per category.
    models : mapping of str to str
        Whose forecast is shared out, by category.
    variants : bool
        Score the parts of the rhythm too: spans spread evenly, spans re-shared, and without places.

    Returns
    -------
    DataFrame
        As `score_shifts`, with ``category``, ``cutoff`` and ``spans`` (how the rhythm shares them); a category whose
        records do not tell the hours has no rows. Empty where ``forecast.shifts`` is.

    Notes
    -----
    Rhythms are learned at the first origin of every ``forecast.refit_every``, from what was known then.
    """
    if not city.settings.forecast.shifts:
        return pd.DataFrame()
    parts = [
        _one_origin(city, result, models[result.category], fold, rhythms)
        for result in results
        for fold, rhythms in _rhythms(city, result, variants=variants)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def shift_sentences(scores: pd.DataFrame) -> list[str]:
    """Say for each category what the rhythm is worth, and how little is to be expected in a single place-shift."""
    return [] if scores.empty else [_sentence(scores, str(name)) for name in dict.fromkeys(scores["category"])]


def _sentence(scores: pd.DataFrame, category: str) -> str:
    own = scores.loc[scores["category"] == category]
    mine = own.loc[own["contender"] == RHYTHM]
    gain, beside = compare_contenders(own, RHYTHM, _CITY, "gain", "timed")
    hits, more = compare_contenders(own, RHYTHM, EVEN, "hits_anywhen", "sure")
    chosen = float(mine["place_shifts"].sum())
    unsure = float(mine["unsure"].sum() / max(mine["incidents"].sum(), 1))
    expected, empty = (float(mine[name].sum()) / chosen for name in ("expected", "empty"))
    return (
        f"{category}: in log, hours of later incidents are {gain.value:+.3f} likelier by the rhythm than evenly over "
        f"the week, {beside.difference:+.3f} ({beside.lower:+.3f} to {beside.upper:+.3f}) beside the city's hours. "
        f"As many place-shifts as {PLACES} places in each, wherever and whenever, caught {100 * hits.value:.1f} % of "
        f"the incidents known to lie in one shift ({100 * more.difference:+.1f} points, {100 * more.lower:+.1f} to "
        f"{100 * more.upper:+.1f}, beside even hours: {more.verdict}); {100 * unsure:.1f} % are not known to one shift "
        f"and left out. The {PLACES} busiest places of a shift expected {expected:.3f} incidents each, and "
        f"{100 * empty:.0f} of 100 saw none."
    )


def _rhythms(city: City, result: BacktestResult, *, variants: bool) -> list[tuple[int, dict[str, FittedHourProfile]]]:
    """Rhythms for every origin, learned anew every so many; none where the records tell no hours."""
    found: list[tuple[int, dict[str, FittedHourProfile]]] = []
    rhythms: dict[str, FittedHourProfile] = {}
    for fold, cutoff in enumerate(result.cutoffs):
        if fold % city.settings.forecast.refit_every == 0:
            history = city.archive.at(cutoff, target=result.category)
            trusted = replace(history, incidents=without_doubted_hours(history.incidents, city.flags))
            try:
                rhythms = _learned(trusted, variants=variants)
            except ForecastError:
                return []
        found.append((fold, rhythms))
    return found


def _learned(history: History, *, variants: bool) -> dict[str, FittedHourProfile]:
    parts = {
        "rhythm by place, spans even": HourProfile(refined=False),
        "rhythm by place, spans re-shared": HourProfile(refined=True),
        "rhythm of the city": HourProfile(by_place=False),
    }
    return {
        EVEN: raw_hour_profile(history, "even"),
        _CITY: raw_hour_profile(history, "city"),
        "cell's own hours": raw_hour_profile(history, "own"),
        RHYTHM: HourProfile().fit(history),
        **({name: one.fit(history) for name, one in parts.items()} if variants else {}),
    }


def _one_origin(
    city: City, result: BacktestResult, model: str, fold: int, rhythms: Mapping[str, FittedHourProfile]
) -> pd.DataFrame:
    whole = result.forecast(model, fold)
    calendar = ShiftCalendar(city.settings.forecast.shifts)
    made = {name: by_shift(whole, rhythm, calendar) for name, rhythm in rhythms.items()}
    shifts = made[EVEN].periods
    window = city.incidents.of(result.category).between(shifts.start, shifts.end)
    table = without_doubted_hours(window, city.flags).table
    cell, inside = city.grid.assign(table["x"], table["y"])
    table, cell = table.loc[inside].reset_index(drop=True), cell[inside]
    outcome = ShiftOutcome.of(table, cell, shifts, cells=len(city.grid))
    at, hour = cell[outcome.spans.row], outcome.spans.hour
    scores = score_shifts(
        outcome,
        {name: rhythm.density(at, hour) for name, rhythm in rhythms.items()},
        {name: one.mean for name, one in made.items()},
        places=PLACES,
    )
    facts: dict[str, Any] = {"category": result.category, "cutoff": whole.issued_at, "model": model}
    return scores.assign(**facts, spans=str(rhythms[RHYTHM].facts["spans"]))
