"""Forecasts as they were issued, kept until their outcome is known, and the verdicts, a line each, for good."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crimepatterns.domain.forecast import Forecast
from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import append_line
from crimepatterns.store.layers import read_table, write_table
from crimepatterns.store.layout import Layout, slug

__all__ = ["IssuedForecast", "Verdict", "issued_forecasts", "keep_issued", "keep_verdict", "read_verdicts"]


@dataclass(frozen=True, eq=False)
class IssuedForecast:
    """One champion's forecast beside its baseline's, as they were issued.

    Parameters
    ----------
    category, champion, baseline : str
    cutoff, start, end : Timestamp
    cells : DataFrame, shape (n_cells, ...)
        ``cell_id, area_km2, expected, baseline``, and ``low, high`` where the champion gave an interval of 90 %.
    facts : mapping
        Grid, data digest and version.
    """

    category: str
    champion: str
    baseline: str
    cutoff: pd.Timestamp
    start: pd.Timestamp
    end: pd.Timestamp
    cells: pd.DataFrame
    facts: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What a verdict is about: category, champion and day of issue."""
        return self.category, self.champion, self.cutoff.isoformat()


@dataclass(frozen=True)
class Verdict:
    """What came of one issued forecast.

    Parameters
    ----------
    category, champion, baseline : str
    cutoff, start, end : str
        ISO 8601.
    known_until : str
        Up to when reports had come in as it was judged.
    expected, observed : float
        Incidents in the whole area.
    expected_hot, observed_hot : float
        In the cells that together hold half of what was expected.
    hits, baseline_hits, best : float
        Caught by the primary budget: by the champion, by the baseline, and at most.
    caught_both : float
        Incidents in cells that both selections cover.
    inside_interval, with_interval : int
        Hot cells whose count lay inside the champion's interval of 90 %, and all hot cells; 0 without intervals.
    deviance, baseline_deviance : float
        Poisson deviance over all cells.
    """

    category: str
    champion: str
    baseline: str
    cutoff: str
    start: str
    end: str
    known_until: str
    expected: float
    observed: float
    expected_hot: float
    observed_hot: float
    hits: float
    baseline_hits: float
    best: float
    caught_both: float
    inside_interval: int
    with_interval: int
    deviance: float
    baseline_deviance: float


def keep_issued(layout: Layout, champion: Forecast, baseline: Forecast, facts: dict[str, Any]) -> Path:
    """Keep a forecast until its outcome is known; the first one of a day, category and model stays as it is.

    A later run for the same day may know more, so what was issued first is what is judged.
    """
    name = f"{champion.issued_at:%Y-%m-%d}-{slug(champion.model)}.parquet"
    path = layout.issued / slug(champion.category) / name
    if path.exists():
        return path
    cells = pd.DataFrame(
        {
            "cell_id": champion.grid.ids.astype(str),
            "area_km2": champion.grid.area_km2,
            "expected": champion.mean.sum(axis=1),
            "baseline": baseline.mean.sum(axis=1),
        }
    )
    if len(champion.periods) == 1 and {0.05, 0.95} <= set(champion.quantiles):
        cells["low"], cells["high"] = champion.quantiles[0.05][:, 0], champion.quantiles[0.95][:, 0]
    own = {
        "kind": "issued forecast",
        "category": champion.category,
        "champion": champion.model,
        "baseline": baseline.model,
        "cutoff": champion.issued_at.isoformat(),
        "start": champion.periods.start.isoformat(),
        "end": champion.periods.end.isoformat(),
    }
    write_table(path, cells, {**facts, **own})
    return path


def issued_forecasts(layout: Layout, timezone: str) -> Iterator[IssuedForecast]:
    """Read all issued forecasts, category by category, the oldest first; one that is damaged is refused by name."""
    for path in sorted(layout.issued.glob("*/*.parquet")):
        cells, facts = read_table(path)
        try:
            cutoff, start, end = (pd.Timestamp(facts[name]).tz_convert(timezone) for name in ("cutoff", "start", "end"))
            yield IssuedForecast(
                facts["category"], facts["champion"], facts["baseline"], cutoff, start, end, cells, facts
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{path} is damaged ({error}): move it away; its forecast cannot be judged.") from error


def keep_verdict(layout: Layout, verdict: Verdict) -> None:
    """Append a verdict; it is on disk before this returns and is never changed."""
    append_line(_verdicts(layout), json.dumps(asdict(verdict), sort_keys=True))


def read_verdicts(layout: Layout) -> list[Verdict]:
    """Read all verdicts, the oldest forecast first.

    A line that was torn by a crash is left out: its forecast is judged again.
    """
    path = _verdicts(layout)
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Verdict(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return sorted(found, key=lambda one: (one.category, one.champion, one.start))


def _verdicts(layout: Layout) -> Path:
    return layout.issued / "verdicts.jsonl"
