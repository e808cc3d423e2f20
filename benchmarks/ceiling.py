"""How near forecasts come to one that knows the truth, on invented cities of each class.

``python benchmarks/ceiling.py --cities 10`` makes ten cities of each class (60,000 incidents, three years), replays the
weekly origins of the select span with every model, and values the cells each picks at 2 % of the area by the *true*
expected counts. It prints the share of the truth's own catch, the share of the gap between the best baseline and the
truth that a candidate closes, and the share of incidents that additive intensity reports as triggered beside the one
planted. Intervals are t intervals over cities. The judge span is not looked at.
"""

import argparse
import tempfile

import numpy as np
import pandas as pd
from scipy import stats

from crimepatterns.city import City
from crimepatterns.evaluation.backtest import backtest
from crimepatterns.evaluation.selection import Budget, select_cells
from crimepatterns.forecasts.registry import BASELINES, make_forecaster, options_in
from crimepatterns.forecasts.triggering import triggering
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import CATEGORIES, CITY_CLASSES
from forecasters import open_city

BUDGET = Budget(area_share=0.02)
FIRST_SEED = 40


def catches(city: City, truth: SyntheticCity, models: list[str], category: str) -> dict[str, float]:
    """Share of the truth's catch by model, over the origins of the select span."""
    forecast, folds = city.settings.forecast, city.spans[0].select
    options = options_in(forecast)
    replayed = backtest(
        city.archive, folds, {model: make_forecaster(model, **options) for model in models}, category=category,
        refit_every=forecast.refit_every, seed=forecast.seed, refit_always=BASELINES,
    )  # fmt: skip
    expected = np.array(
        [truth.truth.expected_counts(city.grid, fold.test, category=category).sum(axis=1) for fold in folds]
    )

    def caught(scores: np.ndarray) -> float:
        picked = [select_cells(one, city.grid.area_km2, BUDGET) for one in scores]
        return float(sum(cells @ mean for cells, mean in zip(picked, expected, strict=True)))

    return {model: caught(replayed.expected[model]) / caught(expected) for model in models}


def one_city(city_class: str, seed: int, models: list[str], incidents: int, categories: list[str]) -> pd.DataFrame:
    """Make one city and measure every category."""
    chosen = [f"source.city_class={city_class}", f"source.seed={seed}", f"source.incidents={incidents}"]
    city = open_city(None, [*chosen, f"forecast.categories={categories}"])
    wanted = city.settings.source
    truth = SyntheticCity(
        city_class=wanted.city_class, incidents=wanted.incidents, years=wanted.years, seed=wanted.seed
    )
    planted = {plan.name: plan.branching[wanted.city_class] for plan in CATEGORIES}
    rows = []
    for category in categories:
        found = triggering(city.archive.at(city.spans[0].select[0].cutoff, target=category))
        told = {} if found is None else {"triggered": found.share, "planted": planted[category]}
        rows.append({"class": city_class, "seed": seed, "category": category, **told})
        rows[-1] |= catches(city, truth, models, category)
    return pd.DataFrame(rows)


def interval(values: pd.Series) -> str:
    """Mean with its t interval."""
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return f"{mean:.3f}"
    half = float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def report(found: pd.DataFrame, models: list[str]) -> None:
    """Print, per class, shares of the true ceiling and of the gap, cities as the unit."""
    baselines = [model for model in models if model in BASELINES]
    for name, rows in found.groupby("class", sort=False):
        by_city = rows.groupby("seed")[[*models, *({"triggered", "planted"} & set(rows))]].mean()
        best = by_city[baselines].max(axis=1)
        print(f"\n{name}: {len(by_city)} cities, best baseline {interval(best)} of the truth's catch")
        for model in models:
            line = f"  {model:<20} {interval(by_city[model]):<28}"
            if model not in BASELINES:
                line += f" gap closed {interval((by_city[model] - best) / (1 - best))}"
            print(line)
        if "triggered" in by_city:
            print(f"  reported as triggered {interval(by_city['triggered'])}, planted {by_city['planted'].mean():.3f}")


def main() -> None:
    """Measure the classes that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cities", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--classes", nargs="+", default=list(CITY_CLASSES), choices=CITY_CLASSES)
    parser.add_argument("--incidents", type=int, default=60_000)
    parser.add_argument("--categories", nargs="+", default=["theft", "burglary"])
    parser.add_argument(
        "--models", nargs="+",
        default=[
            "count", "recent_count", "count_eb", "shrunk_scales", "additive_intensity", "poisson_boosting", "stack",
        ],
    )  # fmt: skip
    asked = parser.parse_args()
    parts = []
    for city_class in asked.classes:
        for seed in range(asked.first_seed, asked.first_seed + asked.cities):
            with tempfile.TemporaryDirectory(prefix="ceiling-") as folder:
                tempfile.tempdir = folder
                parts.append(one_city(city_class, seed, asked.models, asked.incidents, asked.categories))
                tempfile.tempdir = None
            print(parts[-1].round(3).to_string(header=seed == asked.first_seed, index=False), flush=True)
    report(pd.concat(parts, ignore_index=True), asked.models)


if __name__ == "__main__":
    main()
