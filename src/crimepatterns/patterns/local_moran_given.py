"""Local Moran beside expected counts: cells above or below expectation among neighbours that are so too."""

from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.local_moran import QUADRANTS
from crimepatterns.patterns.significance import discoveries, false_discovery_rate
from crimepatterns.patterns.time_tests import binomial_two_sided

__all__ = ["local_moran_given", "local_moran_given_sentence", "quadrants_given"]

_Floats = NDArray[np.float64]


def local_moran_given(
    counts: ArrayLike,
    reference: ArrayLike,
    grid: Grid,
    *,
    kind: Literal["expected", "background"] = "background",
    fdr: float = 0.05,
) -> Surface:
    """Compare the excess of each cell over a reference with the excess of the cells it touches.

    The customary null shuffles counts over all cells, and calls every busy centre a cluster. Here a cluster is what the
    reference does not explain. Given the cell's own count, the number in its neighbours is binomial under the null, so
    that p-values are exact and need no seed.

    Parameters
    ----------
    counts : array_like of int, shape (n_cells,)
    reference : array_like of float, shape (n_cells,)
        With ``expected``: expected counts in any unit that are known well, such as residents. With ``background``:
        whole counts of another time or kind, which are chance themselves.
    grid : Grid
        Cells without neighbours get the value 0 and p = 1, and are left out of the correction.
    kind : {"expected", "background"}
    fdr : float

    Returns
    -------
    Surface
        ``values`` are local Moran's I of the differences from expectation in units of its root, with row-standardised
        weights; ``p_values`` two-sided; ``times_expected`` is that of the neighbours together.

    Raises
    ------
    PatternError
        If counts or reference do not fit, or nothing is left to compare.

    References
    ----------
    Anselin (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00338.x; for differences from expectation Waller and
    Gotway (2004), chapter 7, https://doi.org/10.1002/0471662682
    """
    whole, base = _checked(counts, reference, grid, kind)
    degree = np.diff(grid.adjacency.indptr)
    linked = degree > 0
    lag, lag_base = grid.adjacency @ whole, grid.adjacency @ base
    rest, rest_base = whole.sum() - whole, base.sum() - base
    if kind == "background":
        trials, share = lag + lag_base, _ratio(rest, rest + rest_base)
    else:
        trials, share = rest, np.minimum(_ratio(lag_base, rest_base), 1.0)
    p = np.ones(len(grid))
    p[linked] = binomial_two_sided(lag, trials, share)[linked]
    q = np.ones(len(grid))
    q[linked] = false_discovery_rate(p[linked])
    kinds = quadrants_given(whole, base, grid)
    found = discoveries(q, fdr=fdr) & linked
    expected = base * whole.sum() / base.sum()
    excess = _ratio(whole - expected, np.sqrt(expected))
    around = _ratio(grid.adjacency @ excess, degree.astype(float))
    named = "the expected counts" if kind == "expected" else "the background, which is chance itself"
    with np.errstate(divide="ignore", invalid="ignore"):
        times = lag / (lag_base * whole.sum() / base.sum())
    return Surface(
        grid=grid,
        method="local_moran_given",
        values=np.where(linked, excess * around, 0.0),
        unit="local Moran's I",
        p_values=p,
        q_values=q,
        null=f"given the cell's own count, the incidents around it follow {named}",
        times_expected=times,
        parameters=MappingProxyType(
            {
                "fdr": fdr, "neighbourhood": "the cells it touches", "null": f"exact tail beside the {kind}",
                "total": float(whole.sum()),
                "reference_total": float(base.sum()), "without_neighbours": int((~linked).sum()),
                "discoveries": int(found.sum()),
                **{name: int((found & (kinds == name)).sum()) for name in QUADRANTS},
            }
        ),
    )  # fmt: skip


def local_moran_given_sentence(surface: Surface) -> str:
    """Say how many cells hold more or fewer than the reference gives, among cells that do so too or do not."""
    high, low, alone, hole = (
        int(str(surface.parameters[name])) for name in ("high-high", "low-low", "high-low", "low-high")
    )
    if not (high or low or alone or hole):
        return "no cell and its neighbours are shown to depart from it."
    return (
        f"{high:,} cells hold more than it gives among cells that do, {low:,} fewer among fewer; {alone:,} hold more "
        f"among fewer and {hole:,} fewer among more."
    )


def quadrants_given(counts: ArrayLike, reference: ArrayLike, grid: Grid) -> NDArray[np.object_]:
    """Name each cell by whether it, and its neighbours together, hold more than the reference gives.

    Returns
    -------
    ndarray of str, shape (n_cells,)
        One of `QUADRANTS`; empty for cells without neighbours.
    """
    whole, base = np.asarray(counts, dtype=float), np.asarray(reference, dtype=float)
    expected = base * whole.sum() / base.sum()
    above, around = whole > expected, grid.adjacency @ whole > grid.adjacency @ expected
    position = np.where(above, np.where(around, 0, 3), np.where(around, 1, 2))
    linked = np.diff(grid.adjacency.indptr) > 0
    return np.where(linked, np.array(QUADRANTS, dtype=object)[position], "")


def _checked(counts: ArrayLike, reference: ArrayLike, grid: Grid, kind: str) -> tuple[_Floats, _Floats]:
    whole, base = np.asarray(counts, dtype=float), np.asarray(reference, dtype=float)
    if kind not in ("expected", "background"):
        raise PatternError(f"kind must be 'expected' or 'background', got {kind!r}.")
    if whole.shape != (len(grid),) or base.shape != (len(grid),):
        raise PatternError(f"Local Moran needs one count per cell, shape ({len(grid)},), got {whole.shape}.")
    for values, wanted in ((whole, True), (base, kind == "background")):
        if not np.isfinite(values).all() or (values < 0).any() or (wanted and (values != np.floor(values)).any()):
            raise PatternError("Local Moran beside a reference needs whole, non-negative counts.")
        if not values.any():
            raise PatternError("Local Moran beside a reference needs at least one incident on either side.")
    return whole, base


def _ratio(above: _Floats, below: _Floats) -> _Floats:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
