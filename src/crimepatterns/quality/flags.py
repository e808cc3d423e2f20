"""What later stages know of the honesty report: which flags are up, and which rows they concern."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import ArtefactError
from crimepatterns.quality.leave_out import affected_rows

__all__ = ["Flags", "without_doubted_hours"]


@dataclass(frozen=True)
class Flags:
    """The flags of one city; none where its records were never checked.

    Parameters
    ----------
    raised : mapping of str to mapping
        As under ``flags`` in ``honesty.json``: severity, share, found and rule of each.
    checked : bool
        Whether there is a report.
    """

    raised: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    checked: bool = False

    @classmethod
    def of_report(cls, report: Mapping[str, Any]) -> "Flags":
        """Take the flags out of a report.

        Raises
        ------
        ArtefactError
            If the report lacks them.
        """
        try:
            return cls(MappingProxyType({str(name): dict(facts) for name, facts in report["flags"].items()}), True)
        except (KeyError, AttributeError, TypeError) as error:
            raise ArtefactError("honesty.json is damaged: run `crimepatterns check --force`.") from error

    def __contains__(self, name: str) -> bool:
        return name in self.raised

    def severity(self, name: str) -> str:
        """Return how grave a flag is; ``ok`` where it is not raised."""
        return str(self.raised[name]["severity"]) if name in self.raised else "ok"

    def note(self, name: str) -> str:
        """Return what the report says under a flag, as one sentence; empty where it is not raised."""
        return str(self.raised[name]["found"]) if name in self.raised else ""

    def rules(self, names: Iterable[str]) -> list[Mapping[str, Any]]:
        """Rules that find the rows of some flags again; flags that are not raised or have none are passed over."""
        return [self.raised[name]["rule"] for name in names if name in self.raised and self.raised[name].get("rule")]

    def complete_until(self, timezone: str) -> pd.Timestamp | None:
        """First moment after which the record is not complete yet; None where nothing says so."""
        day = self.raised.get("recent_weeks_incomplete", {}).get("complete_until")
        return None if day is None else pd.Timestamp(day).tz_localize(timezone)


def without_doubted_hours(incidents: Incidents, flags: Flags) -> Incidents:
    """Take the hour away from incidents whose hour was filled in, where ``hours_unreliable`` is raised.

    They stay in the table, known to the day: everything that needs an hour passes them over, everything else counts
    them.
    """
    rules = flags.rules(("midnight_spike", "noon_spike")) if "hours_unreliable" in flags else []
    if not rules:
        return incidents
    doubted = np.logical_or.reduce([affected_rows(incidents, rule) for rule in rules])
    precision = incidents.table["time_precision"].astype(str).where(~doubted, "date")
    table = incidents.table.assign(time_precision=precision.astype("category"))
    return Incidents(table, incidents.area, incidents.provenance)
