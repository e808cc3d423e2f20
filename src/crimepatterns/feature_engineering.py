"""Stage: counts and features per cell, as a learner sees them; also as plain functions for a notebook."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.features.design import design_matrix
from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.layers import write_layer
from crimepatterns.store.layout import slug

__all__ = ["build_features", "count_panel", "engineer_features"]


def count_panel(incidents: Incidents, grid: Grid, *, days: int = 7, categories: Sequence[str] | None = None) -> Panel:
    """Count incidents per category, cell and period, back from the last day with an incident.

    Parameters
    ----------
    incidents : Incidents
    grid : Grid
    days : int
        Length of a period, civil days.
    categories : sequence of str, optional
        All of them where left out.

    Returns
    -------
    Panel
        Whole periods only; a first, incomplete one is left out.

    Raises
    ------
    DomainError
        If there is not one whole period.
    """
    archive = Archive(incidents, grid, days)
    span = (archive.end.tz_localize(None) - archive.start.tz_localize(None)).days
    periods = Periods.ending_at(archive.end, days=days, count=max(span // days, 0))
    return Panel.count(incidents, grid, periods, categories=categories)


def build_features(
    history: History,
    *,
    covariates: pd.DataFrame | None = None,
    roles: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Describe every cell by the features from which the next period is forecast.

    Parameters
    ----------
    history : History
        Such as ``City(settings).archive.at(cutoff, target="burglary")``.
    covariates : DataFrame, shape (n_cells, n), optional
        Further facts about the cells, in the order of the grid.
    roles : mapping of str to str, optional
        Role of each covariate; ``audit`` is refused.

    Returns
    -------
    DataFrame of float32, shape (n_cells, n_features)
        Indexed by cell id.

    Raises
    ------
    ForecastError
        If a covariate is about race, ethnicity, religion, nationality or income, or has the role audit.
    """
    table = design_matrix(history, covariates=covariates, roles=roles)
    return table.set_axis(pd.Index(history.grid.ids.astype(str), name="cell_id"))


def engineer_features(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Write the features of every category as they stand on the last day, as map layers for inspection.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        ``cutoff``, ``features`` (names per category) and ``outputs``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """
    city = City(settings)
    cutoff, home = city.archive.end, city.layout.results / "features"
    names: dict[str, list[str]] = {}
    outputs = []
    with replacing_folder(home) as folder:
        for step, category in enumerate(city.targets):
            progress(f"Building features of {category}", step, len(city.targets))
            table = build_features(city.archive.at(cutoff, target=category))
            layer = city.grid.to_geodataframe().merge(table, left_on="cell_id", right_index=True, validate="1:1")
            write_layer(
                folder / f"{slug(category)}.parquet",
                layer,
                {
                    "kind": "features",
                    "category": category,
                    "cutoff": cutoff.isoformat(),
                    "features": list(table.columns),
                },
            )
            names[category] = [str(name) for name in table.columns]
            outputs.append(str((home / f"{slug(category)}.parquet").relative_to(settings.root)))
    progress("Building features", len(city.targets), len(city.targets))
    return {"cutoff": cutoff.isoformat(), "features": names, "outputs": outputs}
