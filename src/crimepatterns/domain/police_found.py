"""Categories that come to light because the police look: their maps show where police work, not where crime is."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import DISCOVERY, Incidents
from crimepatterns.errors import ConfigError

__all__ = ["found_by_arrest", "found_by_police", "marked_as_found", "police_warning"]

_REPORTED, _INITIATED = DISCOVERY
_MOSTLY = 0.5
_YES = frozenset({"true", "t", "yes", "y", "1"})
_NO = frozenset({"false", "f", "no", "n", "0"})


def found_by_arrest(table: pd.DataFrame, *, column: str) -> dict[str, float]:
    """Tell which categories mostly end in an arrest, for files that do not say how an incident came to light.

    What the police find usually has a suspect on the spot: of Chicago's records of 2018 every one about narcotics or
    prostitution ended in an arrest, and one in five about battery.

    Parameters
    ----------
    table : DataFrame, shape (n, >= 2)
        Incidents with ``category``.
    column : str
        Its column that says yes or no; other values are left out.

    Returns
    -------
    dict of str to float
        Share of arrests of each category in which it is at least a half.

    Raises
    ------
    ConfigError
        If the table has no such column, or it says neither yes nor no anywhere.
    """
    if column not in table:
        raise ConfigError(
            f"taxonomy.arrest_column names {column!r}, which the cleaned incidents lack: add it to columns.extra and "
            "run `crimepatterns clean`."
        )
    said = table[column].astype(str).str.strip().str.casefold()
    known = said.isin(_YES | _NO)
    if not known.any():
        raise ConfigError(f"taxonomy.arrest_column names {column!r}, which says neither yes nor no anywhere.")
    share = said[known].isin(_YES).groupby(table.loc[known, "category"].astype(str)).mean()
    return {str(name): float(value) for name, value in share.items() if value >= _MOSTLY}


def marked_as_found(incidents: Incidents, categories: Collection[str]) -> Incidents:
    """Mark every incident of some categories as police-initiated, so that no later step takes it for a report."""
    if not categories:
        return incidents
    table = incidents.table
    found = table["category"].isin(list(categories)).to_numpy()
    discovery = pd.Categorical(np.where(found, _INITIATED, table["discovery"].astype(str)), categories=DISCOVERY)
    return Incidents(table.assign(discovery=discovery), incidents.area, incidents.provenance)


def found_by_police(
    table: pd.DataFrame, *, named: Collection[str] = (), arrests: Mapping[str, float] | None = None
) -> dict[str, str]:
    """Tell which categories come to light mostly through police activity, and how that is known.

    Parameters
    ----------
    table : DataFrame, shape (n, >= 2)
        Incidents with ``category`` and ``discovery``.
    named : collection of str
        Categories that the settings name.
    arrests : mapping of str to float, optional
        Share of arrests of the categories that `found_by_arrest` tells.

    Returns
    -------
    dict of str to str
        Category to reason.
    """
    initiated = (table["discovery"] == _INITIATED).groupby(table["category"].astype(str)).mean()
    reasons: dict[str, str] = {}
    for name, share in initiated.items():
        category = str(name)
        if category in named:
            reasons[category] = "as taxonomy.police_initiated says"
        elif category in (arrests or {}):
            reasons[category] = f"{(arrests or {})[category] * 100:.0f} % of its records ended in an arrest"
        elif share > _MOSTLY:
            reasons[category] = f"{share * 100:.0f} % of its records were found by police activity"
    return reasons


def police_warning(category: str, reason: str) -> str:
    """Say what must be kept in mind wherever such a category is forecast, scored or planned for.

    Lum & Isaac 2016, https://doi.org/10.1111/j.1740-9713.2016.00960.x
    """
    return (
        f"Warning: {category} comes to light mostly because the police look ({reason}). What is shown is where police "
        "have been, not where it happens; patrols sent by it find more of it there. Do not plan by it."
    )
