"""Harm weights: by offence, then by category; what has none is counted, not guessed."""

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.harm import HarmWeights
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError

CRS = "EPSG:32616"


def incidents(category: list[str], offence: list[str]) -> Incidents:
    n = len(category)
    moment = pd.Series(pd.to_datetime(["2024-03-01 12:00"] * n).tz_localize("America/Chicago").as_unit("us"))
    table = pd.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "occurred_from": moment,
            "occurred_until": moment,
            "known_at": moment,
            "time_precision": "minute",
            "category": pd.Categorical(category),
            "offence": pd.Categorical(offence),
            "discovery": "reported",
            "source": "test",
            "x": np.ones(n),
            "y": np.ones(n),
        }
    )
    area = StudyArea("Town", shapely.box(0, 0, 9, 9), CRS, "America/Chicago", empty_neighbourhoods(CRS))
    return Incidents(table, area)


WEIGHTS = HarmWeights("test", {"Theft": 2.0, "robbery": 365.0}, {"PURSE  snatching": 20.0})


def test_the_offence_goes_before_the_category_and_gaps_are_counted() -> None:
    given = incidents(
        ["theft", "theft", "robbery", "fraud", "fraud", "noise"], ["a", "purse snatching", "a", "a", "a", "a"]
    )
    weighed = WEIGHTS.of(given)
    np.testing.assert_array_equal(weighed.weights, [2.0, 20.0, 365.0, np.nan, np.nan, np.nan])
    assert dict(weighed.missing) == {"fraud": 2, "noise": 1}
    assert weighed.total == 387.0
    assert weighed.share_missing == 0.5
    assert weighed.unit == "days"
    assert str(weighed) == "50.0 % of the incidents have no weight and count for nothing: fraud (2), noise (1)."


def test_nothing_missing_and_nothing_given() -> None:
    assert str(WEIGHTS.of(incidents(["theft"], ["a"]))) == "Every incident has a weight, in days."
    nobody = incidents(["theft"], ["a"])
    empty = Incidents(nobody.table.iloc[:0], nobody.area)
    assert WEIGHTS.of(empty).share_missing == 0.0


def test_weights_of_categories() -> None:
    np.testing.assert_array_equal(WEIGHTS.of_categories(["ROBBERY", "x"]), [365.0, np.nan])


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_must_be_a_number_from_zero(weight: float) -> None:
    with pytest.raises(DomainError, match="weight of 'theft' must be >= 0"):
        HarmWeights("test", {"theft": weight})


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(DomainError, match="has no weight"):
        HarmWeights("test", {})
