"""Sorted runs, the rows seen before and the counts of places, each against a plain count."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning import place_counts, runs, seen
from crimepatterns.cleaning.place_counts import PlaceCounts
from crimepatterns.cleaning.runs import Run, merged
from crimepatterns.cleaning.seen import GONE, NOT_KEPT, SeenBefore, facts_of, tombs, without_gone

SPREAD = np.uint64(0x9E3779B97F4A7C15)


def keys(values: list[int]) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(values, dtype=np.uint64) * SPREAD


def facts(rows: np.ndarray, table: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return facts_of(rows.astype(np.uint32), rows, table, np.zeros(len(rows), dtype=np.int64))


NUMBERS = st.lists(st.lists(st.integers(0, 40), max_size=40), max_size=8)


@settings(max_examples=80, deadline=None)
@given(NUMBERS, st.integers(1, 12))
def test_merged_runs_are_one_sorted_run_in_order_of_age(parts: list[list[int]], range_rows: int) -> None:
    runs = [Run.of(keys(part), np.full(len(part), i)) for i, part in enumerate(parts)]
    found = list(merged(runs, range_rows=range_rows))
    expected = sorted((int(key), i) for i, part in enumerate(parts) for key in keys(part))
    assert [(int(k), int(f)) for run in found for k, f in zip(run.keys, run.facts, strict=True)] == expected
    for before, after in itertools.pairwise(found):
        assert before.keys[-1] < after.keys[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 12), max_size=20))
def test_every_match_is_found(stored: list[int], asked: list[int]) -> None:
    run = Run.of(keys(stored), np.array(stored, dtype=np.int64))
    times = np.zeros(len(asked), dtype=int)
    for found, values in run.matches(keys(asked)):
        np.testing.assert_array_equal(values, np.array(asked)[found])
        times[found] += 1
    assert times.tolist() == [stored.count(value) for value in asked]


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS, st.booleans())
def test_earlier_rows_are_counted_over_all_calls(first: list[list[int]], second: list[list[int]], many: bool) -> None:
    """In one build or two, whether the second has few rows or many."""
    old = SeenBefore()
    for batch in first:
        rows = keys([value // 2 for value in batch])
        old.remember(rows, facts(np.array(batch, dtype=np.int64)))
    new = SeenBefore(expected=1_000_000 if many else 1, before=old.runs())
    done = [(value // 2, value) for batch in first for value in batch]
    for batch in second:
        earlier = new.look(keys([value // 2 for value in batch]), np.array(batch, dtype=np.uint32))
        for value, times, same in zip(batch, earlier.times, earlier.same_row, strict=True):
            assert times == sum(key == value // 2 for key, _ in done)
            assert same == ((value // 2, value) in done)
            done.append((value // 2, value))
        new.remember(keys([value // 2 for value in batch]), facts(np.array(batch, dtype=np.int64)))


def test_many_rows_are_found_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_RUN_ROWS", 1_000)
    rng = np.random.default_rng(3)
    values = rng.integers(0, 40_000, 50_000)
    shelved: list[Run] = []

    def shelve(run: Run) -> Run:
        shelved.append(run)
        return run

    memory, times = SeenBefore(expected=50_000, shelve=shelve), []
    for batch in np.split(values, 100):
        times.append(memory.look(keys(batch.tolist()), batch.astype(np.uint32)).times)
        memory.remember(keys(batch.tolist()), facts(batch))
    series = pd.Series(values)
    np.testing.assert_array_equal(np.concatenate(times), series.groupby(series).cumcount().to_numpy())
    assert len(shelved) > 20
    assert sum(len(run) for run in merged(memory.runs())) == 50_000


def test_what_is_gone_does_not_count_and_comes_back() -> None:
    memory = SeenBefore()
    memory.remember(keys([1, 2, 3]), facts(np.array([1, 2, 3])))
    before = [*memory.runs(), tombs(keys([2, 3]))]
    later = SeenBefore(expected=1, before=before)
    assert later.look(keys([1, 2, 3]), np.array([1, 2, 3], dtype=np.uint32)).times.tolist() == [1, 0, 0]
    later.remember(keys([3]), facts(np.array([9])))
    runs = [*before, *later.runs()]
    last = SeenBefore(expected=1, before=runs)
    earlier = last.look(keys([1, 2, 3]), np.array([1, 2, 3], dtype=np.uint32))
    assert earlier.times.tolist() == [1, 0, 1]
    assert earlier.same_row.tolist() == [True, False, False]
    left = list(without_gone(merged(runs)))
    assert sorted(int(row) for run in left for row in run.facts["row"]) == [1, 9]
    assert {GONE, NOT_KEPT}.isdisjoint({int(month) for run in left for month in run.facts["month"]})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=40),
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=20),
    st.sets(st.integers(0, 39)),
)
def test_places_are_counted_as_incidents_come_and_go(
    first: list[tuple[int, int]], second: list[tuple[int, int]], going: set[int]
) -> None:
    def arrays(places: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        table = np.array(places, dtype=float).reshape(-1, 2)
        return table[:, 0] + 0.2, table[:, 1]

    old = PlaceCounts()
    old.add(*arrays(first))
    gone = [place for i, place in enumerate(first) if i in going]
    new = PlaceCounts(before=old.runs(), known=old.facts())
    new.add(*arrays(second))
    new.add(*arrays(gone), times=-1)
    counts = Counter(first) + Counter(second) - Counter(gone)
    facts = new.facts()
    assert facts.incidents == counts.total()
    assert facts.distinct == len(counts)
    assert facts.busiest == max(counts.values(), default=0)
    assert facts.repeated == sum(count for count in counts.values() if count > 1)
    assert facts == place_counts._figures(place_counts.summed([*old.runs(), *new.runs()]))


@pytest.mark.parametrize("buffer", [1, 1_000, 1_000_000])
def test_many_places_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch, buffer: int) -> None:
    monkeypatch.setattr(place_counts, "_BUFFER", buffer)
    monkeypatch.setattr(runs, "_RANGE_ROWS", 900)
    x, y = np.random.default_rng(5).integers(0, 60, (2, 30_000)).astype(float)
    places = PlaceCounts()
    for start in range(0, 30_000, 3_000):
        places.add(x[start : start + 3_000], y[start : start + 3_000])
    sizes = pd.Series(list(zip(x, y, strict=True))).value_counts()
    facts = places.facts()
    assert (facts.incidents, facts.distinct, facts.busiest) == (30_000, len(sizes), sizes.max())
    assert facts.repeated == sizes[sizes > 1].sum()
