"""How far a stored forecast looks ahead."""

from datetime import datetime

from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.model_server.tables import ForecastTable

__all__ = ["check_horizon", "horizon_of"]


def horizon_of(table: ForecastTable) -> int:
    """Return the length of a forecast, in civil days."""
    first, last = (datetime.fromisoformat(str(table.facts["edges"][at])) for at in (0, -1))
    return (last.date() - first.date()).days


def check_horizon(table: ForecastTable, wanted: int | None) -> None:
    """Refuse a request for another length than the stored one: a forecast is not stretched.

    Raises
    ------
    UnknownNameError
        If it is another; the message says how to make it.
    """
    there = horizon_of(table)
    if wanted is not None and wanted != there:
        raise UnknownNameError(
            f"The stored forecast of {table.category} is for {there} days, not {wanted}: run "
            f"`crimepatterns forecast --set forecast.horizon_days={wanted}` for another."
        )
