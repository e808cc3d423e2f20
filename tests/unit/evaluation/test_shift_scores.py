"""Scores of forecasts by shift, by hand: what a span scores, what counts as a hit, and that the truth wins."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.hour_spans import HOURS_OF_WEEK
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.shift_scores import ShiftOutcome, compare_contenders, score_shifts

ZONE = "America/Chicago"
EDGES = pd.DatetimeIndex(["2024-05-06 00:00", "2024-05-06 08:00", "2024-05-06 16:00", "2024-05-07 00:00"])
SHIFTS = Periods(EDGES.tz_localize(ZONE).as_unit("us"))


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    begin, end, precision = zip(*rows, strict=True)
    times = {
        name: pd.Series(pd.to_datetime(list(values), format="mixed").tz_localize(ZONE))
        for name, values in (("occurred_from", begin), ("occurred_until", end))
    }
    return pd.DataFrame({**times, "time_precision": list(precision)})


INCIDENTS = table(
    ("2024-05-06 09:00", "2024-05-06 09:00", "minute"),  # one moment, second shift
    ("2024-05-06 06:00", "2024-05-06 10:00", "minute"),  # half in the first, half in the second
    ("2024-05-06 22:00", "2024-05-07 02:00", "minute"),  # half beyond the horizon
    ("2024-05-06", "2024-05-06", "date"),
)
CELL = np.array([0, 0, 1, 1])
OUTCOME = ShiftOutcome.of(INCIDENTS, CELL, SHIFTS, cells=3)
EVEN = np.full((3, HOURS_OF_WEEK), 1 / HOURS_OF_WEEK)


def density_of(profile: np.ndarray) -> np.ndarray:
    return profile[CELL[OUTCOME.spans.row], OUTCOME.spans.hour]


def test_only_incidents_within_one_shift_are_sure_and_all_are_shared() -> None:
    assert OUTCOME.sure.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(OUTCOME.shared, [[0.5, 1.5, 0], [1 / 3, 1 / 3, 1 / 3 + 0.5], [0, 0, 0]])


def test_scores_by_hand() -> None:
    # All of cell 0 between 8 and 10 o'clock on Monday, evenly; cell 1 evenly over the week.
    sharp = EVEN.copy()
    sharp[0] = 0.0
    sharp[0, 8:10] = 0.5
    mean = np.array([[0.2, 0.9, 0.1], [0.3, 0.3, 0.3], [0.1, 0.1, 0.4]])
    flat = np.full((3, 3), 0.3)
    scores = score_shifts(
        OUTCOME, {"even": density_of(EVEN), "sharp": density_of(sharp)}, {"even": flat, "sharp": mean}, places=1
    ).set_index("contender")
    assert scores.loc["even", "gain"] == pytest.approx(0)
    # The moment: 168 times 1/2; the span: half of it at that density; the other two as by even hours.
    assert scores.loc["sharp", "gain"] == pytest.approx(np.log(84) + np.log(42))
    assert (scores["sure"] == 1).all()
    assert (scores["unsure"] == 3).all()
    assert scores.loc["sharp", "hits"] == 1, "place 1, 0 and 2 are chosen in the three shifts"
    assert scores.loc["sharp", "shared_hits"] == pytest.approx(1 / 3 + 1.5)
    assert scores.loc["even", "hits"] == pytest.approx(1 / 3), "ties are chosen in equal parts"
    assert scores.loc["sharp", "place_shifts"] == 3
    assert scores.loc["sharp", "expected"] == pytest.approx(0.3 + 0.9 + 0.4)
    assert scores.loc["sharp", "empty"] == 2
    # Anywhen: (0, 1), (2, 2), and a third of the three place-shifts of place 1.
    assert scores.loc["sharp", "hits_anywhen"] == 1
    assert scores.loc["sharp", "shared_hits_anywhen"] == pytest.approx(1.5 + (1 / 3 + 1 / 3 + 1 / 3 + 0.5) / 3)


def test_contenders_must_fit() -> None:
    with pytest.raises(DomainError, match="densities and expected counts alike"):
        score_shifts(OUTCOME, {"even": density_of(EVEN)}, {"other": np.ones((3, 3))}, places=1)
    with pytest.raises(DomainError, match="densities and expected counts alike"):
        score_shifts(OUTCOME, {"even": density_of(EVEN)}, {"even": np.ones((3, 2))}, places=1)


def test_the_true_rhythm_beats_an_even_one_and_a_wrong_one() -> None:
    rng = np.random.default_rng(8)
    true = rng.dirichlet(np.full(HOURS_OF_WEEK, 2.0))
    wrong = np.roll(true, 12)
    scores = []
    for origin in range(16):
        start = pd.Timestamp("2024-01-01", tz=ZONE) + pd.DateOffset(days=7 * origin)
        hour = rng.choice(HOURS_OF_WEEK, 80, p=true)
        begin = pd.Series(
            (start.tz_localize(None) + pd.to_timedelta(hour, unit="h")).tz_localize(ZONE, nonexistent="shift_forward")
        )
        some = pd.DataFrame({"occurred_from": begin, "occurred_until": begin, "time_precision": "minute"})
        outcome = ShiftOutcome.of(
            some, np.zeros(80, dtype=np.int64), Periods.starting_at(start, days=1, count=7), cells=1
        )
        rhythms = {"even": np.full(HOURS_OF_WEEK, 1 / HOURS_OF_WEEK), "true": true, "wrong": wrong}
        density = {name: one[outcome.spans.hour] for name, one in rhythms.items()}
        expected = {name: one.reshape(1, 7, 24).sum(axis=2) for name, one in rhythms.items()}
        scores.append(score_shifts(outcome, density, expected, places=1).assign(cutoff=start))
    joined = pd.concat(scores)
    own, beside = compare_contenders(joined, "true", "even", "gain", "timed")
    entropy = float((true * np.log(HOURS_OF_WEEK * true)).sum())
    assert own.lower < entropy < own.upper
    assert beside.verdict == "better"
    assert compare_contenders(joined, "wrong", "even", "gain", "timed")[1].verdict == "worse"
