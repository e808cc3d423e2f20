"""One clean invented city that the tests of the checks share, and records made from it."""

from collections.abc import Callable

import numpy as np
import pytest

from crimepatterns.domain.incidents import INCIDENT_COLUMNS, Incidents
from crimepatterns.quality.honesty import Subject
from crimepatterns.quality.record import Intake, Record, count_days
from crimepatterns.sources.planted_defects import clean_incidents
from crimepatterns.sources.synthetic import SyntheticCity

SubjectMaker = Callable[..., Subject]


@pytest.fixture(scope="session")
def invented() -> SyntheticCity:
    return SyntheticCity(incidents=30_000, years=3, seed=4_711, area_km2=50)


@pytest.fixture(scope="session")
def clean(invented: SyntheticCity) -> Incidents:
    return clean_incidents(invented, np.random.default_rng(1))


@pytest.fixture(scope="session")
def subject_of() -> SubjectMaker:
    """Make what checks look at from incidents; facts of the intake may be given."""

    def make(incidents: Incidents, *, seed: int = 5, **intake: object) -> Subject:
        taken = incidents.table["occurred_from"].max()
        facts = {"rows_in": len(incidents), "taken_at": taken, **intake}
        record = Record(incidents, count_days(incidents.table), Intake(**facts))  # type: ignore[arg-type]
        areas = [name for name in incidents.table.columns if name not in INCIDENT_COLUMNS]
        return Subject(record, area_columns=areas, rng=np.random.default_rng(seed))

    return make
