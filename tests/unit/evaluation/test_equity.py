"""Exposure and error by neighbourhood, and amplification on a case worked by hand."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.equity import EQUITY_COLUMNS, exposure_amplification, neighbourhood_table
from crimepatterns.evaluation.selection import Budget


def scores_by_quarter(grid, **values):
    return np.array([float(values.get(name, 0.0)) for name in grid.neighbourhood])


def test_table_adds_up_and_errs_where_the_map_errs(archive):
    grid = archive.grid
    observed = scores_by_quarter(grid, NW=1, NE=1, SW=2, SE=0).astype(int)
    expected = scores_by_quarter(grid, NW=2, NE=1, SW=1, SE=0.5)
    table = neighbourhood_table(grid, [expected], [observed], budget=Budget(area_share=0.25)).set_index("neighbourhood")
    assert list(table.reset_index().columns) == list(EQUITY_COLUMNS)
    assert table["exposure"].sum() == pytest.approx(1)
    assert table["area_share"].tolist() == pytest.approx([0.25] * 4)
    assert table.loc["NW", ["exposure", "flagged_share", "error", "ratio", "recall"]].tolist() == pytest.approx(
        [1, 1, 25, 2, 1]
    )
    assert table.loc["SW", ["error", "ratio", "recall"]].tolist() == [-25, 0.5, 0]
    assert np.isnan(table.loc["SE", "ratio"])


def test_amplification_by_hand(archive):
    grid = archive.grid
    reported = scores_by_quarter(grid, NW=3, NE=1, SW=1, SE=1).astype(int)
    residents = pd.DataFrame({"neighbourhood": ["NW", "NE", "SW", "SE"], "a": [100, 0, 0, 0], "b": [0, 50, 25, 25]})
    # Two fifths of the area flagged: all of NW and a fifth of each other quarter.
    found = exposure_amplification(
        grid, reported * 1.0, reported, residents=residents, group="a", reference="b", budget=Budget(area_share=0.4)
    )
    assert found["exposure_ratio"] == pytest.approx(1 / 0.2)
    assert found["reported_ratio"] == pytest.approx(3)
    assert found["amplification"] == pytest.approx(5 / 3)
    assert found["marginal_precision_reference"] == pytest.approx(1 / 0.04)


def test_a_map_that_flags_everywhere_alike_halves_a_double_rate(archive):
    grid = archive.grid
    reported = scores_by_quarter(grid, NW=2, NE=1, SW=1, SE=1).astype(int)
    residents = pd.DataFrame({"neighbourhood": ["NW", "NE"], "a": [10, 0], "b": [0, 10]})
    found = exposure_amplification(
        grid, np.ones(len(grid)), reported, residents=residents, group="a", reference="b", budget=Budget(area_share=0.1)
    )  # fmt: skip
    assert found["amplification"] == pytest.approx(0.5)


def test_a_table_of_other_places_is_refused(archive):
    residents = pd.DataFrame({"neighbourhood": ["Elsewhere"], "a": [1], "b": [1]})
    counts = np.ones(len(archive.grid), dtype=int)
    with pytest.raises(DomainError, match="names no residents"):
        exposure_amplification(archive.grid, counts * 1.0, counts, residents=residents, group="a", reference="b",
                               budget=Budget(places=5))  # fmt: skip
    with pytest.raises(DomainError, match="needs the columns"):
        exposure_amplification(archive.grid, counts * 1.0, counts, residents=residents, group="a", reference="c",
                               budget=Budget(places=5))  # fmt: skip
