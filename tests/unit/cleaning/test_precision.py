"""Precision is told per column and kept per row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crimepatterns.cleaning.precision import ColumnPrecision, Precisions, guess_precision, guess_precisions
from crimepatterns.cleaning.schema import ColumnMap, Rules
from crimepatterns.cleaning.times import Spans, read_spans
from crimepatterns.cleaning.values import read_moments
from crimepatterns.domain.incidents import TIME_PRECISION

ZONE = "America/Chicago"
RULES = Rules(timezone=ZONE, latest="2030-01-01")
DATES = Rules(timezone=ZONE, latest="2030-01-01", time_precision="date")
DAYS = [f"2021-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(120)]


def level(values: list[str | None], *, sure_from: int = 1, rules: Rules = RULES) -> str:
    return guess_precision(read_moments(pa.array(values, pa.string())), rules, sure_from=sure_from).level


def spans(columns: dict[str, pa.Array], rules: Rules = RULES) -> tuple[Precisions, Spans]:
    mapped = ColumnMap(**{name: name for name in columns})
    told = guess_precisions(columns, mapped, rules)
    return told, read_spans(columns, mapped, rules, precision=told)


def local(micros: np.ndarray) -> list[str]:
    return [str(pd.Timestamp(int(m), unit="us", tz="UTC").tz_convert(ZONE).tz_localize(None)) for m in micros]


def test_levels_of_a_column() -> None:
    assert level([f"{day} 00:00:00" for day in DAYS]) == "date"
    assert level(["2021-05-01 00:00:00"]) == "date"
    assert level(["2021-05-01 00:00:00"], sure_from=50) == "minute"
    assert level([f"2021-{1 + i % 12:02d}-01 00:00:00" for i in range(60)]) == "month"
    assert level([f"2021-{1 + i % 12:02d}-01 00:00:00" for i in range(12)]) == "date", "too few to be sure"
    assert level([f"{day} 14:00:00" for day in DAYS]) == "hour"
    assert level([f"{day} 14:00:00" for day in DAYS[:20]]) == "minute"
    assert level([f"{day} 14:0{i % 10}:00" for i, day in enumerate(DAYS)]) == "minute"
    assert level([None, ""]) == "minute"
    assert (
        level(["2021-05-01 10:15:00"], rules=Rules(timezone=ZONE, latest="2030-01-01", time_precision="date")) == "date"
    )


def test_mostly_midnight_means_that_midnight_is_no_time() -> None:
    times = [f"{day} 00:00:00" if i % 2 else f"{day} 10:17:00" for i, day in enumerate(DAYS)]
    told, found = spans({"occurred_from": pa.array(times)})
    assert told.begun == ColumnPrecision("date")
    assert [TIME_PRECISION[code] for code in found.precision[:2]] == ["minute", "date"], "a row with a time keeps it"
    assert (found.end - found.start)[0] == 0
    assert local(found.end[1:2]) == ["2021-02-03 00:00:00"]
    fewer = [f"{day} 00:00:00" if i % 3 == 0 else f"{day} 10:17:00" for i, day in enumerate(DAYS)]
    assert spans({"occurred_from": pa.array(fewer)})[0].begun.level == "minute"


def test_one_odd_time_does_not_make_hours_minutes() -> None:
    times = [f"{day} 14:00:00" for day in DAYS] + ["2021-05-05 14:23:00"]
    _, found = spans({"occurred_from": pa.array(times)})
    assert (TIME_PRECISION[found.precision[0]], TIME_PRECISION[found.precision[-1]]) == ("hour", "minute")


@pytest.mark.parametrize("typed", [False, True])
def test_each_column_has_its_own_precision(typed: bool) -> None:
    begun = [f"{day} 10:17:00" for day in DAYS]
    reported = [f"{day} 00:00:00" for day in DAYS]

    def column(values: list[str]) -> pa.Array:
        return pa.array(pd.to_datetime(values), pa.timestamp("us")) if typed else pa.array(values)

    told, found = spans(
        {"occurred_from": column(begun), "known_at": column(reported), "occurred_until": column(reported)}
    )
    assert (told.begun.level, told.until.level, told.known.level) == ("minute", "date", "date")
    assert set(found.precision) == {TIME_PRECISION.index("minute")}
    assert local(found.known[:1]) == ["2021-01-02 00:00:00"], "reported on that day: known when the day is over"
    assert local(found.end[:1]) == ["2021-01-02 00:00:00"]
    assert found.repairs["known before it happened, moved to the beginning"] == 0
    assert not found.reason.any(), "an end on the same day is not before the begin"


def test_dates_written_as_midnights_in_utc_stay_on_their_day() -> None:
    dates = [f"{day}T00:00:00Z" for day in DAYS]
    told, found = spans({"occurred_from": pa.array(dates), "known_at": pa.array(dates)})
    assert told.begun == told.known == ColumnPrecision("date", dates_in_utc=True)
    assert local(found.start[:2]) == ["2021-01-01 00:00:00", "2021-02-02 00:00:00"]
    assert local(found.known[:1]) == ["2021-01-02 00:00:00"]
    _, as_set = spans({"occurred_from": pa.array(dates)}, DATES)
    assert local(as_set.start[:2]) == ["2021-01-01 00:00:00", "2021-02-02 00:00:00"]
    naive = [f"{day} 00:00:00" for day in DAYS]
    utc = Rules(timezone=ZONE, latest="2030-01-01", times_are="utc")
    _, from_setting = spans({"occurred_from": pa.array(naive)}, utc)
    assert local(from_setting.start[:2]) == ["2021-01-01 00:00:00", "2021-02-02 00:00:00"]


def test_moments_in_utc_are_moments() -> None:
    mixed = [f"{day}T0{i % 2}:00:00Z" for i, day in enumerate(DAYS)]
    told, found = spans({"occurred_from": pa.array(mixed)})
    assert told.begun == ColumnPrecision("hour")
    assert local(found.start[:1]) == ["2020-12-31 18:00:00"]
    few = [f"{day}T00:00:00Z" for day in DAYS[:10]]
    assert not spans({"occurred_from": pa.array(few)})[0].begun.dates_in_utc, "ten midnights may be chance"


def test_local_midnights_with_an_offset_are_dates() -> None:
    written = [f"2021-07-{1 + i % 28:02d}T00:00:00-05:00" for i in range(60)]
    told, found = spans({"occurred_from": pa.array(written)})
    assert told.begun == ColumnPrecision("date")
    assert local(found.start[:1]) == ["2021-07-01 00:00:00"]
