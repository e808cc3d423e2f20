"""Rolling origins: the only way to split incidents into training and test."""

from dataclasses import dataclass

import pandas as pd

from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

__all__ = ["Fold", "Spans", "rolling", "spans"]


@dataclass(frozen=True, eq=False)
class Fold:
    """One origin: what may be learned from, and what is then scored.

    Parameters
    ----------
    cutoff : Timestamp
        The moment of the forecast.
    train, test : Periods
        ``train.end <= cutoff <= test.start``.
    """

    cutoff: pd.Timestamp
    train: Periods
    test: Periods

    def __post_init__(self) -> None:
        if not self.train.end <= self.cutoff <= self.test.start:
            raise DomainError(
                "Fold must have train end <= cutoff <= test start, "
                f"got {self.train.end}, {self.cutoff}, {self.test.start}."
            )


@dataclass(frozen=True, eq=False)
class Spans:
    """Three disjoint spans of time: fit, then select, then judge.

    Parameters
    ----------
    fit_end : Timestamp
        Everything before it may be used freely for fitting and inner validation.
    select : tuple of Fold
        Origins that choose settings and the champion.
    judge : tuple of Fold
        Origins opened once, for the report.
    """

    fit_end: pd.Timestamp
    select: tuple[Fold, ...]
    judge: tuple[Fold, ...]

    def __post_init__(self) -> None:
        if self.select and self.select[0].cutoff < self.fit_end:
            raise DomainError("Select span must begin at or after the end of the fit span.")
        if self.select and self.judge and self.judge[0].cutoff < self.select[-1].test.end:
            raise DomainError("Judge span must begin at or after the end of the select span.")


def rolling(start: pd.Timestamp, end: pd.Timestamp, *, horizon_days: int, origins: int) -> tuple[Fold, ...]:
    """Make `origins` folds whose tests follow one another and end at `end`.

    Parameters
    ----------
    start, end : Timestamp
        First and one-past-last moment of the usable data, civil midnights.
    horizon_days : int
        Length of every test window and training period, civil days.
    origins : int
        Number of folds.

    Returns
    -------
    tuple of Fold
        In time order.

    Raises
    ------
    DomainError
        If the data are too short: the message says how much is needed.
    """
    days = (end.tz_localize(None) - start.tz_localize(None)).days
    first = days // horizon_days - origins
    if first < 1:
        raise DomainError(
            f"{origins} origins of {horizon_days} days need at least {(origins + 1) * horizon_days} days, "
            f"got {days} ({start.date()} to {end.date()}): ask for fewer origins or a shorter horizon."
        )
    tests = Periods.ending_at(end, days=horizon_days, count=origins)
    folds = []
    for i, cutoff in enumerate(tests.starts):
        train = Periods.ending_at(cutoff, days=horizon_days, count=first + i)
        folds.append(Fold(cutoff, train, Periods.starting_at(cutoff, days=horizon_days, count=1)))
    return tuple(folds)


def spans(
    start: pd.Timestamp, end: pd.Timestamp, *, horizon_days: int, select_origins: int, judge_origins: int
) -> Spans:
    """Cut the data into fit, select and judge; the judge origins come last. See `rolling` for the parameters."""
    folds = rolling(start, end, horizon_days=horizon_days, origins=select_origins + judge_origins)
    return Spans(folds[0].cutoff, folds[:select_origins], folds[select_origins:])
