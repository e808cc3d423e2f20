"""What later tables say about records of earlier ones."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning.job import CleaningJob, RawPart
from crimepatterns.cleaning.schema import ColumnMap, Reason, Rules
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.cleaning.versions import RecordVersions, id_hashes, publisher_ids
from crimepatterns.errors import SchemaError

COLUMNS = ColumnMap(id="id", occurred_from="when", category="what")
S, W, K = Reason.SUPERSEDED, Reason.WITHDRAWN, Reason.KEPT


def table(ids: list[str | None], *, replaces: bool = False, minute: int = 0, **changes: Any) -> RawPart:
    rows = {
        "id": pa.array(ids, pa.string()),
        "when": [f"2021-05-01 10:{minute + i:02d}:00" for i in range(len(ids))],
        "what": ["THEFT"] * len(ids),
    }
    batch = pa.record_batch({**rows, **changes})
    return RawPart("t", tuple(rows), (), len(ids), lambda: iter([batch]), replaces=replaces)


def withdrawn(ids: list[str], column: str = "id") -> RawPart:
    batch = pa.record_batch({column: pa.array(ids)})
    return RawPart("w", (column,), (), len(ids), lambda: iter([batch]), withdraws=True)


def job(*parts: RawPart, columns: ColumnMap = COLUMNS) -> CleaningJob:
    return CleaningJob(parts, columns, Rules("UTC", "2024-01-01"), Taxonomy(), "_unreadable")


def reasons(*parts: RawPart) -> list[list[Reason]]:
    return [[Reason(code) for code in batch.reason] for _, batch in job(*parts).run(None)]


def test_later_versions_replace_earlier_ones_and_withdrawn_records_go() -> None:
    found = reasons(
        table(["a", " b ", "c", None]),
        table(["b", "d"], replaces=True, minute=20),
        withdrawn(["c", "d", "nobody"]),
        table(["d", "a"], replaces=True, minute=40),
    )
    # d of the second table was withdrawn before it was published anew.
    assert found == [[S, S, W, K], [K, W], [K, K]]


def test_a_later_table_that_replaces_nothing_repeats_ids() -> None:
    assert reasons(table(["a", "b"]), table(["b"], minute=20)) == [[K, K], [Reason.ID_REPEATED]]


def test_a_bad_new_version_still_replaces_the_good_old_one() -> None:
    found = reasons(table(["a"]), table(["a"], replaces=True, when=["nonsense"]))
    assert found == [[S], [Reason.TIME_UNREADABLE]]


def test_a_replaced_row_was_perhaps_never_good() -> None:
    assert reasons(table(["a"], when=[""]), table(["a"], replaces=True)) == [[S], [K]]


def test_a_replaced_row_makes_nothing_a_duplicate() -> None:
    same = table(["a", "a"], when=["2021-05-01 10:00:00"] * 2)
    assert reasons(same, table(["a"], replaces=True)) == [[S, S], [K]]


def test_lists_of_withdrawn_ids_are_no_incidents() -> None:
    made = job(table(["a", "b"]), withdrawn(["a"]))
    assert made.rows == 2
    assert made.raw_columns == ["id", "when", "what", "_unreadable"]
    assert [[list(mark) for mark in marks] for marks in made.rows_named(["a"], None)] == [[[True, False]], [[True]]]


@pytest.mark.parametrize(
    ("part", "columns"),
    [
        (table(["a"], replaces=True), ColumnMap(occurred_from="when", category="what")),
        (withdrawn(["a"], "row_id"), COLUMNS),
    ],
)
def test_records_are_replaced_by_their_id_only(part: RawPart, columns: ColumnMap) -> None:
    with pytest.raises(SchemaError, match=r"columns\.id must name .* replaces or withdraws records by their id"):
        job(table(["a"]), part, columns=columns)


EVENTS = st.lists(st.tuples(st.lists(st.sampled_from("abcdef"), max_size=6), st.sampled_from([S, W])), max_size=6)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=8), st.integers(0, 6))
def test_the_first_thing_that_happens_afterwards_decides(
    events: list[tuple[list[str], Reason]], rows: list[str], own: int
) -> None:
    versions = RecordVersions.gather(
        (i, id_hashes([pa.array(ids, pa.string())]), why) for i, (ids, why) in enumerate(events)
    )
    expected = [next((why for ids, why in events[own + 1 :] if row in ids), K) for row in rows]
    np.testing.assert_array_equal(versions.fate(id_hashes([pa.array(rows)]), own), expected)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(alphabet="ab \t\u00a0\u2003é", max_size=4)), max_size=12), st.integers(0, 3)
)
def test_ids_lose_the_blanks_around_them(texts: list[str | None], skip: int) -> None:
    column = pa.array(texts, pa.string()).slice(min(skip, len(texts)))
    expected = [(text.strip() or None) if text is not None else None for text in texts[min(skip, len(texts)) :]]
    assert publisher_ids(column).to_pylist() == expected
