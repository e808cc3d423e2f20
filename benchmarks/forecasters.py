"""Compare forecasters with the shrunk count on the select span of a city; the judge span is never looked at.

``python benchmarks/forecasters.py --config config/cities/chicago.yaml --models shrunk_scales stack`` prints, per
category and pooled, how much smaller the deviance is than that of ``count_eb``, the PEI difference to the best
baseline, and CPU seconds per forecaster. Intervals are paired over origins. A city that has not been cleaned, such as
an invented one (``--set source.city_class=drifting source.seed=21``), is made in a temporary folder.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.evaluation.backtest import BacktestResult, backtest
from crimepatterns.evaluation.champion import primary_hits
from crimepatterns.evaluation.comparison import compare
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecasts.registry import BASELINES, make_forecaster, options_in
from crimepatterns.operations.pipeline import run_stage

BUDGETS = (Budget(area_share=0.02), Budget(area_share=0.05))


def open_city(config: str | None, changes: list[str]) -> City:
    """Open a cleaned city, or clean an invented one in a temporary folder."""
    overrides: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.partition(".")
        overrides.setdefault(section, {})[key] = yaml.safe_load(value)
    settings = load_settings(config, overrides)
    if settings.source.kind == "synthetic":
        folder = tempfile.mkdtemp(prefix="forecasters-")
        settings = load_settings(config, {**overrides, "root": folder})
        for stage in ("ingest", "clean", "context"):
            run_stage(settings, stage)
    return City(settings)


def measure(city: City, models: list[str]) -> dict[str, BacktestResult]:
    """Replay the select span by each model apart, for its CPU time."""
    forecast = city.settings.forecast
    options = options_in(forecast)
    folds = city.spans[0].select
    print(f"{city.settings.title}: {len(city.grid)} cells, {len(folds)} select origins from {folds[0].cutoff.date()}")
    results: dict[str, BacktestResult] = {}
    for category in city.targets:
        parts = []
        for model in models:
            before = cpu()
            parts.append(
                backtest(
                    city.archive, folds, {model: make_forecaster(model, **options)}, category=category,
                    refit_every=forecast.refit_every, seed=forecast.seed, refit_always=BASELINES,
                )
            )  # fmt: skip
            spent = cpu() - before
            print(f"  {category:<22} {model:<24} {spent:7.1f} CPU s", flush=True)
        one = parts[0]
        results[category] = BacktestResult(
            one.category, one.grid, one.folds,
            {name: part.expected[name] for part in parts for name in part.models},
            {name: part.quantiles[name] for part in parts for name in part.models},
            one.observed, one.before, one.outside,
        )  # fmt: skip
    return results


def cpu() -> float:
    """CPU seconds of this process and its children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def table(results: dict[str, BacktestResult], models: list[str]) -> None:
    """Print the comparison, per category and pooled."""
    groups = {name: [one] for name, one in results.items()}
    groups["pooled"] = list(results.values())
    heads = ("deviance saved, %", "PEI gained at 2 %, points", "at 5 %")
    print(f"\n{'category':<22} {'model':<24} " + " ".join(f"{head:>25}" for head in heads) + "    O/E")
    for group, members in groups.items():
        baselines = [name for name in models if name in BASELINES]
        best = [max(baselines, key=lambda name: pooled_pei(members, name, budget)) for budget in BUDGETS]
        for model in models:
            line = f"{group:<22} {model:<24} {skill(members, model):>25}"
            for budget, baseline in zip(BUDGETS, best, strict=True):
                line += f" {gain(members, model, baseline, budget):>25}"
            over = sum(float(r.observed.sum()) for r in members) / sum(float(r.expected[model].sum()) for r in members)
            print(f"{line} {over:6.3f}")
        for budget, baseline in zip(BUDGETS, best, strict=True):
            print(
                f"{'':<22} best baseline at {budget.label}: {baseline}, PEI {pooled_pei(members, baseline, budget):.4f}"
            )


def skill(members: list[BacktestResult], model: str) -> str:
    """Deviance saved against count_eb, per cent, with its interval."""
    ours, theirs = (
        sum(poisson_deviance(one.expected[name], one.observed).sum(axis=1) for one in members)
        for name in (model, "count_eb")
    )
    if not np.isfinite(ours).all():
        return "not scored"
    found = compare(ours, theirs, theirs, higher_is_better=False)
    # A difference in deviance below zero is a gain.
    return f"{-100 * found.difference:+.2f} [{-100 * found.upper:+.2f}, {-100 * found.lower:+.2f}]"


def gain(members: list[BacktestResult], model: str, baseline: str, budget: Budget) -> str:
    """Points of PEI gained on a baseline, with its interval."""
    ours = sum(primary_hits(one, model, budget)[0] for one in members)
    theirs = sum(primary_hits(one, baseline, budget)[0] for one in members)
    best = sum(primary_hits(one, model, budget)[1] for one in members)
    found = compare(ours, theirs, best, higher_is_better=True)
    return f"{100 * found.difference:+.2f} [{100 * found.lower:+.2f}, {100 * found.upper:+.2f}]"


def pooled_pei(members: list[BacktestResult], model: str, budget: Budget) -> float:
    """Share of the best possible catch over all origins and categories."""
    found = [primary_hits(one, model, budget) for one in members]
    return float(sum(hits.sum() for hits, _, _ in found) / sum(best.sum() for _, best, _ in found))


def main() -> None:
    """Measure one city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--models", nargs="+", default=["count_eb", "shrunk_scales", "negative_binomial"])
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    parser.add_argument("--keep", type=Path, help="write the forecasts as npz for a closer look")
    asked = parser.parse_args()
    city = open_city(asked.config, asked.changes)
    models = list(dict.fromkeys(["count_eb", *asked.models]))
    results = measure(city, models)
    table(results, models)
    if asked.keep:
        for name, one in results.items():
            np.savez_compressed(asked.keep / f"{city.settings.city}-{name}.npz", observed=one.observed, **one.expected)
    print(json.dumps({"seed": city.settings.forecast.seed, "origins": len(city.spans[0].select)}))


if __name__ == "__main__":
    main()
