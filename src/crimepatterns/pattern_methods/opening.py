"""What the settings of patterns name beside the incidents: filters, weights, a denominator, streets."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.config import PatternSettings
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.segments import Segments
from crimepatterns.errors import ConfigError, DomainError, NotApplicableError, PatternError
from crimepatterns.patterns.filters import by_domestic, by_premise
from crimepatterns.patterns.hour_weights import hour_weights
from crimepatterns.sources.street_file import read_streets

__all__ = ["denominator_of", "denominator_words", "filtered", "open_segments", "weights_of"]

_EMBEDDED = "embedded:streets"


def filtered(incidents: Incidents, wanted: PatternSettings) -> tuple[Incidents, tuple[str, ...]]:
    """Keep incidents by premise and by the domestic mark, as the settings ask; also say what that left out.

    Raises
    ------
    PatternError
        If the file has no such column or values, or nothing is left.
    """
    told: list[str] = []
    for keep in wanted.filter:
        if keep == "domestic" or keep == "not domestic":  # noqa: PLR1714  # types are told apart by comparison only
            found = by_domestic(incidents, column=wanted.domestic_column or "", keep=keep)
        else:
            found = by_premise(
                incidents, column=wanted.premise_column or "", indoor=wanted.indoor, outdoor=wanted.outdoor, keep=keep
            )
        incidents = found.incidents
        told.append(found.sentence())
        if not len(incidents):
            raise PatternError(f"Nothing is left to analyse: {' '.join(told)} Change patterns.filter or its values.")
    return incidents, tuple(told)


def weights_of(incidents: Incidents, city: City) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Weigh incidents by harm and hours, as the settings ask; None where they count as one each.

    Raises
    ------
    ConfigError
        If there is no table of harm.
    """
    wanted = city.settings.patterns
    if not wanted.weights:
        return None, ()
    weights, told = np.ones(len(incidents)), []
    if "harm" in wanted.weights:
        if city.harm is None:
            raise ConfigError("patterns.weights names harm, but there is no table of it: set taxonomy.harm.")
        weighed = city.harm.of(incidents)
        weights *= np.nan_to_num(weighed.weights)
        told.append(str(weighed))
    if "hours" in wanted.weights:
        within = hour_weights(incidents.table, str(wanted.hours))
        weights *= within.weights
        told.append(str(within))
    return weights, tuple(told)


def denominator_of(city: City, known_by: pd.Timestamp) -> NDArray[np.float64]:
    """Return what could have been hit in each cell, as last known before a moment.

    Raises
    ------
    ConfigError
        If no context layer has the column of the settings.
    """
    name = city.settings.patterns.denominator
    columns = {column.name: column for layer in city.context.values() for column in layer}
    if name not in columns:
        raise ConfigError(
            f"patterns.denominator {name!r} is no column of a context layer; there are {sorted(columns)}: add a layer "
            "with how: [total] or [count] (docs/context.md)."
        )
    values = columns[name].as_of(known_by).newest.astype(float)
    return np.maximum(np.nan_to_num(values), 0.0)


def denominator_words(name: str | None) -> str:
    """Turn the name of a column into words: ``homes_homes_total`` into ``homes``."""
    words = str(name).removesuffix("_total").removesuffix("_count").split("_")
    return " ".join(dict.fromkeys(words))


def open_segments(city: City) -> Segments:
    """Read the streets of the settings and cut them into segments.

    Raises
    ------
    NotApplicableError
        If the settings name none.
    ConfigError
        If the file holds no street in the study area.
    """
    wanted = city.settings.patterns
    if wanted.streets is None:
        raise NotApplicableError("No street lines: set patterns.streets to a file of them.")
    lines = (
        _embedded(city)
        if wanted.streets == _EMBEDDED
        else read_streets(Path(wanted.streets), id_column=wanted.streets_id)
    )
    try:
        return Segments.from_lines(city.area, lines, id_column="street_id", max_length_m=wanted.segment_m)
    except DomainError as error:
        raise ConfigError(f"patterns.streets {wanted.streets}: {error}") from error


def _embedded(city: City) -> gpd.GeoDataFrame:
    from crimepatterns.sources.synthetic import SyntheticCity

    source = city.settings.source
    if source.kind != "synthetic":
        raise ConfigError(f"patterns.streets {_EMBEDDED} belongs to the embedded city, source.kind is {source.kind}.")
    synthetic = SyntheticCity(
        city_class=source.city_class, incidents=source.incidents, years=source.years, seed=source.seed,
        timezone=city.settings.timezone,
    )  # fmt: skip
    streets = synthetic.streets
    return streets.assign(street_id=streets["street_id"].astype(str))[["street_id", "geometry"]]
