"""A town with behaviour columns in which series are planted, and the same town with its labels shuffled."""

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.cards_fields import BehaviourColumns

__all__ = ["COLUMNS", "LABELS", "PlantedTown", "planted_town", "shuffled"]

COLUMNS = BehaviourColumns(method="method", premise="premise", property="property")
LABELS = ["category", "offence", "method", "premise", "property"]

_CRS, _ZONE = "EPSG:32616", "America/Chicago"
_SIDE_M = 10_000.0
_END = pd.Timestamp("2025-01-01")
_CATEGORIES = np.array(["burglary", "theft", "robbery", "damage", "assault"], dtype=object)


@dataclass(frozen=True, eq=False)
class PlantedTown:
    """The incidents, and the ids of the events of each planted series in order of time."""

    incidents: Incidents = field(repr=False)
    series: tuple[tuple[str, ...], ...]


def planted_town(
    *, series: int, background: int = 6_000, days: int = 365, within: int = 160, seed: int = 0
) -> PlantedTown:
    """Plant series of 5 to 8 events in the last `within` days: near, weeks apart, mostly alike in behaviour."""
    rng = np.random.default_rng(seed)
    columns = _background(rng, background, days)
    planted, parts = [], []
    for number in range(series):
        part = _series(rng, within)
        planted.append(tuple(f"s{number}-{k}" for k in range(len(part))))
        parts.append(part.assign(id=planted[-1]))
    frame = pd.concat([columns, *parts], ignore_index=True)
    frame["x"], frame["y"] = frame["x"].clip(1, _SIDE_M - 1), frame["y"].clip(1, _SIDE_M - 1)
    local = pd.DatetimeIndex(frame.pop("time")).as_unit("us")
    times = local.tz_localize(_ZONE, nonexistent="shift_forward", ambiguous=np.full(len(local), fill_value=True))
    stamps = pd.Series(times)
    frame = frame.assign(
        occurred_from=stamps,
        occurred_until=stamps,
        known_at=stamps,
        time_precision="minute",
        offence=frame["category"],
        discovery="reported",
        source="planted",
    )
    return PlantedTown(Incidents(frame, _town()), tuple(planted))


def shuffled(incidents: Incidents, seed: int) -> Incidents:
    """Deal category and behaviour out anew among all incidents: nothing is left to find."""
    table = incidents.table.copy()
    order = np.random.default_rng(seed).permutation(len(table))
    table[LABELS] = table[LABELS].iloc[order].to_numpy()
    return Incidents(table, incidents.area)


def _town() -> StudyArea:
    step = _SIDE_M / 4
    cells = [(i, j) for i in range(4) for j in range(4)]
    quarters = gpd.GeoDataFrame(
        {"name": [f"Quarter {i}{j}" for i, j in cells]},
        geometry=[shapely.box(i * step, j * step, (i + 1) * step, (j + 1) * step) for i, j in cells],
        crs=_CRS,
    )
    return StudyArea("Plantingen", shapely.box(0, 0, _SIDE_M, _SIDE_M), _CRS, _ZONE, quarters)


def _values(rng: np.random.Generator, name: str, count: int, size: int) -> np.ndarray:
    """Draw values with the frequencies of a Zipf law: a few are common, most are rare."""
    share = 1.0 / np.arange(1, count + 1)
    return np.array([f"{name} {k}" for k in rng.choice(count, size, p=share / share.sum())], dtype=object)


def _background(rng: np.random.Generator, size: int, days: int) -> pd.DataFrame:
    centres, own = rng.uniform(0, _SIDE_M, (25, 2)), rng.integers(0, 25, 3_000)
    addresses = np.where(
        rng.random((3_000, 1)) < 0.5, rng.uniform(0, _SIDE_M, (3_000, 2)), centres[own] + rng.normal(0, 300, (3_000, 2))
    )
    weight = rng.pareto(2.0, 3_000) + 0.2
    place = addresses[rng.choice(3_000, size, p=weight / weight.sum())]
    category = rng.choice(_CATEGORIES, size, p=[0.2, 0.4, 0.1, 0.15, 0.15])
    minutes = rng.integers(0, days * 1_440, size)
    return pd.DataFrame(
        {
            "id": [f"b{k}" for k in range(size)],
            "x": place[:, 0],
            "y": place[:, 1],
            "time": _END - pd.Timedelta(days=days) + pd.to_timedelta(minutes, unit="min"),
            "category": category,
            "method": category + " by " + _values(rng, "way", 12, size),
            "premise": _values(rng, "place", 8, size),
            "property": _values(rng, "goods", 10, size),
        }
    )


def _series(rng: np.random.Generator, within: int) -> pd.DataFrame:
    size = int(rng.integers(5, 9))
    gaps = rng.gamma(1.5, 3.5 / 1.5, size - 1)
    start = rng.uniform(0, within - gaps.sum())
    moment = start + np.concatenate([[0.0], np.cumsum(gaps)])
    centre = rng.uniform(800, _SIDE_M - 800, 2)
    category = str(rng.choice(_CATEGORIES[:4]))
    habits = {"method": (12, f"{category} by way", 0.9), "premise": (8, "place", 0.8), "property": (10, "goods", 0.9)}
    values = {}
    for name, (count, word, kept) in habits.items():
        own = f"{word} {rng.integers(0, count)}"
        other = np.array([f"{word} {k}" for k in rng.integers(0, count, size)], dtype=object)
        values[name] = np.where(rng.random(size) < kept, own, other)
    return pd.DataFrame(
        {
            "x": centre[0] + rng.normal(0, 300, size),
            "y": centre[1] + rng.normal(0, 300, size),
            "time": _END - pd.Timedelta(days=within) + pd.to_timedelta((moment * 1_440).round(), unit="min"),
            "category": category,
            **values,
        }
    )
