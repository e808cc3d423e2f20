"""Do explanations name what a forecast rests on? What is named first is taken out of the record, and something else.

``python benchmarks/explanation.py --config config/cities/chicago.yaml --cells 40`` looks at cells drawn from the 5 %
that expect most and at as many of all others, per category, at the last origin of the select span. A city that has not
been cleaned, such as the embedded one, is made in a temporary folder.
"""

import argparse

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.protocols import ExplainingForecaster
from crimepatterns.evaluation.explanation_check import deletion_check
from crimepatterns.forecasts.additive_intensity import AdditiveIntensity
from forecasters import open_city


def measure(city: City, category: str, cells: int) -> pd.DataFrame:
    """Check busy and quiet cells of one category."""
    rng = np.random.default_rng(0)
    fold = city.spans[0].select[-1]
    history = city.archive.at(fold.cutoff, target=category)
    fitted = AdditiveIntensity().fit(history, rng=rng)
    assert isinstance(fitted, ExplainingForecaster)
    order = np.argsort(-fitted.predict(history, fold.test).mean.sum(axis=1), kind="stable")
    busy = len(order) // 20
    chosen = {"busiest 5 %": order[:busy], "all others": order[busy:]}
    parts = []
    for name, among in chosen.items():
        some = rng.choice(among, size=min(cells, len(among)), replace=False)
        found = deletion_check(fitted, history, fold.test, cells=some.tolist(), rng=rng)
        parts.append(found.assign(category=category, cells=name))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Parse the arguments and print the share of cells in which what was named first lowers the forecast more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config")
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    parser.add_argument("--cells", type=int, default=40)
    asked = parser.parse_args()
    city = open_city(asked.config, asked.changes)
    found = pd.concat([measure(city, category, asked.cells) for category in city.targets], ignore_index=True)
    found["right"] = found["fall_named"] > found["fall_other"]
    print(found.groupby(["category", "cells"], sort=False)["right"].agg(["mean", "size"]).round(3).to_string())
    print(found.groupby("named")["right"].agg(["mean", "size"]).round(3).to_string())
    print(f"all: {found['right'].mean():.3f} of {len(found)} cells")


if __name__ == "__main__":
    main()
