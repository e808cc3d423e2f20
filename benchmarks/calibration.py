"""Measure calibration and the coverage of intervals of areas on the select span of a city; the judge span stays closed.

``python benchmarks/calibration.py --config config/cities/chicago.yaml --keep /tmp/calibration`` replays 26 origins
before the select span and the span itself by each model, learns intervals at every origin from earlier ones only, and
prints observed / expected, slope, coverage and the verdict of the gate. Replays are kept in the folder and taken from
there the next time; about ten CPU minutes for four models of one city, one minute once they are kept.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.folds import Fold, rolling
from crimepatterns.evaluation.backtest import BacktestResult, backtest
from crimepatterns.evaluation.calibration import calibration_slope, calibration_table
from crimepatterns.evaluation.calibration_gate import gate_of
from crimepatterns.evaluation.union_coverage import coverage_table, rolling_intervals
from crimepatterns.evaluation.unions import standard_unions
from crimepatterns.forecasts.registry import BASELINES, make_forecaster, options_in
from crimepatterns.visuals.static import coverage_chart
from forecasters import open_city

MODELS = ("count_eb", "shrunk_scales", "additive_intensity", "poisson_boosting")
EARLIER, DRAWS, PIECES = 26, 1000, 60


def replayed(
    city: City, folds: tuple[Fold, ...], category: str, model: str, keep: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return expected and observed counts by origin and cell, from the folder where they are there."""
    path = keep / f"{city.settings.city}-{category}-{model}.npz"
    if not path.exists():
        forecast = city.settings.forecast
        options = options_in(forecast)
        found = backtest(
            city.archive, folds, {model: make_forecaster(model, **options)}, category=category,
            refit_every=forecast.refit_every, seed=forecast.seed, refit_always=BASELINES,
        )  # fmt: skip
        np.savez_compressed(path, e=found.expected[model].astype(np.float32), y=found.observed.astype(np.int16))
    with np.load(path) as stored:
        return stored["e"].astype(float), stored["y"].astype(np.int64)


def of_span(whole: BacktestResult, first: int) -> BacktestResult:
    """Return the origins of the span alone."""
    return BacktestResult(
        whole.category, whole.grid, whole.folds[first:],
        {name: values[first:] for name, values in whole.expected.items()},
        {}, whole.observed[first:], whole.before[first:],
    )  # fmt: skip


def measure(city: City, models: list[str], keep: Path) -> pd.DataFrame:
    """Print a row per category and model; return the intervals of the span."""
    select = city.spans[0].select
    folds = rolling(
        city.archive.start, select[-1].test.end, horizon_days=city.settings.forecast.horizon_days,
        origins=EARLIER + len(select),
    )  # fmt: skip
    unions = standard_unions(city.grid, compact=PIECES, seed=city.settings.forecast.seed)
    rows = []
    head = ("category", "model", "O/E of ten groups", "slope", "cover", "tenths", "Poisson", "> 50", "verdict")
    print("{:<10} {:<19} {:<17} {:<17} {:>6} {:<11} {:>7} {:>5}  {}".format(*head))
    for category in city.targets:
        pairs = {model: replayed(city, folds, category, model, keep) for model in models}
        observed = next(iter(pairs.values()))[1]
        whole = BacktestResult(
            category, city.grid, folds, {name: pair[0] for name, pair in pairs.items()}, {}, observed,
            np.vstack([observed[:1], observed[:-1]]),
        )  # fmt: skip
        for model in models:
            found = rolling_intervals(whole, model, unions, draws=DRAWS, seed=city.settings.forecast.seed).rows
            own = found.loc[found["origin"] >= EARLIER].assign(category=category, model=model)
            rows.append(own)
            print(line(of_span(whole, EARLIER), model, own), flush=True)
    return pd.concat(rows, ignore_index=True)


def line(result: BacktestResult, model: str, rows: pd.DataFrame) -> str:
    """Return one row of the table."""
    expected, observed = list(result.expected[model]), list(result.observed)
    ratio = calibration_table(expected, observed)["ratio"]
    slope = calibration_slope(expected, observed)
    coverage = coverage_table(rows)
    tenths = coverage.loc[coverage["by"] == "expected", "coverage"]
    busy = rows.loc[rows["expected"] > 50, "poisson"]
    return (
        f"{result.category:<10} {model:<19} {ratio.min():.2f} to {ratio.max():.2f}      "
        f"{slope.value:.2f} ({slope.lower:.2f}-{slope.upper:.2f})  {coverage['coverage'].iloc[0]:6.3f} "
        f"{tenths.min():.2f}-{tenths.max():.2f}   {rows['poisson'].mean():7.3f} {busy.mean():5.2f}  "
        f"{gate_of(result, model, coverage=coverage).sentence}"
    )


def read_audit(asked: list[str] | None) -> dict[str, dict[str, float]]:
    """Read one column of a table about areas, by the name of the area, for figures about groups of areas only."""
    if asked is None:
        return {}
    path, area, column = asked
    table = pd.read_csv(path).dropna(subset=[area, column])
    return {column: dict(zip(table[area].astype(str).str.upper(), table[column].astype(float), strict=True))}


def pooled(rows: pd.DataFrame, audit: dict[str, dict[str, float]]) -> None:
    """Print coverage over all categories by model."""
    for model, own in rows.groupby("model", sort=False):
        table = coverage_table(own, audit=audit)
        print(f"\n{model}, all categories: plain Poisson {own['poisson'].mean():.3f}, "
              f"where more than 50 are expected {own.loc[own['expected'] > 50, 'poisson'].mean():.3f}")  # fmt: skip
        shown = table.loc[table["by"] != "neighbourhood"].round(3)
        print(shown.to_string(index=False))


def main() -> None:
    """Measure one city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", help="city file of a cleaned city; default: an invented one, in a temporary folder")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--keep", type=Path, help="folder for replays; default: a temporary one")
    parser.add_argument(
        "--audit", nargs=3, metavar=("CSV", "AREA", "COLUMN"), help="coverage by tenths of a column too"
    )
    parser.add_argument("--picture", type=Path, help="draw the coverage of the last model, all categories, as PNG")
    asked = parser.parse_args()
    keep = asked.keep or Path(tempfile.mkdtemp(prefix="calibration-"))
    keep.mkdir(parents=True, exist_ok=True)
    city = open_city(asked.config, [])
    rows = measure(city, asked.models, keep)
    pooled(rows, read_audit(asked.audit))
    if asked.picture:
        model = asked.models[-1]
        own = rows.loc[rows["model"] == model]
        figure = coverage_chart(
            coverage_table(own), own, category="all categories", model=model, city=city.settings.title
        )
        figure.savefig(asked.picture, dpi=110)


if __name__ == "__main__":
    main()
