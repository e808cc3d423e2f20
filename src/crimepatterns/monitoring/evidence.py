r"""Evidence that grows week by week: bets against "the champion is good enough", and against "it is not".

A test by betting starts with one coin. Each week it is multiplied by an **e-value**: a number whose mean is at most 1
while the null hypothesis holds, whatever happened before. Such wealth is a non-negative supermartingale, and it reaches
:math:`1/\alpha` with chance at most :math:`\alpha` at any time (Ville), so looking every week costs nothing.

Nobody knows when a break comes. A fresh coin is therefore put down every week, and all of them are counted:

.. math:: R_t = (R_{t-1} + 1) \, e_t .

:math:`R_t - t` is a supermartingale: within a year of :math:`T` forecasts the chance that :math:`R_t` reaches
:math:`T / \alpha` is at most :math:`\alpha`; false alarms are in the mean at least :math:`T / \alpha` forecasts apart.

References
----------
J. Ville 1939, *Étude critique de la notion de collectif*. G. Shafer & V. Vovk 2019, doi:10.1002/9781118548035.
A. Ramdas, P. Grünwald, V. Vovk & G. Shafer 2023, doi:10.1214/23-STS894. J. Shin, A. Ramdas & A. Rinaldo 2024,
E-detectors, doi:10.51387/23-NEJSDS51. Means by betting: I. Waudby-Smith & A. Ramdas 2024, doi:10.1093/jrsssb/qkad009.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["CATCH_FLOOR", "RATIO_RANGE", "Dispersion", "Evidence", "Outcome", "for_return", "of_being_worse"]

CATCH_FLOOR: Final = 0.85
"""A champion that catches less than this share of what the baseline catches is worse."""

RATIO_RANGE: Final = (0.8, 1.25)
"""Observed to expected incidents outside of this range is bad calibration."""

_WORSE_LOW, _WORSE_HIGH = (0.35, 0.55, 0.7), (1.45, 1.9, 3.0)
_GOOD = (0.9, 1.0, 1.11)
_STAKED: Final = MappingProxyType({"hot_low": 0.5})
_STAKED_ELSE = 0.125
"""Half of each week's coin bets that places have moved, which is how champions mostly break; the rest is shared out."""
_STAKES = (0.3, 0.6, 0.9)
_LONGEST_LOG = 600.0
_MOST_SHARE = 0.98

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What one matured forecast has shown.

    Hot are the cells that together hold half of what was expected. Caught are incidents in the cells that the primary
    budget selects by a model; fractional where cells tie at the cut.

    Parameters
    ----------
    expected_hot, expected_rest : float
        Incidents expected by the champion.
    observed_hot, observed_rest : float
        Incidents that happened there.
    caught_both, caught_champion, caught_baseline : float
        Incidents that both selections cover, that only the champion's covers, that only the baseline's covers.

    Raises
    ------
    DomainError
        If a number is negative or not finite.
    """

    expected_hot: float
    expected_rest: float
    observed_hot: float
    observed_rest: float
    caught_both: float
    caught_champion: float
    caught_baseline: float

    def __post_init__(self) -> None:
        values = [getattr(self, name) for name in self.__dataclass_fields__]
        if not all(np.isfinite(value) and value >= 0 for value in values):
            raise DomainError(f"Outcome of a forecast must hold finite numbers that are not negative, got {values}.")

    @property
    def expected(self) -> float:
        """Incidents expected in the whole area."""
        return self.expected_hot + self.expected_rest

    @property
    def observed(self) -> float:
        """Incidents that happened in the whole area."""
        return self.observed_hot + self.observed_rest

    @property
    def hot_share(self) -> float:
        """Share of the incidents that was expected at the hot places; 0 where nothing was expected."""
        return self.expected_hot / self.expected if self.expected > 0 else 0.0


@dataclass(frozen=True)
class Dispersion:
    """How much more than by chance alone outcomes vary from period to period, as ratios of variances.

    Parameters
    ----------
    share : float
        Of the share of incidents at hot places, against the binomial law.
    city : float
        Of the number of incidents, against the Poisson law.
    """

    share: float = 1.0
    city: float = 1.0


@dataclass(frozen=True)
class Evidence:
    """Summed wealth of the tests, one number per test and alternative.

    Parameters
    ----------
    wealth : mapping of str to tuple of float
        R of each alternative; empty before the first outcome.
    """

    wealth: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, test: str) -> float:
        """Return the mean over the alternatives of one test; 0 before the first outcome."""
        return float(np.mean(self.wealth.get(test, (0.0,))))

    @property
    def mean(self) -> float:
        """Mean over all tests by what is staked on them: an e-detector again, as means of e-values are e-values."""
        staked = [_STAKED.get(test, _STAKED_ELSE) for test in self.wealth]
        return float(np.average([self.of(test) for test in self.wealth], weights=staked)) if self.wealth else 0.0

    @property
    def least(self) -> float:
        """The weakest of the tests: what all of them have reached."""
        return min((self.of(test) for test in self.wealth), default=0.0)

    def after(self, log_values: Mapping[str, Floats]) -> "Evidence":
        """Return the evidence after one more outcome.

        Parameters
        ----------
        log_values : mapping of str to ndarray of float, shape (n_alternatives,)
            Logarithms of the e-values.
        """
        grown = {}
        for test, logs in log_values.items():
            before = np.asarray(self.wealth.get(test, np.zeros(len(logs))))
            grown[test] = tuple((np.exp(np.minimum(np.log1p(before) + logs, _LONGEST_LOG))).tolist())
        return Evidence(MappingProxyType(grown))


def of_being_worse(outcome: Outcome, dispersion: Dispersion) -> dict[str, Floats]:
    r"""Return what one outcome says against "good enough", as logarithms of e-values.

    ``catch`` bets against "hits are at least 85 % of the baseline's": each incident that both selections cover speaks
    for the champion with x = 1 - 0.85, one that only its own covers with 1, one that only the baseline's covers with
    -0.85; the mean of x is not negative while that holds, so that the product of 1 - s x is a bet with stake s.

    ``hot_low`` and ``hot_high`` bet against "the hot places get between 0.8 and 1.25 times their expected share p".
    Of n incidents, Y happen there; against the bound q = b p the bet on a share r p is

    .. math:: e = (r p / q)^Y \left(\frac{1 - r p}{1 - q}\right)^{n - Y} .

    ``city_low`` and ``city_high`` bet against "0.8 to 1.25 times as many incidents as the expected m",

    .. math:: e = (r / b)^Y \exp(-(r - b) m) .

    The mean of e is at most 1 for every share or level on the good side of b. Incidents cluster: all is taken to the
    power 1 / dispersion, which keeps the mean below 1 (Jensen) and takes account of variances so many times larger.

    Parameters
    ----------
    outcome : Outcome
    dispersion : Dispersion
    """
    return _all_tests(outcome, dispersion, -np.asarray(_STAKES), _WORSE_LOW, _WORSE_HIGH)


def for_return(outcome: Outcome, dispersion: Dispersion) -> dict[str, Floats]:
    """Return what one outcome says against "not good enough": the same tests with the null hypotheses reversed.

    A champion comes back only where all of them have spoken: catch above 85 % of the baseline's, and the ratios of
    observed to expected above 0.8 and below 1.25. Parameters as in `of_being_worse`.
    """
    return _all_tests(outcome, dispersion, np.asarray(_STAKES), _GOOD, _GOOD)


def _all_tests(
    outcome: Outcome,
    dispersion: Dispersion,
    stakes: Floats,
    against_low: tuple[float, ...],
    against_high: tuple[float, ...],
) -> dict[str, Floats]:
    low, high = RATIO_RANGE
    share, city = max(dispersion.share, 1.0), max(dispersion.city, 1.0)
    return {
        "catch": _catch(outcome, stakes) / share,
        "hot_low": _share(outcome, low, against_low) / share,
        "hot_high": _share(outcome, high, against_high) / share,
        "city_low": _level(outcome, low, against_low) / city,
        "city_high": _level(outcome, high, against_high) / city,
    }


def _share(outcome: Outcome, bound: float, alternatives: tuple[float, ...]) -> Floats:
    if not 0 < outcome.hot_share < 1:
        return np.zeros(len(alternatives))
    # Shares end at 1: beyond it the nearest possible bet is made.
    null = min(bound * outcome.hot_share, _MOST_SHARE)
    bets = np.minimum(np.asarray(alternatives) * outcome.hot_share, (1 + _MOST_SHARE) / 2)
    return np.asarray(
        outcome.observed_hot * np.log(bets / null) + outcome.observed_rest * np.log((1 - bets) / (1 - null))
    )


def _level(outcome: Outcome, bound: float, alternatives: tuple[float, ...]) -> Floats:
    ratios = np.asarray(alternatives)
    return np.asarray(outcome.observed * np.log(ratios / bound) - (ratios - bound) * outcome.expected)


def _catch(outcome: Outcome, stakes: Floats) -> Floats:
    return np.asarray(
        outcome.caught_both * np.log1p(stakes * (1 - CATCH_FLOOR))
        + outcome.caught_champion * np.log1p(stakes)
        + outcome.caught_baseline * np.log1p(-stakes * CATCH_FLOOR)
    )
