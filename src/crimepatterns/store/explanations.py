"""Explanations of forecasts as columns of the layer that holds the forecast."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.explanation import GROUPS, CellExplanation, Explanation
from crimepatterns.errors import ConfigError

__all__ = ["cells_explained", "explained_row", "explanation_columns"]

_DAYS = 7
_WITHOUT = f"without_last_{_DAYS}_days"


def explanation_columns(explanation: Explanation) -> dict[str, NDArray[np.float64]]:
    """Return ``from_<group>`` for each group and ``without_last_7_days``, each shape (n_cells,)."""
    parts = {_column(name): part for name, part in explanation.groups.items()}
    return {**parts, _WITHOUT: explanation.without_last_days(_DAYS)}


def cells_explained(
    layer: pd.DataFrame, facts: Mapping[str, Any], cell_ids: Sequence[str] = (), *, most: int = 5
) -> list[CellExplanation]:
    """Read from a stored forecast why it expects what it expects.

    Parameters
    ----------
    layer : DataFrame
        A layer of `crimepatterns.store.layers.write_forecast`.
    facts : mapping
        Its facts.
    cell_ids : sequence of str
        Cells to explain; without any, the `most` cells that expect most.
    most : int

    Returns
    -------
    list of CellExplanation
        Empty where the forecast carries no explanation.

    Raises
    ------
    ConfigError
        If there is no such cell.
    """
    if _WITHOUT not in layer:
        return []
    means = [name for name in layer if str(name).startswith("mean_")]
    told = pd.DataFrame(layer.drop(columns="geometry")).assign(expected=layer[means].sum(axis=1)).set_index("cell_id")
    unknown = [one for one in cell_ids if one not in told.index]
    if unknown:
        raise ConfigError(f"No cell {unknown[0]!r} in this forecast: ids look like {told.index[0]!r}.")
    # Equal cells are told apart by their id, so that the list never changes by chance.
    ranked = told.reset_index().sort_values(["expected", "cell_id"], ascending=[False, True])["cell_id"]
    mean_cell = float(told["expected"].mean())
    chosen = cell_ids or ranked.head(most).astype(str).tolist()
    rows = dict(zip(told.index.astype(str), told.to_dict("records"), strict=True))
    return [explained_row(one, rows[one], facts, mean_cell) for one in chosen]


def explained_row(cell_id: str, row: Mapping[Any, Any], facts: Mapping[str, Any], mean_cell: float) -> CellExplanation:
    """Explain one cell from its row of a stored forecast.

    Parameters
    ----------
    cell_id : str
    row : mapping
        ``neighbourhood``, ``expected`` and the columns of `explanation_columns`.
    facts : mapping
        Of the layer.
    mean_cell : float
        What the mean cell expects.
    """
    return CellExplanation(
        cell_id=cell_id,
        neighbourhood=str(row["neighbourhood"] or ""),
        category=facts["category"],
        model=facts["model"],
        start=pd.Timestamp(facts["edges"][0]),
        end=pd.Timestamp(facts["edges"][-1]),
        expected=float(row["expected"]),
        mean_cell=mean_cell,
        contributions=MappingProxyType({name: float(row[_column(name)]) for name in GROUPS}),
        without_days=_DAYS,
        without=float(row[_WITHOUT]),
        warning=str(facts.get("warning", "")),
    )


def _column(group: str) -> str:
    return f"from_{group.replace(' ', '_')}"
