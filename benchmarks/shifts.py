"""What the rhythm of the week is worth on past origins of the select span; the judge span is never looked at.

``python benchmarks/shifts.py --config config/cities/chicago.yaml`` shares the forecasts of ``count_eb`` (``--model``)
out over the shifts of ``forecast.shifts`` by the rhythm by place and by what costs nothing, and prints per category and
pooled how much likelier the time of later incidents is than evenly over the week, what places in every shift caught,
and how little one place expects in one shift. Intervals are paired over origins. Without ``--config`` it makes the
embedded city in a temporary folder and also says how far the hours found are from the true ones. ``--picture FILE``
draws the hours before and after spans are re-shared.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.evaluation.backtest import backtests
from crimepatterns.evaluation.shift_scores import compare_contenders
from crimepatterns.forecast_outputs.shift_trial import EVEN, RHYTHM, shift_sentences, try_shifts
from crimepatterns.forecast_outputs.shifts import hour_profile
from crimepatterns.forecasts.registry import BASELINES, make_forecaster, options_in
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.visuals.static_rhythm import rhythm_before_and_after

SCORES = (
    ("gain", "timed", "log gain over even hours"),
    ("hits", "sure", "places in every shift, %"),
    ("hits_anywhen", "sure", "place-shifts anywhen, %"),
    ("shared_hits_anywhen", "incidents", "shared, anywhen, %"),
)


def open_city(config: str | None, changes: list[str]) -> City:
    """Open a cleaned city, or make the embedded one in a temporary folder."""
    overrides: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.rpartition(".")
        place = overrides.setdefault(section, {}) if section else overrides
        place[key] = yaml.safe_load(value)
    settings = load_settings(config, overrides)
    if settings.source.kind == "synthetic":
        settings = load_settings(config, {**overrides, "root": tempfile.mkdtemp(prefix="shifts-")})
        for stage in ("ingest", "clean", "context"):
            run_stage(settings, stage)
    return City(settings)


def measure(city: City, model: str) -> pd.DataFrame:
    """Score every contender at every select origin."""
    forecast = city.settings.forecast
    options = options_in(forecast)
    results = backtests(
        city.archive, city.spans[0].select, {model: make_forecaster(model, **options)}, categories=city.targets,
        refit_every=forecast.refit_every, seed=forecast.seed, refit_always=BASELINES,
    )  # fmt: skip
    return try_shifts(city, results, dict.fromkeys(city.targets, model), variants=True)


def table(scores: pd.DataFrame) -> None:
    """Print every contender with its difference to even hours."""
    groups = {str(name): part for name, part in scores.groupby("category", sort=False)}
    for group, part in {**groups, "pooled": scores}.items():
        some = part.drop_duplicates(["category", "cutoff"])
        told = {str(one) for one in part["spans"]}
        print(
            f"\n{group}: {some['incidents'].sum():,} incidents, {some['timed'].sum():,} with a time, "
            f"{100 * some['unsure'].sum() / some['incidents'].sum():.1f} % not known to one shift; spans {told}"
        )
        for name in dict.fromkeys(part["contender"]):
            line = f"  {name:<34}"
            for column, per, head in SCORES:
                scale = 1.0 if column == "gain" else 100.0
                own, beside = compare_contenders(part, name, EVEN, column, per)
                line += f" | {head} {scale * own.value:.3f} ({scale * beside.difference:+.3f}: "
                line += f"{scale * beside.lower:+.3f} to {scale * beside.upper:+.3f})"
            print(line)
        for name in ("city's hours", "cell's own hours", "rhythm of the city", "rhythm by place, spans even"):
            line = f"  rhythm by place beside {name:<27}"
            for column, per, head in SCORES:
                scale = 1.0 if column == "gain" else 100.0
                beside = compare_contenders(part, RHYTHM, name, column, per)[1]
                line += f" | {head} {scale * beside.difference:+.3f} ({scale * beside.lower:+.3f} to "
                line += f"{scale * beside.upper:+.3f}: {beside.verdict})"
            print(line)


def truth(city: City) -> None:
    """Say how far the hours found in the embedded city are from those at which incidents truly happened."""
    source = city.settings.source
    answers = SyntheticCity(
        city_class=source.city_class, incidents=source.incidents, years=source.years, seed=source.seed,
        timezone=city.settings.timezone,
    ).truth.answer_table()  # fmt: skip
    for name in city.targets:
        hours = answers.loc[answers["category"] == name, "moment"].dt.hour
        true = np.bincount(hours, minlength=24) / len(hours)
        history = city.archive.at(city.archive.end, target=name)
        off = {
            way: float(np.abs(hour_profile(city, history, refined=way, by_place=False).city.sum(axis=0) - true).sum())
            for way in (False, True)
        }
        print(f"{name}: hours off the true moments by {off[False]:.3f} with spans even, {off[True]:.3f} re-shared")


def main() -> None:
    """Measure one city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--model", default="count_eb")
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--category", help="of the picture")
    asked = parser.parse_args()
    city = open_city(asked.config, asked.changes)
    begun = time.process_time()
    scores = measure(city, asked.model)
    table(scores)
    print("", *shift_sentences(scores), sep="\n\n")
    print(f"\n{time.process_time() - begun:.0f} CPU seconds")
    if city.settings.source.kind == "synthetic":
        truth(city)
    if asked.picture:
        history = city.archive.at(city.spans[0].fit_end, target=asked.category or city.targets[0])
        before, after = (hour_profile(city, history, refined=way) for way in (False, True))
        figure = rhythm_before_and_after(before.city, after.city, category=history.target, city=city.area.name)
        figure.savefig(asked.picture, dpi=110)


if __name__ == "__main__":
    main()
