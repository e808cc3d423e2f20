"""From incidents of the embedded city to rows as a data portal would export them, with planted defects."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.sources.synthetic_calendar import Calendar
from crimepatterns.sources.synthetic_plan import (
    CATEGORIES,
    DEFECT_SHARES,
    MAX_REPORT_DELAY_DAYS,
    PREMISES,
    ROUNDED_SHARE,
    hour_cdf,
)
from crimepatterns.sources.synthetic_process import Events
from crimepatterns.sources.synthetic_streets import Places

__all__ = ["ANSWER_SCHEMA", "RAW_SCHEMA", "Details", "draw_defects", "draw_details", "to_answers", "to_raw"]

RAW_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("Case Number", "Occurred From", "Occurred Until", "Reported")),
        *((name, pa.string()) for name in ("Offense", "Offense Description", "Discovery", "Premise", "Neighborhood")),
        ("Longitude", pa.float64()),
        ("Latitude", pa.float64()),
    ]
)
ANSWER_SCHEMA = pa.schema(
    [
        ("Case Number", pa.string()),
        ("moment", pa.timestamp("s")),
        ("occurred_from", pa.timestamp("s")),
        ("occurred_until", pa.timestamp("s")),
        ("known_at", pa.timestamp("s")),
        ("category", pa.string()),
        ("police_initiated", pa.bool_()),
        ("triggered", pa.bool_()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("defect", pa.string()),
    ]
)
"""The truth behind every incident, without defects: local times, metres, and the name of the defect or null."""

_DEFECTS = tuple(DEFECT_SHARES)
_IMPOSSIBLE = ("1900-01-01 00:00:00", "2091-06-15 12:00:00", "2024-02-30 08:30:00")
_DUPLICATE_DISTANCE = 500.0
_LONGEST_INTERVAL_MIN = 14 * 1440.0


@dataclass(frozen=True, eq=False)
class Details:
    """Everything about a month's incidents in order of time; all arrays of shape (n,).

    Parameters
    ----------
    events : Events
    start, end, moment, known : ndarray of datetime64[s]
        Naive local times: earliest and latest possible moment, the true moment, the report.
    interval, police : ndarray of bool
    finer, premise : ndarray of int
        Positions in the category's offences and in `PREMISES`.
    defect : ndarray of int8
        Position in `DEFECT_SHARES`; its length where there is none.
    number : ndarray of int
        Running number of the incident in its year.
    extra : ndarray of float
        A uniform number that decides the fine points of defects.
    """

    events: Events
    start: NDArray[np.datetime64] = field(repr=False)
    end: NDArray[np.datetime64] = field(repr=False)
    moment: NDArray[np.datetime64] = field(repr=False)
    known: NDArray[np.datetime64] = field(repr=False)
    interval: NDArray[np.bool_] = field(repr=False)
    police: NDArray[np.bool_] = field(repr=False)
    finer: NDArray[np.int64] = field(repr=False)
    premise: NDArray[np.int64] = field(repr=False)
    defect: NDArray[np.int8] = field(repr=False)
    number: NDArray[np.int64] = field(repr=False)
    extra: NDArray[np.float64] = field(repr=False)


def draw_defects(rng: np.random.Generator, count: int) -> NDArray[np.int8]:
    """Draw the defect of each of `count` rows: a position in `DEFECT_SHARES`, or its length for a sound row."""
    return np.searchsorted(np.cumsum(list(DEFECT_SHARES.values())), rng.random(count), side="right").astype(np.int8)


def draw_details(
    rng: np.random.Generator, events: Events, calendar: Calendar, *, defects: NDArray[np.int8], first_number: int
) -> Details:
    """Draw times, delays and labels of a month's incidents.

    Parameters
    ----------
    rng : Generator
    events : Events
        Incidents of one month.
    calendar : Calendar
    defects : ndarray of int8, shape (n,)
    first_number : int
        Incidents of the same year in earlier months.
    """
    minute = _draw_minutes(rng, events, calendar)
    order = np.lexsort((minute, events.day))
    events, minute = events.where(order), minute[order]
    count, code = len(events), events.category
    start = calendar.skip_gaps(_later(calendar.dates(events.day.astype(np.int64)).astype("datetime64[s]"), minute))
    interval = rng.random(count) < _planted("interval_share")[code]
    length = np.exp(np.log(np.maximum(_planted("interval_hours"), 0.1) * 60)[code] + 0.9 * rng.normal(0, 1, count))
    length = np.where(interval, np.clip(length, 10.0, _LONGEST_INTERVAL_MIN), 0.0)
    end = np.where(interval, calendar.skip_gaps(_later(start, length)), start)
    moment = np.minimum(calendar.skip_gaps(_later(start, length * rng.random(count))), end)
    late = rng.random(count) < _planted("late_share")[code]
    prompt = np.exp(np.log(_planted("report_hours") * 60)[code] + rng.normal(0, 1, count))
    delay = np.where(late, rng.exponential(_planted("late_days")[code]) * 1440, prompt)
    known = calendar.skip_gaps(_later(end, np.clip(np.ceil(delay), 1.0, MAX_REPORT_DELAY_DAYS * 1440)))
    return Details(
        events=events,
        start=start,
        end=end,
        moment=moment,
        known=known,
        interval=interval,
        police=rng.random(count) < _planted("police_initiated")[code],
        finer=_draw_from(rng, _offence_cdf(), code),
        premise=_draw_from(rng, _premise_cdf(), code),
        defect=defects,
        number=first_number + 1 + np.arange(count),
        extra=rng.random(count),
    )


def to_raw(details: Details, places: Places, quarters: list[str], *, keep: NDArray[np.bool_]) -> pa.RecordBatch:
    """Write incidents as rows of `RAW_SCHEMA`; `keep` chooses incidents, duplicates follow a little later."""
    defect, place = details.defect, details.events.place
    start = np.where(
        defect == _code("midnight"), details.start.astype("datetime64[D]").astype("datetime64[s]"), details.start
    )
    occurred = pa.array(start).cast(pa.string())
    impossible = pa.array(_IMPOSSIBLE).take(pa.array((details.extra * len(_IMPOSSIBLE)).astype(np.int64)))
    occurred = pc.if_else(pa.array(defect == _code("impossible_date")), impossible, occurred)
    unnamed = defect == _code("missing_category")
    longitude, latitude, absent = _recorded_degrees(details, places)
    code = details.events.category.astype(np.int64)
    labels = pa.array([plan.label for plan in CATEGORIES])
    finer = pa.array([offence for plan in CATEGORIES for offence in plan.offences])
    first = np.cumsum([0, *(len(plan.offences) for plan in CATEGORIES)])[:-1]
    columns = [
        _case_numbers(details),
        occurred,
        pa.array(details.end, mask=~details.interval).cast(pa.string()),
        pa.array(details.known).cast(pa.string()),
        labels.take(pa.array(code, mask=unnamed)),
        finer.take(pa.array(first[code] + details.finer, mask=unnamed)),
        pa.array(["reported", "police-initiated"]).take(pa.array(details.police.astype(np.int64))),
        pa.array(PREMISES).take(pa.array(details.premise)),
        pa.array(quarters).take(pa.array(places.neighbourhood[place])),
        pa.array(longitude, mask=absent),
        pa.array(latitude, mask=absent),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RAW_SCHEMA).take(pa.array(_row_order(details, keep)))


def to_answers(details: Details, places: Places, *, keep: NDArray[np.bool_]) -> pa.RecordBatch:
    """Write the truth behind the kept incidents as rows of `ANSWER_SCHEMA`, one for each incident."""
    code, place = details.events.category.astype(np.int64), details.events.place
    columns = [
        _case_numbers(details),
        *(pa.array(times) for times in (details.moment, details.start, details.end, details.known)),
        pa.array([plan.name for plan in CATEGORIES]).take(pa.array(code)),
        pa.array(details.police),
        pa.array(details.events.triggered),
        pa.array(places.x[place]),
        pa.array(places.y[place]),
        pa.array(_DEFECTS).take(pa.array(details.defect.astype(np.int64), mask=details.defect == len(_DEFECTS))),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ANSWER_SCHEMA).filter(pa.array(keep))


def _row_order(details: Details, keep: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the kept rows in time order, a copied row up to some hundred rows behind its original."""
    rows = np.flatnonzero(keep)
    copies = rows[details.defect[rows] == _code("duplicate")]
    position = np.concatenate([rows, copies + 0.5 + _DUPLICATE_DISTANCE * details.extra[copies]])
    return np.concatenate([rows, copies])[np.argsort(position, kind="stable")]


