"""Pool the categories of a stored back-test: deviance and catch of every model and of the champions, beside the counts.

``python benchmarks/pooled.py --config config/cities/chicago.yaml --span judge`` reads what ``crimepatterns evaluate``
(or ``evaluate --report`` for the judge span) has left. Intervals are 95 %, paired over origins. It opens nothing: a
span that was not evaluated is not there to be read.
"""

import argparse
import json

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.evaluation.comparison import compare
from crimepatterns.evaluation.hotspot_metrics import catch
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecasts.registry import BASELINES

BUDGETS = tuple(Budget(area_share=share) for share in (0.01, 0.02, 0.05))
FACTS = ("category", "cutoff", "cell_id", "observed")


def main() -> None:
    """Read one span and print a line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--span", choices=("select", "judge"), default="select")
    asked = parser.parse_args()
    city = City(load_settings(asked.config, {}))
    folder = city.layout.evaluation / asked.span
    table = pd.read_parquet(folder / "backtest.parquet")
    chosen = json.loads((folder / "champions.json").read_text(encoding="utf-8"))
    models = [name for name in table.columns if name not in FACTS]
    table["champions"] = np.nan
    for category, model in chosen.items():
        rows = table["category"] == category
        table.loc[rows, "champions"] = table.loc[rows, model]

    cells, areas = len(city.grid), city.grid.area_km2
    lost: dict[str, np.ndarray] = {}
    hits: dict[tuple[str, Budget], np.ndarray] = {}
    best: dict[Budget, np.ndarray] = {}
    for _, part in table.groupby("category", sort=False, observed=True):
        observed = part["observed"].to_numpy().reshape(-1, cells)
        for name in [*models, "champions"]:
            expected = part[name].to_numpy(float).reshape(-1, cells)
            lost[name] = lost.get(name, 0.0) + poisson_deviance(expected, observed).sum(axis=1)
            for budget in BUDGETS:
                found = [catch(mean, count, areas, budget) for mean, count in zip(expected, observed, strict=True)]
                hits[name, budget] = hits.get((name, budget), 0.0) + np.array([one.hits for one in found])
                if name == "champions":
                    best[budget] = best.get(budget, 0.0) + np.array([one.best for one in found])

    for name in [*models, "champions"]:
        line = f"{name:<24}"
        if np.isfinite(lost[name]).all():
            found = compare(lost[name], lost["count_eb"], lost["count_eb"], higher_is_better=False)
            saved = (-100 * found.difference, -100 * found.upper, -100 * found.lower)
            line += "deviance saved {:+.2f} % ({:+.2f} to {:+.2f})".format(*saved)
        for budget in BUDGETS:
            counts = [one for one in models if one in BASELINES]
            baseline = max(counts, key=lambda one, at=budget: hits[one, at].sum())
            plain = hits[baseline, budget].sum() / best[budget].sum()
            found = compare(hits[name, budget], hits[baseline, budget], best[budget], higher_is_better=True)
            gain = [100 * value / plain for value in (found.difference, found.lower, found.upper)]
            share = 100 * hits[name, budget].sum() / best[budget].sum()
            line += f" | {budget.label}: PEI {share:.1f} %, " + "{:+.2f} % ({:+.2f} to {:+.2f})".format(*gain)
            line += f" of {baseline}"
        print(line)


if __name__ == "__main__":
    main()
