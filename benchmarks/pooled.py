"""Pool the categories of a stored back-test: deviance and catch of every model and of the champions, beside the counts.

``python benchmarks/pooled.py --config config/cities/chicago.yaml --span judge`` reads what ``crimepatterns evaluate``
(or ``evaluate --report`` for the judge span) has left. Intervals are 95 %, paired over origins. It opens nothing: a
span that was not evaluated is not there to be read.
"""

import argparse
import json
from dataclasses import dataclass, field

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


@dataclass
class Pooled:
    """Sums over categories, one entry per origin.

    Parameters
    ----------
    lost : dict of str to ndarray
        Deviance by model.
    hits : dict of (str, Budget) to ndarray
    best : dict of Budget to ndarray
        Best possible catch.
    """

    lost: dict[str, np.ndarray] = field(default_factory=dict)
    hits: dict[tuple[str, Budget], np.ndarray] = field(default_factory=dict)
    best: dict[Budget, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, expected: np.ndarray, observed: np.ndarray, areas: np.ndarray) -> None:
        """Add one category as forecast by one model; both have the shape (n_origins, n_cells)."""
        self.lost[name] = self.lost.get(name, 0.0) + poisson_deviance(expected, observed).sum(axis=1)
        for budget in BUDGETS:
            found = [catch(mean, count, areas, budget) for mean, count in zip(expected, observed, strict=True)]
            self.hits[name, budget] = self.hits.get((name, budget), 0.0) + np.array([one.hits for one in found])
            if name == "champions":  # the best catch is the same for every model
                self.best[budget] = self.best.get(budget, 0.0) + np.array([one.best for one in found])

    def line(self, name: str, counts: list[str]) -> str:
        """Tell one model beside the shrunk count, and beside the best of the plain counts."""
        line = f"{name:<24}"
        if np.isfinite(self.lost[name]).all():
            count = self.lost["count_eb"]
            found = compare(self.lost[name], count, count, higher_is_better=False)
            saved = (-100 * found.difference, -100 * found.upper, -100 * found.lower)
            line += "deviance saved {:+.2f} % ({:+.2f} to {:+.2f})".format(*saved)
        for budget, best in self.best.items():
            baseline = max(counts, key=lambda one, at=budget: self.hits[one, at].sum())
            plain = self.hits[baseline, budget].sum() / best.sum()
            found = compare(self.hits[name, budget], self.hits[baseline, budget], best, higher_is_better=True)
            gain = [100 * value / plain for value in (found.difference, found.lower, found.upper)]
            share = 100 * self.hits[name, budget].sum() / best.sum()
            line += f" | {budget.label}: PEI {share:.1f} %, " + "{:+.2f} % ({:+.2f} to {:+.2f})".format(*gain)
            line += f" of {baseline}"
        return line


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
    pooled, cells = Pooled(), len(city.grid)
    for _, part in table.groupby("category", sort=False, observed=True):
        observed = part["observed"].to_numpy().reshape(-1, cells)
        for name in [*models, "champions"]:
            pooled.add(name, part[name].to_numpy(float).reshape(-1, cells), observed, city.grid.area_km2)
    counts = [name for name in models if name in BASELINES]
    for name in [*models, "champions"]:
        print(pooled.line(name, counts))


if __name__ == "__main__":
    main()
