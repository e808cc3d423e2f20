"""Long validation of the checks: false alarms in clean cities, and defects in one row of two hundred."""

from collections import Counter

import numpy as np
import pytest

from crimepatterns.quality.honesty import check_record, run_check
from crimepatterns.sources.planted_defects import PLANTS, clean_incidents
from crimepatterns.sources.synthetic import SyntheticCity

pytestmark = pytest.mark.slow

# Not to be told from chance in so few rows; benchmarks/honesty.py measures how often they are.
HARD = {"default point, no area named", "one category halved", "first of the month"}


def test_clean_cities_of_every_class_hardly_alarm(subject_of) -> None:
    """Each check is held below 1 % per city: two alarms of one check among six cities would be one case in 600."""
    counted: Counter[str] = Counter()
    for number in range(6):
        city_class = ("stable", "triggering", "drifting")[number % 3]
        city = SyntheticCity(city_class=city_class, incidents=30_000, years=3, seed=600 + number, area_km2=50)
        report = check_record(subject_of(clean_incidents(city, np.random.default_rng(number)), seed=number))
        counted.update(finding.check for finding in report.findings if finding.alarm)
    assert max(counted.values(), default=0) <= 1, counted
    assert counted.total() <= 2, counted


@pytest.mark.parametrize("name", [name for name in PLANTS if name not in HARD])
def test_a_defect_in_one_row_of_two_hundred_is_found(name, large, subject_of) -> None:
    check, plant = PLANTS[name]
    planted = plant(large, 0.005, np.random.default_rng(8))
    finding = run_check(check, subject_of(planted))
    assert finding.alarm, finding.evidence


@pytest.fixture(scope="module")
def large():
    city = SyntheticCity(incidents=45_000, years=3, seed=77, area_km2=50)
    return clean_incidents(city, np.random.default_rng(2))
