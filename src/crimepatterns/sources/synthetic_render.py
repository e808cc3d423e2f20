"""Streams the embedded city's incidents month by month, as raw rows or as answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.sources.synthetic_process import Process
from crimepatterns.sources.synthetic_records import Details, draw_defects, draw_details, to_answers, to_raw
from crimepatterns.sources.synthetic_streets import Places

__all__ = ["Renderer"]

_BATCH_ROWS = 131_072


@dataclass(frozen=True, eq=False)
class Renderer:
    """Draws times, labels and defects of every incident; each month has its own random numbers.

    Parameters
    ----------
    process : Process
    places : Places
    quarters : list of str
        Names of the neighbourhoods.
    seed : int
    """

    process: Process = field(repr=False)
    places: Places = field(repr=False)
    quarters: list[str] = field(repr=False)
    seed: int

    def defect_rng(self, month: int) -> np.random.Generator:
        """Random numbers that decide the defects of a month."""
        return np.random.default_rng([self.seed, 13, month])

    def raw(self, window: tuple[np.datetime64, np.datetime64] | None) -> Iterator[pa.RecordBatch]:
        """Yield raw rows in order of time; only incidents with ``start`` in the half-open local window."""
        for details in self._months(window):
            batch = to_raw(details, self.places, self.quarters, keep=_inside(details, window))
            for offset in range(0, batch.num_rows, _BATCH_ROWS):
                yield batch.slice(offset, _BATCH_ROWS)

    def answers(self) -> Iterator[pa.RecordBatch]:
        """Yield the truth behind every incident."""
        for details in self._months(None):
            yield to_answers(details, self.places, keep=_inside(details, None))

    def _months(self, window: tuple[np.datetime64, np.datetime64] | None) -> Iterator[Details]:
        """Yield the details of every month that meets the window; the others are simulated but not written."""
        calendar = self.process.calendar
        numbers = 0
        for month, events in self.process.months(self.seed):
            first, last = calendar.dates(np.array([calendar.month_start(month), calendar.month_start(month + 1)]))
            if first.astype("datetime64[Y]") == first.astype("datetime64[M]"):
                numbers = 0
            meets = window is None or (
                window[0] < last.astype("datetime64[s]") and window[1] > first.astype("datetime64[s]")
            )
            if meets and len(events):
                defects = draw_defects(self.defect_rng(month), len(events))
                rng = np.random.default_rng([self.seed, 12, month])
                yield draw_details(rng, events, calendar, defects=defects, first_number=numbers)
            numbers += len(events)


def _inside(details: Details, window: tuple[np.datetime64, np.datetime64] | None) -> NDArray[np.bool_]:
    if window is None:
        return np.ones(len(details.start), dtype=np.bool_)
    return np.asarray((details.start >= window[0]) & (details.start < window[1]))
