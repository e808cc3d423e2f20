"""Places that may raise a risk: each covariate turned into yes-or-no factors, such as within 250 m of a bar."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.covariates import Covariates

__all__ = ["RiskFactor", "candidate_factors", "factor_matrix"]

_REACHES = (0.5, 1.0, 2.0, 4.0)
"""Distances tried, in cell sides; a street block or two where cells are 250 m."""

_DEVIATIONS = (1.0, 2.0)
_FEWEST_CELLS = 10
_MOST_SHARE = 0.75


@dataclass(frozen=True)
class RiskFactor:
    """A condition that a cell meets or does not.

    Parameters
    ----------
    covariate : str
        Name of the column, such as ``bars_distance``.
    threshold : float
        In the unit of the column.
    near : bool
        True for "at most", as with distances; False for "at least".
    unit : str
    """

    covariate: str
    threshold: float
    near: bool
    unit: str

    @property
    def label(self) -> str:
        """Say the condition in words."""
        name = self.covariate.removesuffix("_distance").replace("_", " ")
        if self.near:
            return f"{name} within {self.threshold:.0f} m"
        return f"{name} at least {self.threshold:.3g} {self.unit}"

    def met(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which cells meet it; a value that is not known does not."""
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = values <= self.threshold if self.near else values >= self.threshold
        return found & np.isfinite(values)


def candidate_factors(covariates: Covariates, values: NDArray[np.floating], *, cell_m: float) -> list[RiskFactor]:
    """Make the factors to try from each covariate: distances by reach, everything else by how far above its mean.

    As in risk terrain modelling (Caplan, Kennedy & Miller 2011, https://doi.org/10.1080/07418825.2010.486037; Drawve
    2016, https://doi.org/10.1080/07418825.2014.904393): within half, one, two and four cell sides of a place, or one
    and two standard deviations above the mean.

    Parameters
    ----------
    covariates : Covariates
    values : ndarray of float, shape (n_cells, n_columns)
    cell_m : float

    Returns
    -------
    list of RiskFactor
        Those that at least ten cells and at most three quarters of them meet; of equal ones only the first.
    """
    made: list[RiskFactor] = []
    seen: set[bytes] = set()
    for column, own in zip(covariates.columns, values.T, strict=True):
        known = own[np.isfinite(own)].astype(np.float64)
        if not len(known):
            continue
        if column.unit == "m":
            tried = [RiskFactor(column.name, round(reach * cell_m, 1), True, "m") for reach in _REACHES]
        else:
            cuts = [float(known.mean() + times * known.std()) for times in _DEVIATIONS]
            tried = [RiskFactor(column.name, float(f"{cut:.6g}"), False, column.unit) for cut in cuts]
        for factor in tried:
            met = factor.met(own)
            if _FEWEST_CELLS <= met.sum() <= _MOST_SHARE * len(met) and met.tobytes() not in seen:
                seen.add(met.tobytes())
                made.append(factor)
    return made


def factor_matrix(
    factors: Sequence[RiskFactor], names: Sequence[str], values: NDArray[np.floating]
) -> sparse.csr_array:
    """Set 1 where a cell meets a factor; sparse, shape (n_cells, n_factors)."""
    position = {name: j for j, name in enumerate(names)}
    met = [factor.met(values[:, position[factor.covariate]]) for factor in factors]
    return sparse.csr_array(np.column_stack(met).astype(np.float64))
