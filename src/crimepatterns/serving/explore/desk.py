"""Where questions arrive: the current record, what this caller may see of it, and answers kept until it changes."""

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request

from crimepatterns.errors import CrimePatternsError
from crimepatterns.serving.explore.counting import public_sentence
from crimepatterns.serving.explore.filters import Condition, Filters, condition, date_of, read_filters
from crimepatterns.serving.explore.record import Record, View, open_record
from crimepatterns.serving.payloads import Payload, PayloadCache
from crimepatterns.serving.results import Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.roles import Role

__all__ = ["Asked", "Desk", "Question"]

T = TypeVar("T")

_KEPT_ANSWERS = 512
_KEPT_CONDITIONS = 24


@dataclass(frozen=True)
class Question:
    """The filters of an address, as they were written; see `read_filters`."""

    offence: Annotated[str, Query(max_length=4000, description="Short names from /api/explore/facts, with commas.")] = (
        ""
    )
    start: Annotated[str, Query(alias="from", max_length=10, description="First day, such as 2025-03-01.")] = ""
    until: Annotated[str, Query(max_length=10, description="The day after the last one.")] = ""
    area: Annotated[str, Query(max_length=8000, description="Short names from /api/explore/facts, with commas.")] = ""
    polygon: Annotated[str, Query(max_length=16_000, description="longitude,latitude;longitude,latitude;...")] = ""
    near: Annotated[str, Query(max_length=80, description="longitude,latitude,metres")] = ""
    hours: Annotated[str, Query(max_length=800, description="Hours of the week from Monday, such as 0-5,24-29.")] = ""
    discovery: Annotated[str, Query(max_length=20, description="reported or police-initiated")] = ""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question of one caller about one record.

    Parameters
    ----------
    record : Record
    view : View
    filters : Filters
    condition : Condition
    """

    record: Record
    view: View
    filters: Filters
    condition: Condition


@dataclass(eq=False)
class Desk:
    """Reads the record when it is first asked for, and again when cleaning has replaced it.

    Parameters
    ----------
    results : Results
    """

    results: Results
    _answers: PayloadCache = field(default_factory=lambda: PayloadCache(_KEPT_ANSWERS))
    _conditions: PayloadCache = field(default_factory=lambda: PayloadCache(_KEPT_CONDITIONS))

    def record(self) -> Record:
        """Return the current record.

        Raises
        ------
        MissingInputError
            If cleaning has not run.
        """
        return self._answers.get(
            "record",
            [self._source],
            lambda: open_record(self.results.settings, self.results.area(), month_only=self.results.month_only),
        )

    def view(self, request: Request) -> View:
        """Return what this caller may see: the one place where that is decided."""
        record = self.record()
        return record.exact if caller_of(request).role >= Role.ANALYST else record.released

    def read(self, request: Request, question: Question) -> Asked:
        """Read a question; see `read_filters` for the errors."""
        record, view = self.record(), self.view(request)
        filters = read_filters(record, view, **vars(question))

        def make() -> Condition:
            return condition(record, view, filters)

        # Only shapes are worth keeping: to find what lies inside one takes longer than to count it.
        kept = bool(filters.polygon)
        made = self._conditions.get((view.table, filters), [self._source], make) if kept else make()
        return Asked(record, view, filters, made)

    def answer(self, asked: Asked, kind: Hashable, make: Callable[[], Payload]) -> Payload:
        """Return an answer, made once per record, view and filters."""
        return self._answers.get((kind, asked.view.table, asked.filters), [self._source], make)

    def kept(self, kind: Hashable, make: Callable[[], T]) -> T:
        """Return what is made once per record, for those who may see all of it."""
        return self._answers.get((kind, "kept"), [self._source], make)

    def fixed(self, view: View, kind: Hashable, make: Callable[[], Payload]) -> Payload:
        """Return an answer that needs no filters."""
        return self._answers.get((kind, view.table), [self._source], make)

    def warm(self, also: Callable[[Record], object]) -> None:
        """Read the record in the background, so that the first to ask does not wait; failures are told when asked.

        Parameters
        ----------
        also : callable
            Is given the record and may prepare more.
        """
        if self._source.exists():
            threading.Thread(target=self._try, args=(also,), daemon=True, name="explore-record").start()

    def facts(self, view: View) -> Mapping[str, Any]:
        """Return what can be asked: names, first and last day, and the rule for the public."""
        record = self.record()
        return {
            "city": self.results.settings.city,
            "title": self.results.settings.title,
            "first": date_of(record.first).isoformat(),
            "end": date_of(record.end).isoformat(),
            "exact": view.exact,
            "days_known": record.days_known,
            "rule": None if view.exact else public_sentence(record),
            "record": f"cleaned records {record.version}, incidents until {date_of(record.end - 1).isoformat()}",
            "streets": view.exact and self.results.settings.patterns.streets is not None,
            **view.labels.described(),
        }

    def _try(self, also: Callable[[Record], object]) -> None:
        try:
            also(self.record())
        except CrimePatternsError:
            return

    @property
    def _source(self) -> Any:
        return self.results.layout.cleaning_report
