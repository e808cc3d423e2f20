"""Filters where the file has the columns, and a clear word where it has not."""

import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.filters import by_domestic, by_premise


@pytest.fixture
def chosen(plain_area: StudyArea, make_incidents) -> Incidents:
    plain = make_incidents(plain_area, [1.0] * 5, [1.0] * 5)
    marks = {"premise": ["STREET", "Apartment", "street ", None, "boat"], "domestic": [True, False, "Y", "no", None]}
    return Incidents(plain.table.assign(**marks), plain_area)


def test_indoors_and_outdoors_are_told_apart_and_never_guessed(chosen: Incidents) -> None:
    sides = {"column": "premise", "indoor": ["apartment"], "outdoor": ["street"]}
    outside = by_premise(chosen, keep="outdoor", **sides)  # type: ignore[arg-type]
    assert outside.incidents.table["id"].tolist() == ["i0", "i2"]
    assert (outside.left_out, outside.unknown) == (1, 2)
    assert outside.sentence() == "2 of 5 incidents are outdoor; 2 cannot be told and are left out."
    assert by_premise(chosen, keep="indoor", **sides).incidents.table["id"].tolist() == ["i1"]  # type: ignore[arg-type]


def test_domestic_marks_of_many_files_are_read(chosen: Incidents) -> None:
    kept = by_domestic(chosen, column="domestic", keep="not domestic")
    assert kept.incidents.table["id"].tolist() == ["i1", "i3"]
    assert (kept.left_out, kept.unknown) == (2, 1)


def test_a_missing_column_names_those_there_are(chosen: Incidents, plain_area: StudyArea, make_incidents) -> None:
    with pytest.raises(PatternError, match=r"no column 'setting' for premise; it has \['premise', 'domestic'\]"):
        by_premise(chosen, column="setting", indoor=["a"], outdoor=["b"], keep="indoor")
    with pytest.raises(PatternError, match="has none beyond"):
        by_domestic(make_incidents(plain_area, [1.0], [1.0]), column="domestic", keep="domestic")


def test_values_that_do_not_fit_are_told(chosen: Incidents) -> None:
    with pytest.raises(PatternError, match="stand under indoor and outdoor"):
        by_premise(chosen, column="premise", indoor=["Street"], outdoor=["STREET"], keep="indoor")
    with pytest.raises(PatternError, match="the most frequent are"):
        by_premise(chosen, column="premise", indoor=["house"], outdoor=["park"], keep="indoor")
    with pytest.raises(PatternError, match="No value of 'premise'"):
        by_domestic(chosen, column="premise", keep="domestic")
    with pytest.raises(PatternError, match="keep must be"):
        by_domestic(chosen, column="domestic", keep="maybe")  # type: ignore[arg-type]
