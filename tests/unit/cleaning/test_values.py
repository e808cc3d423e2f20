"""Values are read whatever their form; bad ones never fail."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from crimepatterns.cleaning.values import (
    GOOD,
    MISSING,
    UNREADABLE,
    as_text,
    join_date_and_time,
    read_moments,
    read_numbers,
)


@pytest.mark.parametrize(
    ("text", "moment", "coarse", "zoned"),
    [
        ("2016-01-31 13:45:00", "2016-01-31T13:45:00", 0, False),
        ("2016-01-31T13:45:00", "2016-01-31T13:45:00", 0, False),
        ("2016-01-31 13:45", "2016-01-31T13:45:00", 0, False),
        ("2016-01-31T13:45:00.25", "2016-01-31T13:45:00.25", 0, False),
        (" 2016-01-31 ", "2016-01-31T00:00:00", 1, False),
        ("2016-01-31", "2016-01-31T00:00:00", 1, False),
        ("2016-01", "2016-01-01T00:00:00", 2, False),
        ("2016-01-31T13:45:00Z", "2016-01-31T13:45:00", 0, True),
        ("2016-01-31T13:45:00-06:00", "2016-01-31T19:45:00", 0, True),
        ("2016-01-31T13:45:00+0200", "2016-01-31T11:45:00", 0, True),
    ],
)
def test_iso_times(text: str, moment: str, coarse: int, zoned: bool) -> None:
    found = read_moments(pa.array(["2020-02-29 00:00:00", text]))
    assert found.state.tolist() == [GOOD, GOOD]
    assert found.micros[1] == np.datetime64(moment, "us").astype(np.int64)
    assert (found.coarse[1], found.zoned[1]) == (coarse, zoned)


@pytest.mark.parametrize(
    "text",
    ["2016-02-30 00:00:00", "2016-13-01", "epoch", "infinity", "31/01/2016", "2016-01-31 03:00 PM", "x", "20160131"],
)
def test_what_is_no_iso_time_is_unreadable_not_wrong(text: str) -> None:
    assert read_moments(pa.array([text, "2016-01-31"])).state.tolist() == [UNREADABLE, GOOD]


def test_blanks_are_missing() -> None:
    blanks = pa.array(["", None, "NULL", "n/a", " "])
    assert set(read_moments(blanks).state.tolist()) == {MISSING}
    assert set(read_numbers(blanks)[1].tolist()) == {MISSING}


def test_formats_are_tried_in_order() -> None:
    column = pa.array(["01/31/2016 01:45:00 PM", "31.01.2016", "01/2016", "2016-01-31"])
    found = read_moments(column, ("%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y", "%m/%Y"))
    assert found.state.tolist() == [GOOD, GOOD, GOOD, UNREADABLE]
    assert found.coarse.tolist()[:3] == [0, 1, 2]
    assert found.micros[0] == np.datetime64("2016-01-31T13:45", "us").astype(np.int64)


def test_a_quote_in_a_format_is_harmless() -> None:
    assert read_moments(pa.array(["2016'01"]), ("%Y'%m",)).state.tolist() == [GOOD]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([dt.datetime(2016, 1, 31, 13, 45), None]),  # noqa: DTZ001
        pa.array([dt.datetime(2016, 1, 31, 13, 45), None], pa.timestamp("ms")),  # noqa: DTZ001
        pa.array([dt.datetime(2016, 1, 31, 13, 45), None], pa.timestamp("s")),  # noqa: DTZ001
    ],
)
def test_typed_times(column: pa.Array) -> None:
    found = read_moments(column)
    assert found.state.tolist() == [GOOD, MISSING]
    assert found.micros[0] == np.datetime64("2016-01-31T13:45", "us").astype(np.int64)


def test_numbers() -> None:
    values, state = read_numbers(pa.array(["1.5", " 2 ", "1e3", "inf", "nan", "1,5", "x", None]))
    np.testing.assert_array_equal(values[:5], [1.5, 2, 1000, np.inf, np.nan])
    assert state.tolist() == [GOOD] * 5 + [UNREADABLE] * 2 + [MISSING]
    assert read_numbers(pa.array([1, None], pa.int16()))[1].tolist() == [GOOD, MISSING]


def test_text_does_not_depend_on_the_type() -> None:
    for column in (
        pa.array(["4", None]),
        pa.array([4, None]),
        pa.array([4.0, None]),
        pa.array(["4", None]).dictionary_encode(),
        pa.array([4, None]).dictionary_encode(),
    ):
        assert as_text(column).to_pylist() == ["4", None]
    assert as_text(pa.array([2.5])).to_pylist() == ["2.5"]


def test_split_columns() -> None:
    dates = pa.array(["2016-01-31", "2016-01-31 00:00:00", "2016-01-31", "2016-01-31"])
    times = pa.array(["13:45:00", "1345", "9:05", None])
    joined = join_date_and_time(dates, times)
    assert joined.to_pylist() == ["2016-01-31 13:45:00", "2016-01-31 13:45", "2016-01-31 09:05", "2016-01-31"]


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 1.0])
def test_bad_values_do_not_disturb_good_ones_however_many_they_are(share: float) -> None:
    rng = np.random.default_rng(2)
    numbers = rng.uniform(-90, 90, 30_000).round(4)
    bad = rng.random(30_000) < share
    texts = [
        f" {number}" if wrong and i % 2 else "x" if wrong else str(number)
        for i, (number, wrong) in enumerate(zip(numbers, bad, strict=True))
    ]
    texts[7] = None
    values, state = read_numbers(pa.array(texts, pa.string()))
    read = ~bad | (np.arange(30_000) % 2 == 1)
    read[7] = False
    np.testing.assert_array_equal(values[read], numbers[read])
    assert set(state[read].tolist()) == {GOOD}
    assert state[7] == MISSING
    assert (state[~read] != GOOD).all()
    days = [f"2021-02-{day:02d} 10:00:00" for day in rng.integers(1, 29, 5_000)]
    days = ["2021-02-30 10:00:00" if wrong else day for day, wrong in zip(days, bad[:5_000], strict=True)]
    moments = read_moments(pa.array(days))
    np.testing.assert_array_equal(moments.state == GOOD, ~bad[:5_000])


def test_times_that_cannot_be_are_told_from_those_that_can() -> None:
    """Against the standard library, for every month and odd fields; the good ones around them are read."""
    texts = [
        f"{year}-{month:02d}-{day:02d}" for year in (1900, 2000, 2023, 2024) for month in range(14) for day in range(33)
    ]
    times = ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:61", "1x:00:00", "12:0a:00"]
    texts += [f"2021-03-04 {time}" for time in times] + ["202x-01-01", "2021-0--01"]
    rng = np.random.default_rng(3)
    texts = [texts[i] for i in rng.permutation(len(texts))]

    def possible(text: str) -> bool:
        try:
            dt.datetime.fromisoformat(text)
        except ValueError:
            return False
        return True

    moments = read_moments(pa.array(texts))
    np.testing.assert_array_equal(moments.state == GOOD, [possible(text) for text in texts])
    good = [i for i, text in enumerate(texts) if possible(text)]
    expected = [np.datetime64(texts[i].replace(" ", "T"), "us") for i in good]
    np.testing.assert_array_equal(moments.micros[good].view("datetime64[us]"), expected)
