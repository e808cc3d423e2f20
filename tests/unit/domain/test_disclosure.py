"""The public's counts: safe in any sum, right on the whole, and nothing of what is sensitive."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crimepatterns.domain.disclosure import DisclosureRule, release
from crimepatterns.errors import DomainError

RULE = DisclosureRule(sensitive=("rape", "Forced entry"), smallest_count=5, cell_size_m=500)


def incidents(seed: int, size: int = 4000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    category = rng.choice(["theft", "burglary", "rape"], size, p=[0.6, 0.35, 0.05])
    offence = np.where(category == "burglary", rng.choice(["forced entry", "no force"], size), category)
    return pd.DataFrame(
        {
            "id": [f"i{number:06d}" for number in range(size)],
            "week": rng.integers(2800, 2850, size),
            "category": category,
            "offence": offence,
            "cell": rng.geometric(0.15, size),
        }
    )


def test_nothing_sensitive_is_released_and_every_count_is_a_multiple() -> None:
    table = incidents(1)
    made = release(table, RULE)
    assert set(made["category"]) == {"theft", "burglary"}
    assert (made["count"] % 5 == 0).all()
    assert (made["count"] > 0).all()
    open_rows = table.loc[(table["category"] != "rape") & (table["offence"] != "forced entry")]
    assert abs(made["count"].sum() - len(open_rows)) < 150


def test_what_is_released_does_not_change_when_later_weeks_arrive() -> None:
    table = incidents(2)
    early = release(table.loc[table["week"] < 2830], RULE)
    late = release(table, RULE)
    pd.testing.assert_frame_equal(late.loc[late["week"] < 2830].reset_index(drop=True), early)


def test_no_difference_of_two_sums_tells_a_small_count() -> None:
    """An attack: sums over any cells, weeks and categories, compared in all pairs."""
    made = release(incidents(3), RULE)
    rng = np.random.default_rng(4)
    sums = []
    for _ in range(60):
        chosen = made.loc[
            made["cell"].isin(rng.choice(made["cell"].unique(), 6))
            & made["week"].between(*sorted(rng.integers(2800, 2850, 2)))
            & made["category"].isin(rng.choice(["theft", "burglary"], 2))
        ]
        sums.append(int(chosen["count"].sum()))
    differences = {abs(one - other) for one, other in itertools.combinations(sums, 2)}
    assert not differences & {1, 2, 3, 4}
    assert len(differences) > 5


def test_sums_are_right_on_average() -> None:
    errors = []
    for seed in range(40):
        table = incidents(100 + seed, 800)
        open_rows = table.loc[~RULE.hides(table["category"]) & ~RULE.hides(table["offence"])]
        errors.append(release(table, RULE)["count"].sum() - len(open_rows))
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors)) + 1


@given(st.integers(1, 9), st.integers(0, 10_000))
def test_any_step_holds_in_every_stream(step: int, seed: int) -> None:
    table = incidents(seed, 300)
    made = release(table, DisclosureRule(smallest_count=step))
    truth = table.groupby(["category", "cell"]).size()
    shown = made.groupby(["category", "cell"])["count"].sum().reindex(truth.index, fill_value=0)
    assert (made["count"] % step == 0).all()
    assert ((shown - truth).abs() < step).all()


def test_an_empty_city_releases_nothing() -> None:
    assert release(incidents(1).iloc[:0], RULE).empty


def test_a_rule_that_protects_nothing_by_mistake_is_refused() -> None:
    with pytest.raises(DomainError, match="section disclosure"):
        DisclosureRule(smallest_count=0)
    with pytest.raises(DomainError, match="section disclosure"):
        DisclosureRule(cell_size_m=0)
