r"""Are there suddenly more or fewer incidents than season and trend lead to expect."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.monitoring.drift import Shift
from crimepatterns.monitoring.weekly import long_run

__all__ = ["VOLUME_LEVEL", "volume_break"]

VOLUME_LEVEL: Final = 0.04
"""False discovery rate among series of volume."""

_LIMIT = 0.1
_RISES: Final = 2 / 3
"""Share of the level that is spent on rises: a rise adds chance of its own and a fall takes some away."""
_YEAR = 365.25 / 7
_LEAST_WEEKS = 26
_ROUNDS = 25
_HOLD = 2.0
"""Squared standard errors by which a trend is held back."""

Floats = NDArray[np.float64]


def volume_break(name: str, counts: Sequence[int] | NDArray[np.int64], *, recent: int) -> Shift:
    r"""Compare the last weeks of a series of weekly counts with what the weeks before lead to expect.

    A Poisson regression of the weeks before on a level, and from two years on the season of the year (one harmonic) and
    a trend as far as it is told, is carried forward: of a trend of t standard errors the share 1 - 2 / t^2, none below
    0 (L. Breiman 1995, doi:10.1080/00401706.1995.10484371). With the observed sum O and the expected sum E of the last
    weeks,

    .. math:: z = \frac{2 (\sqrt{O} - \sqrt{E})}{\sqrt{D \, (1 + V / E)}}

    where V is the variance of E by the regression and D the long-run dispersion of its residuals (`long_run`), where it
    is above 1 by more than chance: counts that vary more, or whose neighbours are alike, need more to be a break. The
    tail of z is divided by 2/3 for rises and by 1/3 for falls, so that both are found about as often. The effect is
    O / E - 1.

    Parameters
    ----------
    name : str
        Series, such as a category.
    counts : sequence of int
        Complete weeks, the oldest first.
    recent : int
        So many last weeks are compared.

    Returns
    -------
    Shift
        Group ``volume``; p-value 1 where there are fewer than 26 weeks before.

    References
    ----------
    F. J. Anscombe 1948 for the root, doi:10.1093/biomet/35.3-4.246.
    """
    series = np.asarray(counts, dtype=float)
    before, after = series[:-recent], series[-recent:]
    facts = (int(before.sum()), int(after.sum()))
    if len(before) < _LEAST_WEEKS or before.sum() == 0:
        return Shift("volume", name, "ratio - 1", 0.0, _LIMIT, 1.0, 1.0, *facts, "too short a record to tell")
    columns = _columns(len(series), len(before))
    coefficients, covariance = _regression(columns[: len(before)], before)
    mean = np.exp(columns @ coefficients)
    spread = long_run((before - mean[: len(before)]) / np.sqrt(mean[: len(before)]))
    expected = float(mean[-recent:].sum())
    slope = mean[-recent:] @ columns[-recent:]
    variance = float(slope @ covariance @ slope)
    observed = float(after.sum())
    z = 2 * (np.sqrt(observed + 0.375) - np.sqrt(expected + 0.125)) / np.sqrt(spread.factor * (1 + variance / expected))
    tail = float(stats.t.sf(abs(z), min(spread.freedom, len(before) - columns.shape[1])))
    p_value = min(1.0, tail / (_RISES if z > 0 else 1 - _RISES))
    effect = observed / expected - 1
    words = f"{observed:,.0f} incidents where {expected:,.0f} were to be expected"
    return Shift("volume", name, "ratio - 1", effect, _LIMIT, p_value, spread.factor, *facts, words)


def _columns(weeks: int, before: int) -> Floats:
    time = (np.arange(weeks) - before) / _YEAR
    columns = [np.ones(weeks)]
    if before >= 2 * _YEAR - 1:
        columns += [np.cos(2 * np.pi * time), np.sin(2 * np.pi * time), time]
    return np.column_stack(columns)


def _regression(columns: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Fit with the trend held back; one that is hardly there would make what is to be expected needlessly uncertain."""
    coefficients, covariance = _poisson_regression(columns, counts)
    if columns.shape[1] == 1:
        return coefficients, covariance
    sure = float(coefficients[-1] ** 2 / covariance[-1, -1])
    kept = max(0.0, sure - _HOLD) / max(sure, _HOLD)
    without, doubt = _poisson_regression(columns[:, :-1], counts)
    mixed = kept * coefficients + (1 - kept) * np.append(without, 0.0)
    return mixed, kept * covariance + (1 - kept) * np.pad(doubt, (0, 1))


def _poisson_regression(columns: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Fit by iteratively reweighted least squares; return coefficients and their covariance."""
    coefficients = np.zeros(columns.shape[1])
    coefficients[0] = np.log(counts.mean())
    information = np.eye(columns.shape[1])
    for _ in range(_ROUNDS):
        mean = np.exp(np.clip(columns @ coefficients, -20, 20))
        information = columns.T @ (columns * mean[:, None]) + 1e-9 * np.eye(columns.shape[1])
        step = np.linalg.solve(information, columns.T @ (counts - mean))
        coefficients = coefficients + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return coefficients, np.asarray(np.linalg.inv(information))
