"""Which stretch of time an analysis looks at."""

from dataclasses import dataclass

import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError

__all__ = ["Window", "last_days"]


@dataclass(frozen=True)
class Window:
    """A half-open span of civil time.

    Parameters
    ----------
    start, end : Timestamp
        ``[start, end)``, time-zone aware.
    """

    start: pd.Timestamp
    end: pd.Timestamp

    def of(self, incidents: Incidents) -> Incidents:
        """Return the incidents in the window that were known at its end."""
        return incidents.between(self.start, self.end)

    def __str__(self) -> str:
        """Name the first and the last day, both included."""
        last = self.end - pd.Timedelta(microseconds=1)
        return f"{_day(self.start)} to {_day(last)}"


def last_days(incidents: Incidents, *, days: int) -> Window:
    """Take the last so many civil days up to the end of the last day on record.

    Where times are known only to the month, the window ends with that month. It never begins before the record does.

    Raises
    ------
    PatternError
        If there are no incidents.
    """
    if len(incidents) == 0:
        raise PatternError("A window needs at least one incident, got none: check the cleaning report.")
    table = incidents.table
    latest = table["occurred_from"].max()
    end = latest.normalize() + pd.DateOffset(days=1)
    if (table["time_precision"] == "month").any():
        end = max(end, table["occurred_until"].max().normalize())
    return Window(max(end - pd.DateOffset(days=days), table["occurred_from"].min().normalize()), end)


def _day(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%b %Y}"
