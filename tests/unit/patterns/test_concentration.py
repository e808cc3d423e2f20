"""Concentration: published formulas by hand, chance told from difference, places that are none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import PatternError
from crimepatterns.patterns.concentration import concentration, gini, gini_by_chance, gini_of_rates, lorenz_curve
from crimepatterns.patterns.concentration_sentences import concentration_sentence, repeat_places_sentence
from crimepatterns.patterns.repeat_places import repeat_places, risky_facilities


def plain_gini(counts: np.ndarray) -> float:
    """Half the mean absolute difference of two places, divided by the mean."""
    return float(np.abs(counts[:, None] - counts[None, :]).mean() / (2.0 * counts.mean()))


def generalised_gini(counts: np.ndarray) -> float:
    """As printed by Bernasco and Steenbeek (2017), equation 5."""
    n, c = len(counts), counts.sum()
    y = np.sort(counts) / c
    i = np.arange(1, n + 1)
    return float(max(1 / c, 1 / n) * (2 * (i * y).sum() - n - 1) - max(n / c, 1) + 1)


@pytest.mark.parametrize("mean", [0.05, 0.5, 3.0])
def test_the_coefficients_are_those_of_their_definitions(mean: float) -> None:
    counts = np.random.default_rng(1).negative_binomial(0.5, 0.5 / (0.5 + mean), 400)
    assert gini(counts) == pytest.approx(plain_gini(counts))
    assert gini(counts, adjusted=True) == pytest.approx(generalised_gini(counts))


def test_the_extremes() -> None:
    assert gini(np.full(50, 3)) == pytest.approx(0.0)
    assert gini([9] + [0] * 99) == pytest.approx(0.99)
    # Ten incidents over a hundred places cannot be spread more evenly than this.
    even = [1] * 10 + [0] * 90
    assert gini(even) == pytest.approx(0.9)
    assert gini(even, adjusted=True) == pytest.approx(0.0)
    assert gini([10] + [0] * 99, adjusted=True) == pytest.approx(0.9)


@pytest.mark.parametrize("mean", [0.02, 0.3, 2.0, 40.0])
def test_chance_alone_concentrates_as_the_closed_form_says(mean: float) -> None:
    counts = np.random.default_rng(2).poisson(mean, 200_000)
    assert gini(counts) == pytest.approx(gini_by_chance(mean * 200_000, 200_000), abs=0.004)
    assert gini_of_rates(counts) < 0.12


@pytest.mark.parametrize("shape", [0.2, 1.0, 5.0])
def test_the_concentration_of_rates_is_found_behind_sparse_counts(shape: float) -> None:
    rng = np.random.default_rng(3)
    rates = rng.gamma(shape, 0.4 / shape, 60_000)
    counts = rng.poisson(rates)
    truth = plain_gini(rates[:4000])
    assert gini_of_rates(counts) == pytest.approx(truth, abs=0.03)
    assert abs(gini(counts) - truth) > 0.06  # what it corrects
    nb = stats.nbinom(shape, shape / (shape + 0.4)).pmf(np.arange(60))
    assert gini(counts) == pytest.approx(plain_of_law(nb), abs=0.01)


def plain_of_law(pmf: np.ndarray) -> float:
    values = np.arange(len(pmf))
    return float((np.abs(values[:, None] - values) * np.outer(pmf, pmf)).sum() / (2 * (values @ pmf)))


def test_shares_by_hand() -> None:
    found = concentration([6, 2, 1, 1, 0, 0, 0, 0, 0, 0], shares=(0.3, 0.6, 0.8, 1.0), replicates=49)
    assert found.shares["places_share"].tolist() == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert found.shares["places"].tolist() == [1, 1, 2, 4]
    assert found.shares["occupied_share"].tolist() == pytest.approx([0.125, 0.25, 0.5, 1.0])
    assert (found.incidents, found.places, found.occupied) == (10, 10, 4)
    assert found.curve["incidents_share"].tolist() == pytest.approx([0, 0.6, 0.8, 1.0, 1.0])
    assert found.curve["places_share"].tolist() == pytest.approx([0, 0.1, 0.2, 0.4, 1.0])
    assert len(found.to_frame()) == 4


def test_the_curve_of_the_most_even_spread() -> None:
    curve = lorenz_curve([1] * 10 + [0] * 90)
    np.testing.assert_allclose(curve["incidents_share"], curve["most_even"])


def test_the_interval_covers_and_depends_on_the_seed_only() -> None:
    rng = np.random.default_rng(4)
    truth = plain_of_law(stats.nbinom(1.0, 1 / 1.8).pmf(np.arange(80)))
    covered = 0
    for seed in range(60):
        counts = rng.negative_binomial(1.0, 1 / 1.8, 800)
        low, high = concentration(counts, replicates=199, seed=seed).gini_interval
        covered += low <= truth <= high
    assert covered >= 50  # 95 % nominal; below 50 of 60 would be chance in 1 of 400
    again = [concentration(counts, replicates=99, seed=7).shares["low"].tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_one_incident_and_many_at_one_place() -> None:
    assert concentration([0, 0, 1, 0], replicates=99).gini_adjusted == pytest.approx(0.0)
    piled = concentration([100_000, 0, 0, 0], replicates=99)
    assert piled.shares["places"].tolist() == [1, 1, 1]
    assert piled.gini_rates > 0.9


@pytest.mark.parametrize("counts", [[], [0, 0], [0.5, 1], [-1, 2], [np.nan, 1], [[1, 2], [3, 4]]])
def test_counts_that_are_no_counts_are_refused(counts: list[float]) -> None:
    with pytest.raises(PatternError, match="Concentration needs"):
        concentration(counts)


def test_impossible_shares_are_refused() -> None:
    for options in ({"shares": (0.0,)}, {"shares": ()}, {"shares": (1.2,)}, {"level": 1.0}):
        with pytest.raises(PatternError, match="Shares must lie"):
            concentration([1, 2], **options)


# -- repeat places ----------------------------------------------------------------------------------------------------


def test_a_default_position_is_marked_and_a_busy_street_is_not(plain_area: StudyArea, make_incidents: object) -> None:
    rng = np.random.default_rng(5)
    # A busy street of twenty addresses, thirty incidents each; a lone default at the centre of the West End.
    street = np.repeat(np.column_stack([np.arange(20) * 25.0 + 3000, np.full(20, 900.0)]), 30, axis=0)
    scattered = rng.uniform(0, 5000, (300, 2))
    default = np.tile([1250.0, 2500.0], (80, 1))
    xy = np.concatenate([street, scattered, default])
    found = repeat_places(make_incidents(plain_area, xy[:, 0], xy[:, 1]))
    top = found.table.iloc[0]
    assert (top["incidents"], top["suspect"]) == (80, True)
    assert "centre of West End" in top["reason"]
    assert "80 incidents at one exact position" in top["reason"]
    assert found.table["suspect"].sum() == 1
    assert found.table["next_busiest"].iloc[1] == 30
    assert found.table["incidents"].sum() == found.incidents == 980
    assert found.table["cumulative_share"].iloc[-1] == pytest.approx(1.0)
    assert found.held_by(1.0) == pytest.approx(1.0)
    assert found.held_by(1 / len(found.table)) == pytest.approx(80 / 980)


def test_days_categories_and_snapping(plain_area: StudyArea, make_incidents: object) -> None:
    times = ["2024-03-01 12:00", "2024-03-01 23:00", "2024-03-02 01:00", "2024-03-05 01:00"]
    incidents = make_incidents(
        plain_area,
        [100.2, 100.4, 100.3, 700.0],
        [50.1, 50.2, 50.9, 70.0],
        times=times,
        category=["theft", "assault", "theft", "assault"],
    )
    table = repeat_places(incidents).table
    assert table["incidents"].tolist() == [3, 1]
    assert table["days"].tolist() == [2, 1]
    assert table["category"].tolist() == ["theft", "assault"]
    assert table["first"].iloc[0] == pd.Timestamp("2024-03-01 12:00", tz="America/Chicago")
    assert table["next_busiest"].isna().all()
    assert not table["suspect"].any()


def test_facilities_without_incidents_stay_in_the_ranking() -> None:
    bars = pd.DataFrame({"name": list("abcd"), "x": [0.0, 100.0, 200.0, 5000.0], "y": [0.0, 0.0, 0.0, 0.0]})
    found = risky_facilities(bars, ([1.0, 2.0, 3.0, 99.0, 900.0], [0.0, 0.0, 0.0, 0.0, 0.0]))
    assert found.table["name"].tolist() == ["a", "b", "c", "d"]
    assert found.table["incidents"].tolist() == [3, 1, 0, 0]
    assert (found.incidents, found.unplaced) == (4, 1)
    assert found.held_by(0.25) == pytest.approx(0.75)


def test_what_cannot_be_ranked_is_refused(plain_area: StudyArea, make_incidents: object) -> None:
    with pytest.raises(PatternError, match="at least one incident"):
        repeat_places(make_incidents(plain_area, [], []))
    with pytest.raises(PatternError, match="must be positive"):
        repeat_places(make_incidents(plain_area, [1.0], [1.0]), radius_m=0)
    site = pd.DataFrame({"x": [0.0], "y": [0.0]})
    with pytest.raises(PatternError, match="No incident lies within"):
        risky_facilities(site, ([900.0], [0.0]))
    with pytest.raises(PatternError, match="rows with x and y"):
        risky_facilities(site.iloc[:0], ([0.0], [0.0]))
    with pytest.raises(PatternError, match="finite"):
        risky_facilities(site, ([np.nan], [0.0]))
    with pytest.raises(PatternError, match="radius_m"):
        risky_facilities(site, ([0.0], [0.0]), radius_m=-1)
    with pytest.raises(PatternError, match="Share of places"):
        risky_facilities(site, ([0.0], [0.0])).held_by(0)


def test_the_sentences(plain_area: StudyArea, make_incidents: object) -> None:
    found = concentration([6, 2, 1, 1, 0, 0, 0, 0, 0, 0], shares=(0.25, 0.6), replicates=49)
    sentence = concentration_sentence(found, places="cells")
    assert sentence.startswith("60 % of the 10 incidents happened at 10.0 % of the 10 cells (95 % interval ")
    assert sentence.endswith(f"would give {100 * found.shares['by_chance'].iloc[1]:.1f} %.")
    places = repeat_places(make_incidents(plain_area, [1.0] * 30 + [900.0], [1.0] * 31))
    assert repeat_places_sentence(places, places_share=0.5) == (
        "The busiest 50 % of 2 places hold 97 % of 31 incidents; the first alone has 30; "
        "one place stands far above the surroundings: large facilities, or default positions of the geocoder."
    )
