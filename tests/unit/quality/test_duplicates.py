"""Pairs of near records against looking at every pair."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.quality.duplicates import near_pairs

ROWS = st.lists(
    st.tuples(st.integers(-90, 90), st.integers(-90, 90), st.integers(0, 400), st.sampled_from(["a", "b"])),
    min_size=1,
    max_size=40,
)


def table_of(rows: list[tuple[int, int, int, str]]) -> pd.DataFrame:
    start = pd.Timestamp("2024-03-09 22:00", tz="America/Chicago")
    return pd.DataFrame(
        {
            "occurred_from": [start + pd.Timedelta(minutes=minute) for _, _, minute, _ in rows],
            "category": [name for *_, name in rows],
            "x": [float(x) for x, *_ in rows],
            "y": [float(y) for _, y, *_ in rows],
        }
    )


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from([(0, 15), (60, 240), (100, 130)]))
def test_pairs_equal_those_of_the_plain_search(rows, band) -> None:
    table = table_of(rows)
    found = near_pairs(table, metres=30.0, minutes=band)
    expected = set()
    for i, (x, y, minute, name) in enumerate(rows):
        for j, (u, v, other, label) in enumerate(rows):
            first = (minute, i) < (other, j)
            if first and name == label and np.hypot(x - u, y - v) <= 30 and band[0] <= other - minute <= band[1]:
                expected.add((i, j))
    assert set(zip(found.earlier.tolist(), found.later.tolist(), strict=True)) == expected
    assert len(found) == len(expected)
