"""Who is served: which champions have been replaced by their baseline, since when and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pandas as pd

from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.layout import Layout

__all__ = ["Retired", "keep_retirements", "read_retirements"]


@dataclass(frozen=True)
class Retired:
    """A champion that is not served.

    Parameters
    ----------
    model, baseline : str
        The champion, and what is served instead.
    since : str
        End of the period whose outcome decided, ISO 8601.
    reason : str
    """

    model: str
    baseline: str
    since: str
    reason: str

    def holds(self, model: str, cutoff: pd.Timestamp) -> bool:
        """Tell whether a forecast of that model from that day is to be replaced; earlier days are not."""
        return model == self.model and pd.Timestamp(self.since) <= cutoff

    @property
    def sentence(self) -> str:
        """In words."""
        return f"{self.model} is retired since {self.since[:10]} because {self.reason}; {self.baseline} is served."


def keep_retirements(layout: Layout, retired: Mapping[str, Retired]) -> None:
    """Write who is retired, by category."""
    write_json(layout.monitoring / "retirement.json", {name: asdict(one) for name, one in retired.items()})


def read_retirements(layout: Layout) -> dict[str, Retired]:
    """Read who is retired, by category; nobody before the first `crimepatterns monitor`.

    Raises
    ------
    ArtefactError
        If the file is damaged: nobody is put back into service silently.
    """
    path = layout.monitoring / "retirement.json"
    if not path.exists():
        return {}
    return {name: Retired(**facts) for name, facts in read_json(path).items()}
