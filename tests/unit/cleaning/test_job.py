"""The rules together: every row is accounted for, whatever it holds."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning.checking import CleanBatch
from crimepatterns.cleaning.job import CleaningJob, RawPart
from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
from crimepatterns.cleaning.output import kept_columns
from crimepatterns.cleaning.schema import REASONS, ColumnMap, Reason, Rules
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.errors import SchemaError

CRS = "EPSG:32616"
AREA = StudyArea(
    "here", shapely.box(440_000, 4_630_000, 460_000, 4_650_000), CRS, "America/Chicago", empty_neighbourhoods(CRS)
)
COLUMNS = ColumnMap(occurred_from="when", category="what", longitude="lon", latitude="lat")
GOOD = {"when": "2021-05-01 10:15:00", "what": "THEFT", "lon": "-87.65", "lat": "41.9"}


def job(rows: Sequence[dict[str, Any]], columns: ColumnMap = COLUMNS, **rules: Any) -> CleaningJob:
    table = pa.Table.from_pylist([{**GOOD, **row} for row in rows])
    if not rows:
        table = pa.table({name: pa.array([], pa.string()) for name in GOOD})
    size = max(1, len(rows) // 3)
    part = RawPart("rows.csv", tuple(table.column_names), (), len(rows), lambda: iter(table.to_batches(size)))
    settled = {"timezone": "America/Chicago", "latest": "2024-01-01", **rules}
    return CleaningJob([part], columns, Rules(**settled), Taxonomy({"THEFT": "theft"}), "_unreadable")


def cleaned(rows: Sequence[dict[str, Any]], columns: ColumnMap = COLUMNS, **rules: Any) -> list[CleanBatch]:
    return [batch for _, batch in job(rows, columns, **rules).run(AREA)]


def reasons(rows: Sequence[dict[str, Any]], columns: ColumnMap = COLUMNS, **rules: Any) -> list[Reason]:
    return [Reason(code) for batch in cleaned(rows, columns, **rules) for code in batch.reason]


MESS = st.fixed_dictionaries(
    {
        "when": st.sampled_from(
            ["2021-05-01 10:15:00", "2021-05-01", "", "x", "1899-01-01", "2999-01-01", "2021-02-30"]
        ),
        "what": st.sampled_from(["THEFT", "theft ", "", "ARSON", "nan", "THEFT\x00"]),
        "lon": st.sampled_from(["-87.65", "0", "", "nan", "inf", "-20", "41.9", "200"]),
        "lat": st.sampled_from(["41.9", "0", "", "y", "-87.65", "1e400"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(MESS, min_size=1, max_size=30), st.booleans())
def test_rows_in_equal_kept_and_rejected_by_reason(rows: list[dict[str, str]], drop: bool) -> None:
    tally, facts = Tally(Taxonomy({"THEFT": "theft"})), KeptFacts()
    seen: list[str] = []
    for batch in cleaned(rows, drop_duplicates=drop):
        tally.add(batch)
        facts += kept_facts([kept_columns(batch)], "America/Chicago")
        seen += batch.ids.to_pylist()
        kept = batch.reason == Reason.KEPT
        assert np.isfinite(batch.places.x[kept]).all()  # type: ignore[union-attr]
        assert (batch.spans.end[kept] >= batch.spans.start[kept]).all()
        assert (batch.spans.known[kept] >= batch.spans.start[kept]).all()
    assert KeptFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    report = tally.report(facts, None)
    assert Tally.from_json(tally.taxonomy, json.loads(json.dumps(tally.to_json()))).report(facts, None) == report
    assert report["rows_in"] == len(rows) == report["kept"] + sum(report["rejected"].values())
    assert sum(report["categories"].values()) == report["kept"] == sum(report["months"].values())
    assert all(seen)


@settings(max_examples=30, deadline=None)
@given(st.lists(MESS, min_size=1, max_size=20))
def test_kept_ids_are_unique_and_do_not_depend_on_the_rows_before(rows: list[dict[str, str]]) -> None:
    for drop in (True, False):
        batches = cleaned(rows, drop_duplicates=drop)
        kept = [text for b in batches for text, code in zip(b.ids.to_pylist(), b.reason, strict=True) if code == 0]
        assert len(set(kept)) == len(kept)
    forward = {text for b in cleaned(rows) for text in b.ids.to_pylist()}
    backward = {text for b in cleaned(rows[::-1]) for text in b.ids.to_pylist()}
    assert forward == backward


def test_the_answer_does_not_depend_on_the_number_of_threads() -> None:
    rows = [
        {"when": f"2021-05-{i % 28 + 1:02d} {i % 24:02d}:10:00", "lon": f"{-87.6 - i % 7 / 100:.2f}"}
        for i in range(300)
    ]
    one = cleaned(rows)
    many = [batch for _, batch in CleaningJob(**{**vars(job(rows)), "workers": 3}).run(AREA)]
    assert [b.ids.to_pylist() for b in one] == [b.ids.to_pylist() for b in many]
    assert [b.reason.tolist() for b in one] == [b.reason.tolist() for b in many]


def test_duplicates_need_equal_values_in_every_mapped_column() -> None:
    rows = [{}, {}, {"lat": "41.90"}, {"lat": "41.91"}, {"what": " THEFT "}, {"what": "Theft"}]
    found = reasons(rows)
    assert found == [Reason.KEPT, *[Reason.DUPLICATE] * 2, Reason.KEPT, Reason.DUPLICATE, Reason.KEPT]
    assert set(reasons(rows, drop_duplicates=False)) == {Reason.KEPT}


def test_an_id_is_used_once() -> None:
    columns = ColumnMap(**{**vars(COLUMNS), "id": "case"})
    rows = [{"case": "A"}, {"case": "A", "lat": "41.91"}, {"case": ""}, {"case": "B"}]
    assert reasons(rows, columns) == [Reason.KEPT, Reason.ID_REPEATED, Reason.KEPT, Reason.KEPT]
    kept = [text for b in cleaned(rows, columns, drop_duplicates=False) for text in b.ids.to_pylist()]
    assert kept[:2] == ["A", "A#2"]
    assert len(set(kept)) == 4


def test_a_row_that_does_not_fit_the_header_is_rejected() -> None:
    rows = [{"_unreadable": None}, {"when": None, "what": None, "lon": None, "lat": None, "_unreadable": "7 fields"}]
    assert reasons(rows) == [Reason.KEPT, Reason.UNREADABLE]


def local(micros: int) -> str:
    return str(pd.Timestamp(micros, unit="us", tz="UTC").tz_convert("America/Chicago").tz_localize(None))


@pytest.mark.parametrize(
    ("times", "precision", "start", "end"),
    [
        (["2021-05-01 10:15:00"], "minute", "2021-05-01 10:15:00", "2021-05-01 10:15:00"),
        (["2021-05-01"], "date", "2021-05-01 00:00:00", "2021-05-02 00:00:00"),
        (["2021-05-01 00:00:00"], "date", "2021-05-01 00:00:00", "2021-05-02 00:00:00"),
        (["2021-02"], "month", "2021-02-01 00:00:00", "2021-03-01 00:00:00"),
        (["2021-05-01 10:00:00"] * 180, "hour", "2021-05-01 10:00:00", "2021-05-01 11:00:00"),
        # Clocks go back on this day: it has 25 hours, and still ends at the next civil midnight.
        (["2021-11-07"], "date", "2021-11-07 00:00:00", "2021-11-08 00:00:00"),
    ],
)
def test_coarse_times_are_intervals(times: list[str], precision: str, start: str, end: str) -> None:
    rows = [{"when": text, "lat": f"{41.9 + i / 1e4:.4f}"} for i, text in enumerate(times)]
    batch = cleaned(rows)[0]
    assert ("minute", "hour", "date", "month")[batch.spans.precision[0]] == precision
    assert (local(batch.spans.start[0]), local(batch.spans.end[0])) == (start, end)
    assert batch.spans.known[0] == batch.spans.end[0]


def test_a_guess_from_the_first_rows_takes_no_time_of_day_away() -> None:
    batches = cleaned([{"when": "2021-05-01 00:00:00"}, {"when": "2021-05-02 10:15:00"}, {"when": "2021-05-03"}])
    assert [int(code) for b in batches for code in b.spans.precision] == [2, 0, 2]
    assert local(batches[1].spans.start[0]) == "2021-05-02 10:15:00"


def test_utc_times_and_times_with_an_offset() -> None:
    utc = cleaned([{"when": "2021-05-01 10:15:00"}], times_are="utc")[0]
    offset = cleaned([{"when": "2021-05-01T05:15:00-05:00"}])[0]
    assert utc.spans.start[0] == offset.spans.start[0] == np.datetime64("2021-05-01T10:15", "us").astype(np.int64)
    assert str(utc.spans.wall[:1].view("datetime64[us]")[0]) == "2021-05-01T05:15:00.000000"


def test_the_gap_of_a_clock_change_is_repaired_and_counted() -> None:
    batch = cleaned([{"when": "2021-03-14 02:30:00"}, {"when": "2021-03-14 03:30:00"}])[0]
    assert local(batch.spans.start[0]) == "2021-03-14 03:30:00"
    assert batch.repairs["time in the gap of a clock change, moved forward"] == 1


def test_report_dates() -> None:
    columns = ColumnMap(**{**vars(COLUMNS), "known_at": "told", "occurred_until": "until"})
    rows = [
        {"told": "2021-05-03 08:00:00", "until": "2021-05-01 12:00:00"},
        {"told": "2021-05-01", "until": None},
        {"told": "2021-04-01 08:00:00", "until": "2021-05-01 10:15:00"},
        {"told": None, "until": "2021-05-01 12:00:00"},
        {"told": None, "until": "2021-05-01 09:00:00"},
    ]
    batches = cleaned(rows, columns, assumed_delay_days=1)
    known = [local(moment) for b in batches for moment in b.spans.known]
    assert known[:4] == ["2021-05-03 08:00:00", "2021-05-02 00:00:00", "2021-05-01 10:15:00", "2021-05-02 12:00:00"]
    assert reasons(rows, columns)[4] == Reason.INTERVAL_REVERSED
    assert (
        sum((b.repairs for b in batches), start=batches[0].repairs.__class__())[
            "known before it happened, moved to the beginning"
        ]
        == 1
    )


def test_discovery_comes_from_the_column_or_the_category() -> None:
    columns = ColumnMap(**{**vars(COLUMNS), "discovery": "how"})
    rows = [{"how": "Officer initiated"}, {"how": "citizen call"}, {"how": ""}, {"how": "", "what": "drugs"}]
    taxonomy = Taxonomy({"THEFT": "theft"}, police_initiated=("drugs",))
    made = CleaningJob(**{**vars(job(rows, columns)), "taxonomy": taxonomy})
    assert [int(code) for _, b in made.run(AREA) for code in b.discovery] == [1, 0, 0, 1]


def test_a_missing_column_names_the_likely_one() -> None:
    with pytest.raises(SchemaError, match=r"'When'.*did you mean 'when'\? Found: when, what, lon, lat"):
        job([{}], ColumnMap(**{**vars(COLUMNS), "occurred_from": "When"}))


def test_no_rows_is_an_error() -> None:
    with pytest.raises(SchemaError, match="no rows"):
        job([])


def test_every_reason_has_words() -> None:
    assert set(REASONS) == set(Reason)
