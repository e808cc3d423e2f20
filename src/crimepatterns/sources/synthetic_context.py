"""Context of the embedded city: its bars, transit stops, parks and homes, as an invented city hall publishes them.

Data sheet
----------
What : bars near the planted night life and along arterials, with the day each licence was granted and given up; transit
    stops near the planted transit places and every few blocks; the parks of the plan; homes by neighbourhood and year.
What drives what : hot places of kind night life and transit draw both incidents and these places, so that distance and
    density tell something true. The opening of a bar changes nothing by itself: no effect of a licence is planted.
Fields : ``bars`` (licence, granted, surrendered, seats), ``transit_stops`` (stop), ``parks`` (park), ``homes``
    (neighbourhood, counted, homes).
"""

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import HOT_KINDS
from crimepatterns.version import __version__

__all__ = ["EMBEDDED_LAYERS", "context_key", "embedded_layer"]

_STREAM = {"bars": 71, "transit_stops": 72, "parks": 73, "homes": 74}
_BARS_PER_PLACE = (6, 9.0)
_BARS_PER_KM2 = 0.5
_OPEN_AT_START = 0.7
_SURRENDERED = 0.15
_STOP_SPACING_M = 450.0
_HOMES_PER_ADDRESS = 4.2


def embedded_layer(city: SyntheticCity, name: str) -> gpd.GeoDataFrame:
    """Return a layer of the embedded city, in its reference system.

    Parameters
    ----------
    city : SyntheticCity
        The same city gives the same layer, bit for bit.
    name : str
        One of `EMBEDDED_LAYERS`.

    Raises
    ------
    SourceError
        If there is no such layer.
    """
    if name not in EMBEDDED_LAYERS:
        raise SourceError(f"The embedded city has no layer {name!r}: choose from {list(EMBEDDED_LAYERS)}.")
    return EMBEDDED_LAYERS[name](city, np.random.default_rng([city.seed, _STREAM[name]]))


def context_key(city: SyntheticCity, name: str) -> str:
    """Digest what makes a layer; sha256, 64 hex digits."""
    recipe = f"{name}|{city.city_class}|{city.seed}|{city.start}|{city.end}|{city.area.area_km2}|{__version__}"
    return hashlib.sha256(recipe.encode()).hexdigest()


def _bars(city: SyntheticCity, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Draw bars around the hot places of night life, and some along arterials."""
    hot = city.truth.hot_places()
    lively = hot.loc[hot["kind"] == HOT_KINDS[0]]
    x, y = _coordinates(city)
    arterial = city.streets["kind"].to_numpy(dtype=object)[_segments(city)] == "arterial"
    chosen = []
    for place in lively.itertuples():
        mass = np.exp(-((x - place.geometry.x) ** 2 + (y - place.geometry.y) ** 2) / (2 * place.radius_m**2))
        count = _BARS_PER_PLACE[0] + rng.poisson(_BARS_PER_PLACE[1] * place.weight)
        chosen.append(rng.choice(len(x), count, p=mass / mass.sum()))
    everywhere = np.where(arterial, 5.0, 1.0)
    chosen.append(rng.choice(len(x), round(_BARS_PER_KM2 * city.area.area_km2), p=everywhere / everywhere.sum()))
    at = np.concatenate(chosen)
    first, last = city.start.tz_localize(None).normalize(), city.end.tz_localize(None).normalize()
    days = (last - first).days
    granted = np.where(
        rng.random(len(at)) < _OPEN_AT_START, -rng.integers(30, 4_000, len(at)), rng.integers(1, days, len(at))
    )
    over = granted + rng.integers(200, 3_000, len(at))
    closes = (rng.random(len(at)) < _SURRENDERED) & (over > 0) & (over < days)
    surrendered = np.where(closes, _days(first, over), "")
    return gpd.GeoDataFrame(
        {
            "licence": [f"L{number:05d}" for number in range(1, len(at) + 1)],
            "granted": _days(first, granted),
            "surrendered": surrendered,
            "seats": rng.integers(3, 30, len(at)) * 5,
        },
        geometry=shapely.points(x[at], y[at]),
        crs=city.area.crs,
    )


def _transit_stops(city: SyntheticCity, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Put a stop at each transit place, and others along arterials, none nearer than a few blocks to another."""
    hot = city.truth.hot_places()
    x, y = _coordinates(city)
    arterial = city.streets["kind"].to_numpy(dtype=object)[_segments(city)] == "arterial"
    at_hot = [int(np.hypot(x - place.x, y - place.y).argmin()) for place in hot.loc[hot["kind"] == "transit"].geometry]
    kept: list[int] = list(dict.fromkeys(at_hot))
    for candidate in rng.permutation(np.flatnonzero(arterial)).tolist():
        apart = np.hypot(x[kept] - x[candidate], y[kept] - y[candidate]) if kept else np.array([np.inf])
        if apart.min() >= _STOP_SPACING_M:
            kept.append(candidate)
    return gpd.GeoDataFrame(
        {"stop": [f"S{number:04d}" for number in range(1, len(kept) + 1)]},
        geometry=shapely.points(x[kept], y[kept]),
        crs=city.area.crs,
    )


def _parks(city: SyntheticCity, rng: np.random.Generator) -> gpd.GeoDataFrame:  # noqa: ARG001  # nothing is drawn
    unbuilt = city.unbuilt
    parts = shapely.get_parts(unbuilt.loc[unbuilt["kind"] == "parks"].geometry.to_numpy())
    parts = parts[shapely.area(parts) > 0]
    return gpd.GeoDataFrame(
        {"park": [f"P{number:03d}" for number in range(1, len(parts) + 1)]}, geometry=parts, crs=city.area.crs
    )


def _homes(city: SyntheticCity, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Count homes by neighbourhood on each first of January, with the middle of the neighbourhood as geometry."""
    named = city.area.neighbourhoods
    addresses = city.places["neighbourhood"].value_counts().reindex(named["name"], fill_value=0).to_numpy()
    level = addresses * _HOMES_PER_ADDRESS * rng.uniform(0.8, 1.25, len(named))
    growth = rng.normal(0.01, 0.01, len(named))
    years = range(city.start.year - 1, city.end.year)
    parts = [
        gpd.GeoDataFrame(
            {
                "neighbourhood": named["name"].to_numpy(dtype=object),
                "counted": f"{year}-01-01",
                "homes": np.round(level * (1 + growth) ** step).astype(np.int64),
            },
            geometry=named.geometry.representative_point().to_numpy(),
            crs=city.area.crs,
        )
        for step, year in enumerate(years)
    ]
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=city.area.crs)


EMBEDDED_LAYERS: Mapping[str, Callable[[SyntheticCity, np.random.Generator], gpd.GeoDataFrame]] = MappingProxyType(
    {"bars": _bars, "transit_stops": _transit_stops, "parks": _parks, "homes": _homes}
)
"""Layers of the embedded city by the name that follows ``embedded:`` in the paths of a context layer."""


def _coordinates(city: SyntheticCity) -> tuple[np.ndarray, np.ndarray]:
    shapes = city.places.geometry
    return shapes.x.to_numpy(), shapes.y.to_numpy()


def _segments(city: SyntheticCity) -> np.ndarray:
    """Position of each address's street in the street table."""
    position = pd.Series(np.arange(len(city.streets)), index=city.streets["street_id"])
    return position.loc[city.places["street_id"]].to_numpy()


def _days(first: pd.Timestamp, offsets: np.ndarray) -> np.ndarray:
    return (np.datetime64(first, "D") + offsets.astype("timedelta64[D]")).astype(str)
