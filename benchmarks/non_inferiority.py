"""Whether what may be served is ever materially worse than a baseline or a single model, setting by setting.

``python benchmarks/non_inferiority.py measure --config config/cities/chicago.yaml --cell 250 --horizon 7 --cache DIR``
replays the select span on cells of that size and keeps the catch of each model at 1, 2 and 5 % of the area;
``python benchmarks/non_inferiority.py report --cache DIR --figure docs/images/non_inferiority.png`` compares what is
kept. The judge span is never looked at: daily origins lie inside the weekly select span, every third day of it.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.domain.folds import Fold, rolling
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.evaluation.backtest import backtest
from crimepatterns.evaluation.comparison import holm
from crimepatterns.evaluation.hotspot_metrics import catch
from crimepatterns.evaluation.non_inferiority import no_worse_than
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecasts.registry import BASELINES, make_forecaster, options_in
from crimepatterns.patterns.nowcast import completeness_at
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import ACCENT, BLUE, MUTED, figure_style

CANDIDATES = ("count_eb", "shrunk_scales", "additive_intensity", "poisson_boosting", "stack")
SINGLE = ("shrunk_scales", "negative_binomial", "additive_intensity", "poisson_boosting", "stack")
SLOW = ("gradient_boosting", "random_forest_regressor", "random_forest")
BUDGETS = (0.01, 0.02, 0.05)
EVERY_DAYS = 3
MARGINS = {"pooled": 0.02, "one": 0.05}
LEVEL = 0.05
POOLED = "pooled"


@dataclass(frozen=True)
class Setting:
    """One city on one grid for one horizon."""

    city: str
    cell_m: int
    days: int

    @property
    def label(self) -> str:
        """Name it for tables."""
        return f"{self.city}, {self.cell_m} m, {self.days} day{'s' if self.days > 1 else ''}"

    def folder(self, cache: Path) -> Path:
        """Folder of what was measured in it."""
        return cache / f"{self.city}-{self.cell_m}m-{self.days}d"


def folds_of(city: City, days: int) -> Sequence[Fold]:
    """Origins of the select span; for a day's horizon every third day of its weeks."""
    weekly = city.spans[0].select
    if days == city.settings.forecast.horizon_days:
        return weekly
    end = weekly[-1].test.end
    length = (end.tz_localize(None) - weekly[0].cutoff.tz_localize(None)).days
    return rolling(city.archive.start, end, horizon_days=days, origins=length // days)[::EVERY_DAYS]


def measure(city: City, setting: Setting, models: Sequence[str], cache: Path, made: Path | None) -> None:
    """Replay every model and keep hits per origin and budget, shape (n_origins, n_budgets).

    Forecasts that ``benchmarks/forecasters.py --keep`` wrote to the folder `made` are taken from there.
    """
    forecast = city.settings.forecast
    options = options_in(forecast)
    folds = folds_of(city, setting.days)
    archive = Archive(city.incidents, city.grid, setting.days, city.covariates, completeness_at)
    print(f"{setting.label}: {len(city.grid)} cells, {len(folds)} origins, {folds[0].cutoff.date()} to "
          f"{folds[-1].test.end.date()}")  # fmt: skip
    for category in city.targets:
        folder = setting.folder(cache)
        folder.mkdir(parents=True, exist_ok=True)
        lacking = [name for name in models if not (folder / f"{category}-{name}.npz").exists()]
        if made is not None:
            with np.load(made / f"{city.settings.city}-{category}.npz") as stored:
                for name in set(lacking) & set(stored.files):
                    _keep(folder / f"{category}-{name}.npz", city.grid, stored[name], stored["observed"])
                    lacking.remove(name)
        cheap = [name for name in lacking if name in BASELINES]
        for group in ([cheap] if cheap else []) + [[name] for name in lacking if name not in BASELINES]:
            began = process_time()
            found = backtest(
                archive, folds, {name: make_forecaster(name, **options) for name in group}, category=category,
                refit_every=len(folds), seed=forecast.seed, refit_always=BASELINES,
            )  # fmt: skip
            for name in group:
                _keep(folder / f"{category}-{name}.npz", city.grid, found.expected[name], found.observed)
            print(f"  {category:<12} {', '.join(group):<24} {process_time() - began:7.1f} CPU s", flush=True)


def _keep(path: Path, grid: Grid, expected: NDArray[np.float64], observed: NDArray[np.int64]) -> None:
    budgets = [Budget(area_share=share) for share in BUDGETS]
    hits = [
        [catch(mean, count, grid.area_km2, budget).hits for budget in budgets]
        for mean, count in zip(expected, observed, strict=True)
    ]
    np.savez(path, hits=np.array(hits))


def kept(setting: Setting, cache: Path) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Read hits by category and model; all categories together under ``pooled``."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for path in sorted(setting.folder(cache).glob("*.npz")):
        category, _, model = path.stem.partition("-")
        with np.load(path) as stored:
            found.setdefault(category, {})[model] = stored["hits"]
    common = set.intersection(*(set(models) for models in found.values())) if found else set()
    found[POOLED] = {model: sum(models[model] for models in found.values()) for model in sorted(common)}  # type: ignore[misc]
    return found


def compared(setting: Setting, cache: Path) -> Iterator[dict[str, object]]:
    """Compare each candidate with each other model: relative difference, its lower bound, and whether it is shown."""
    for category, models in kept(setting, cache).items():
        margin = MARGINS["pooled" if category == POOLED else "one"]
        for (column, share), candidate in product(enumerate(BUDGETS), CANDIDATES):
            if candidate not in models:
                continue
            peers = [name for name in models if name != candidate]
            ours = models[candidate][:, column]
            found = [
                no_worse_than(ours, models[name][:, column], margin=margin, confidence=1 - LEVEL) for name in peers
            ]
            adjusted = holm([one.p_value for one in found])
            for name, one, p_holm in zip(peers, found, adjusted, strict=True):
                keys = {"category": category, "budget": share, "candidate": candidate, "peer": name, "margin": margin}
                yield {"setting": setting.label, **keys, **asdict(one), "shown": bool(p_holm <= LEVEL)}


def report(cache: Path) -> pd.DataFrame:
    """Compare every setting that was measured."""
    rows: list[dict[str, object]] = []
    for folder in sorted(cache.iterdir()):
        city, cell, days = folder.name.rsplit("-", 2)
        rows += compared(Setting(city, int(cell[:-1]), int(days[:-1])), cache)
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Count per setting and candidate in how many comparisons it is shown to be no worse, and the worst one."""
    parts = []
    for (setting, scope, candidate), part in rows.assign(
        scope=np.where(rows["category"] == POOLED, POOLED, "one category")
    ).groupby(["setting", "scope", "candidate"], sort=False):
        worst = part.loc[part["difference"].idxmin()]
        below = part["difference"] < -part["margin"]
        parts.append(
            {
                "setting": setting,
                "scope": scope,
                "candidate": candidate,
                "comparisons": len(part),
                "shown": int(part["shown"].sum()),
                "point below margin": int(below.sum()),
                "least lower bound, %": round(100 * float(part["lower"].min()), 1),
                "worst difference, %": round(100 * float(worst["difference"]), 1),
                "against": f"{worst['peer']}, {worst['category']}, {100 * worst['budget']:g} %",
            }
        )
    return pd.DataFrame(parts)


def picture(rows: pd.DataFrame) -> Figure:
    """Draw the lower bounds of the pooled comparisons: right of the line a candidate is no worse than the margin."""
    pooled = rows[rows["category"] == POOLED]
    settings = list(dict.fromkeys(pooled["setting"]))
    width, height, gap = 1.75, 0.24 * len(settings) + 0.2, 0.18
    with figure_style():
        frame = framed(
            1.9 + len(CANDIDATES) * (width + gap), height + 0.75,
            title="Is a candidate ever materially worse than a baseline or another model?",
            subtitle="Lower 95 % bound of the relative difference in catch, all categories together; one dot per peer "
            "and budget (1, 2, 5 % of the area)",
            caption="Line: the margin of -2 %; dots beyond -8 and 12 % stand at the edge. Blue: no worse than it "
            "(Holm within a setting); orange: not shown.",
        )  # fmt: skip
        for i, candidate in enumerate(CANDIDATES):
            axes = frame.axes(1.9 + i * (width + gap), 0.5, width, height)
            own = pooled[pooled["candidate"] == candidate]
            place = np.array([len(settings) - 1 - settings.index(name) for name in own["setting"]], dtype=float)
            shift = np.array([0.2 * (BUDGETS.index(share) - 1) for share in own["budget"]])
            colours = np.where(own["shown"], BLUE, ACCENT)
            axes.scatter(100 * own["lower"].clip(-0.08, 0.12), place + shift, s=7, c=colours, linewidths=0)
            axes.axvline(-2, color=MUTED, linewidth=0.9)
            axes.set(xlim=(-8.5, 12.5), ylim=(-0.6, len(settings) - 0.4), yticks=[])
            axes.set_title(candidate, fontsize=8.5)
            axes.set_xlabel("%", fontsize=8)
            if i == 0:
                axes.set_yticks(range(len(settings)), settings[::-1])
                axes.tick_params(axis="y", labelsize=7.5, length=0)
    return frame.figure


def main() -> None:
    """Measure one setting, or report on all that were measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["measure", "report"])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--config")
    parser.add_argument("--cell", type=int, default=250)
    parser.add_argument("--horizon", type=int, choices=[1, 7], default=7)
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--slow", action="store_true", help="also forests and gradient boosting of chances")
    parser.add_argument("--root", type=Path, default=Path(), help="folder with the cleaned city below data/processed")
    parser.add_argument("--made", type=Path, help="folder of forecasts that benchmarks/forecasters.py --keep wrote")
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    if asked.what == "measure":
        city = City(load_settings(asked.config, {"root": str(asked.root), "grid": {"cell_size_m": asked.cell}}))
        setting = Setting(city.settings.city, asked.cell, asked.horizon)
        slow = SLOW if asked.slow else ()
        baselines = tuple(sorted(BASELINES))
        measure(city, setting, asked.models or (*baselines, *SINGLE, *slow), asked.cache, asked.made)
        return
    rows = report(asked.cache)
    with pd.option_context("display.width", 200, "display.max_rows", None, "display.max_columns", None):
        print(summary(rows).to_string(index=False))
    if asked.figure:
        picture(rows).savefig(asked.figure, dpi=150)
    print(json.dumps({"comparisons": len(rows), "shown": int(rows["shown"].sum())}))


if __name__ == "__main__":
    main()
