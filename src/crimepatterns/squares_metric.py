"""Stage: the ST-HSL measure on a city, for plain counts and the constant one; it describes and never chooses."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import NotApplicableError
from crimepatterns.evaluation.st_hsl import rolling_means, square_errors

__all__ = ["score_squares"]

_CELL_M, _DAYS = 3_000.0, 92


def score_squares(settings: Settings) -> dict[str, Any]:
    """Score plain counts and the constant one on 3-km squares and the last 92 days, as ST-SHN and ST-HSL do.

    These days overlap the judge span, so nothing that was chosen or learned is scored here.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    dict
        ``city``, ``categories``, ``squares``, ``first_day``, ``last_day``, ``scores`` (by forecast) and ``sentence``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    NotApplicableError
        If the record is no longer than the days that are scored.
    """
    city = City(settings)
    archive, targets = city.archive, city.targets
    length = (archive.end.tz_localize(None) - archive.start.tz_localize(None)).days
    if length <= _DAYS:
        raise NotApplicableError(f"The ST-HSL measure looks at the last {_DAYS} days; the record has {length}.")
    grid = Grid.square(city.area, cell_size_m=_CELL_M)
    periods = Periods.ending_at(archive.end, days=1, count=length)
    counts = Panel.count(city.incidents, grid, periods, categories=targets).counts
    truth = counts[..., -_DAYS:]
    made = rolling_means(counts, days=_DAYS, recent=settings.forecast.recent_days)
    scores = {name: asdict(square_errors(one, truth)) for name, one in made.items()}
    first = archive.end - pd.DateOffset(days=_DAYS)
    return {
        "city": settings.city,
        "categories": list(targets),
        "squares": len(grid),
        "first_day": str(first.date()),
        "last_day": str((archive.end - pd.DateOffset(days=1)).date()),
        "scores": scores,
        "sentence": _sentence(scores),
    }


def _sentence(scores: dict[str, dict[str, float]]) -> str:
    one, count = scores["one"], scores["count"]
    ahead = "beats" if one["mape"] < count["mape"] else "does not beat"
    return (
        f"The measure looks at {one['busy_share'] * 100:.0f} % of squares and days, those where something happened. "
        f"Saying one everywhere {ahead} the mean count on it (MAPE {one['mape']:.3f} against {count['mape']:.3f}) and "
        f"expects {one['expected_over_observed']:.2f} times what happened. It never chooses a model."
    )
