"""What a forecast reads, digested under names that a person understands."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version as library_version

import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import ModelError
from crimepatterns.store.digests import monthly_digests, sha256_file
from crimepatterns.store.models import find_version
from crimepatterns.version import __version__

__all__ = ["FORECAST_SETTINGS", "code_in_use", "differences", "inputs_of"]

FORECAST_SETTINGS: frozenset[str] = frozenset(
    {"city", "title", "timezone", "crs", "grid", "forecast", "evaluation", "taxonomy", "context"}
)
"""Sections of the settings that decide what is forecast; where records come from shows in their digests."""

_LIBRARIES = (
    *("numpy", "scipy", "pandas", "pyarrow", "geopandas", "shapely", "pyproj"),
    *("scikit-learn", "skops", "threadpoolctl"),
)
_ABSENT = "not there"


def inputs_of(city: City, cutoff: pd.Timestamp, models: Mapping[str, str]) -> dict[str, str]:
    """Digest everything that a forecast from `cutoff` reads.

    Parameters
    ----------
    city : City
    cutoff : Timestamp
    models : mapping of str to str
        Version of every stored model, by name; empty for one that is fitted for the forecast.

    Returns
    -------
    dict of str to str
        Incidents month by month as they were known at the cutoff, so that a later record changes nothing and a
        changed one is found; study area, context, stored models.
    """
    months = monthly_digests(city.incidents.as_of(cutoff).table)
    known = None if city.covariates is None else city.covariates.as_of(cutoff)
    return {
        **{f"incidents of {month}": digest for month, digest in months.items()},
        "study area": _area_digest(city.area),
        **({} if city.settings.grid.polygons is None else {"grid": _grid_digest(city.grid)}),
        "context": _ABSENT if known is None else known.digest,
        **_doubted_hours(city),
        **_harm(city),
        **{f"model {name}": _model_digest(city, name, version) for name, version in models.items() if version},
    }


def code_in_use() -> dict[str, str]:
    """Name the versions of everything that computes or writes a forecast."""
    return {
        "crimepatterns": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: library_version(name) for name in _LIBRARIES},
    }


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say in words what is not as it was; empty where all is.

    Examples
    --------
    >>> differences({"numpy": "2.1", "context": "ab"}, {"numpy": "2.2", "context": "ab"})
    ['numpy (2.1 then, 2.2 now)']
    """
    names = dict.fromkeys((*then, *now))
    return [
        f"{name} ({then.get(name, _ABSENT)} then, {now.get(name, _ABSENT)} now)"
        for name in names
        if then.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]


def _doubted_hours(city: City) -> dict[str, str]:
    """Digest the rules by which hours are doubted, which the forecast by shift leaves out."""
    rules = city.flags.rules(("midnight_spike", "noon_spike")) if "hours_unreliable" in city.flags else []
    told = json.dumps(rules, sort_keys=True, default=str)
    return {"doubted hours": hashlib.sha256(told.encode()).hexdigest()[:16]} if rules else {}


def _harm(city: City) -> dict[str, str]:
    """Digest the harm weights: a table of the user's own can change under its name."""
    if city.harm is None:
        return {}
    told = json.dumps([dict(city.harm.by_category), dict(city.harm.by_offence), city.harm.unit], sort_keys=True)
    return {"harm weights": hashlib.sha256(told.encode()).hexdigest()[:16]}


def _area_digest(area: StudyArea) -> str:
    digest = hashlib.sha256(f"{area.crs} {area.timezone} ".encode() + area.polygon.wkb)
    for row in area.neighbourhoods.itertuples(index=False):
        digest.update(f"{row.name} ".encode() + row.geometry.wkb)
    return digest.hexdigest()[:16]


def _grid_digest(grid: Grid) -> str:
    digest = hashlib.sha256()
    for name, shape in zip(grid.ids, grid.cells.geometry, strict=True):
        digest.update(f"{name} ".encode() + shape.wkb)
    return digest.hexdigest()[:16]


def _model_digest(city: City, name: str, version: str) -> str:
    """Digest a model's manifest, which holds the digests of its files; reading the model checks them."""
    try:
        folder = find_version(city.layout.models, name, version)
    except ModelError:
        return _ABSENT
    return f"{version}, {sha256_file(folder / 'manifest.json')[:16]}"