def _recorded_degrees(
    details: Details, places: Places
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Longitude and latitude as recorded, and where they are missing."""
    place = details.events.place
    degrees = np.column_stack([places.longitude[place], places.latitude[place]])
    snapped = np.flatnonzero(details.defect == _code("snapped"))
    degrees[snapped] = places.snapped[place[snapped], (details.extra[snapped] < 0.5).astype(np.int64)]
    degrees[details.defect == _code("null_island")] = 0.0
    return degrees[:, 0].copy(), degrees[:, 1].copy(), details.defect == _code("missing_coordinates")


def _case_numbers(details: Details) -> pa.Array:
    year = details.start.astype("datetime64[Y]").astype(np.int64) + 1970
    number = pc.utf8_lpad(pa.array(details.number).cast(pa.string()), width=7, padding="0")
    return pc.binary_join_element_wise("LF", pa.array(year).cast(pa.string()), number, "-")


def _draw_minutes(rng: np.random.Generator, events: Events, calendar: Calendar) -> NDArray[np.int64]:
    """Draw the minute of the day from the category's profile; people often name the full hour."""
    weekend = calendar.weekday(events.day.astype(np.int64)) >= 5
    weekdays = np.array([hour_cdf(plan.hours) for plan in CATEGORIES])
    weekends = np.array([hour_cdf(plan.weekend_hours) for plan in CATEGORIES])
    row = events.category + len(CATEGORIES) * weekend
    hour = _draw_from(rng, np.concatenate([weekdays, weekends]), row)
    minute = np.where(rng.random(len(events)) < ROUNDED_SHARE, 0, rng.integers(0, 60, len(events)))
    return hour * 60 + minute


def _draw_from(
    rng: np.random.Generator, cumulative: NDArray[np.float64], row: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Draw a column from the cumulative distribution in each given row."""
    columns = cumulative.shape[1]
    ladder = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    drawn = np.searchsorted(ladder, row + rng.random(len(row)), side="right") - row.astype(np.int64) * columns
    return np.clip(drawn, 0, columns - 1)


def _offence_cdf() -> NDArray[np.float64]:
    most = max(len(plan.offences) for plan in CATEGORIES)
    halving = [[0.5**i if i < len(plan.offences) else 0.0 for i in range(most)] for plan in CATEGORIES]
    return _cumulative(halving)


def _premise_cdf() -> NDArray[np.float64]:
    return _cumulative([plan.premises for plan in CATEGORIES])


def _cumulative(weights: list[list[float]] | list[tuple[float, ...]]) -> NDArray[np.float64]:
    table = np.asarray(weights, dtype=float)
    running = np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)
    # Exactly 1 from the last positive weight on, so that rounding cannot draw what has weight 0.
    return np.where(np.cumsum(table[:, ::-1], axis=1)[:, ::-1] - table <= 0, 1.0, running)


def _planted(name: str) -> NDArray[np.float64]:
    return np.array([getattr(plan, name) for plan in CATEGORIES], dtype=float)


def _code(defect: str) -> int:
    return _DEFECTS.index(defect)


def _later(times: NDArray[np.datetime64], minutes: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Add whole minutes to times in seconds."""
    later: NDArray[np.datetime64] = np.add(times, np.round(minutes).astype(np.int64).astype("timedelta64[m]"))
    return later.astype("datetime64[s]")
