"""Why a cell expects what it expects, from what the forecast stored about itself."""

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.model_server.snapshot import Snapshot
from crimepatterns.serving.model_server.tables import ForecastTable
from crimepatterns.serving.payloads import Payload, json_payload

__all__ = ["explanation_payload"]


def explanation_payload(snapshot: Snapshot, category: str, cell: str) -> Payload:
    """Explain a cell by the champion, or by another model where the champion cannot tell; the answer names its model.

    Raises
    ------
    UnknownNameError
        If there is no such category or cell.
    MissingInputError
        If no model of the forecast can explain itself.
    """
    from crimepatterns.store.explanations import explained_row

    table = _telling(snapshot, category)
    row = table.cells.place.get(cell)
    if row is None:
        raise UnknownNameError(f"No cell {cell[:60]!r} in this forecast: ids look like {table.cells.ids[0]!r}.")
    values = {
        "neighbourhood": table.cells.neighbourhood[row],
        "expected": float(table.expected[row]),
        **{name: float(column[row]) for name, column in table.explained.items()},
    }
    told = explained_row(cell, values, table.facts, float(table.expected.mean()))
    return json_payload({"run": snapshot.run, **told.to_json()})


def _telling(snapshot: Snapshot, category: str) -> ForecastTable:
    champion = snapshot.table(category)
    found = next((one for one in (champion, *snapshot.tables[category].values()) if one.explained), None)
    if found is None:
        raise MissingInputError(
            f"No model of the last forecast of {champion.category} can tell what it is made of: "
            "add additive_intensity to forecast.models and run `crimepatterns forecast`."
        )
    return found
