"""Past forecasts that are right on average, and counts drawn around them with known shared effects."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.folds import rolling
from crimepatterns.domain.grid import Grid
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.shared_effects import SharedEffects
from crimepatterns.evaluation.unions import area_index

PLANTED = SharedEffects(city=0.01, area=0.02, cell_linear=0.2, cell_square=0.1)
"""Standard deviations of 10 % of the city and 14 % of an area."""


def planted_grid(*, side: int = 5) -> Grid:
    """A square town of side x side quarters of 8 x 8 cells."""
    boxes = [
        shapely.box(x, y, x + 1600, y + 1600) for y in range(0, side * 1600, 1600) for x in range(0, side * 1600, 1600)
    ]
    names = [f"quarter {i:02d}" for i in range(len(boxes))]
    quarters = gpd.GeoDataFrame({"name": names}, geometry=boxes, crs="EPSG:32632")
    area = StudyArea("Town", shapely.box(0, 0, side * 1600, side * 1600), "EPSG:32632", "Europe/Berlin", quarters)
    return Grid.square(area, cell_size_m=200)


def planted_result(
    *,
    origins: int = 39,
    effects: SharedEffects = PLANTED,
    per_cell: float = 0.5,
    seed: int = 1,
    grid: Grid | None = None,
) -> BacktestResult:
    """A back-test whose model ``truth`` knows every cell's mean, with counts that share effects."""
    town = planted_grid() if grid is None else grid
    rng = np.random.default_rng(seed)
    areas, names = area_index(town)
    shape = (origins, len(town))
    mean = np.broadcast_to(rng.gamma(0.4, per_cell / 0.4, len(town)), shape) * rng.uniform(0.9, 1.1, (origins, 1))

    def multiplier(variance: float, size: tuple[int, ...]) -> np.ndarray:
        return rng.gamma(1 / variance, variance, size) if variance else np.ones(size)

    level = mean * multiplier(effects.city, (origins, 1)) * multiplier(effects.area, (origins, len(names)))[:, areas]
    extra = effects.cell_linear / level + effects.cell_square
    observed = rng.poisson(level * (rng.gamma(1 / extra) * extra if effects.cell_linear else 1.0))
    start = pd.Timestamp("2022-01-03", tz="Europe/Berlin")
    folds = rolling(start, start + pd.DateOffset(days=7 * (origins + 1)), horizon_days=7, origins=origins)
    before = np.vstack([observed[:1], observed[:-1]])
    flat = np.repeat(mean.mean(axis=1, keepdims=True), len(town), axis=1)
    bold = mean**1.3
    return BacktestResult(
        "theft",
        town,
        folds,
        {
            "truth": np.array(mean),
            "flat": flat,
            "bold": bold * mean.sum(axis=1, keepdims=True) / bold.sum(axis=1, keepdims=True),
        },
        {name: tuple({} for _ in folds) for name in ("truth", "flat", "bold")},
        observed.astype(np.int64),
        before.astype(np.int64),
        (0,) * origins,
    )
