"""Compact selection: worked by hand, and what must hold for any scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from crimepatterns.decisions.compact_selection import Compactness, CompactSelection, select_compact
from crimepatterns.errors import DomainError


def borders_of(rows: int, columns: int) -> sparse.csr_array:
    """Common borders of squares with sides of 1 km."""
    index = np.arange(rows * columns).reshape(rows, columns)
    pairs = np.vstack(
        [np.column_stack([index[:, :-1].ravel(), index[:, 1:].ravel()]),
         np.column_stack([index[:-1].ravel(), index[1:].ravel()])]
    )  # fmt: skip
    both = np.vstack([pairs, pairs[:, ::-1]])
    return sparse.csr_array((np.ones(len(both)), both.T), shape=(index.size, index.size))


def select(scores: np.ndarray, budget_km2: float, **wish: float) -> CompactSelection:
    rows, columns = scores.shape
    ones = np.ones(scores.size)
    return select_compact(
        scores.ravel(), ones, borders_of(rows, columns), 4 * ones, budget_km2=budget_km2,
        compactness=Compactness(**wish),  # type: ignore[arg-type]
    )  # fmt: skip


SCATTERED = np.array([[9.0, 5.0, 0.0, 8.0], [5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 7.0]])


def test_by_score_alone_the_best_cells_are_taken() -> None:
    found = select(SCATTERED, 3)
    assert np.flatnonzero(found.chosen).tolist() == [0, 3, 11]
    assert (found.patches, found.perimeter_km, found.area_km2) == (3, 12.0, 3.0)
    assert found.area_to_perimeter_km == pytest.approx(0.25)


def test_weight_draws_cells_together() -> None:
    # A cell beside the first one counts 5 * (1 + w / 4), which passes 7 at w = 1.6 and 8 at 2.4.
    assert np.flatnonzero(select(SCATTERED, 3, weight=1.5).chosen).tolist() == [0, 3, 11]
    assert np.flatnonzero(select(SCATTERED, 3, weight=2.0).chosen).tolist() == [0, 1, 3]
    found = select(SCATTERED, 3, weight=2.5)
    assert np.flatnonzero(found.chosen).tolist() == [0, 1, 4]
    # Three squares in an L: twelve sides, less two common ones seen from either side.
    assert (found.patches, found.perimeter_km) == (1, 8.0)


def test_patches_have_the_least_size() -> None:
    found = select(SCATTERED, 4, least_cells=2)
    assert np.bincount(found.patch[found.chosen]).min() >= 2
    # (9 + 5) / 2, then 5 beside it, and nothing else pays as much as opening (8 + 0) / 2 for two more cells.
    assert found.chosen[[0, 1, 4]].all()


def test_a_budget_below_the_least_patch_says_so() -> None:
    with pytest.raises(DomainError, match="No patch of 3 cells fits"):
        select(SCATTERED, 2, least_cells=3)
    with pytest.raises(DomainError, match="one entry per cell"):
        select_compact([1.0], [1.0, 1.0], borders_of(1, 2), [4.0, 4.0], budget_km2=1)
    with pytest.raises(DomainError, match="weight >= 0"):
        Compactness(weight=-1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=20, max_size=20),
    st.integers(3, 15),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.integers(1, 3),
)
def test_budget_patch_size_and_outline_hold_for_any_scores(
    scores: list[int], budget: int, weight: float, least: int
) -> None:
    grid = np.array(scores, dtype=float).reshape(4, 5)
    if not grid.any():
        return
    found = select(grid, budget, weight=weight, least_cells=least)
    assert found.chosen.sum() <= budget
    members = found.patch[found.chosen]
    assert np.bincount(members).min() >= least
    outline = sum(
        4 - sum(found.chosen[other] for other in borders_of(4, 5)[[cell]].indices)
        for cell in np.flatnonzero(found.chosen)
    )
    assert found.perimeter_km == outline
    if weight == 0 and least == 1:
        order = np.sort(grid.ravel())[::-1][: int(found.chosen.sum())]
        assert grid.ravel()[found.chosen].sum() == order.sum()
