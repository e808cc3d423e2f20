"""The windows of pattern cards, and what was usual in them before."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns import cards_windows
from crimepatterns.patterns.cards import find_cards
from crimepatterns.patterns.cards_past import Before, pasts
from crimepatterns.patterns.cards_windows import Reach, make_windows
from planted_series import planted_town


def _scatter(count: int, side: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, side, count), rng.uniform(0, side, count), rng.uniform(0, 60, count)


def test_windows_hold_what_a_plain_search_finds() -> None:
    x, y, day = _scatter(400, 4_000)
    found = make_windows(x, y, day, Reach(600.0, 9.0))
    near = np.hypot(x[:, None] - x, y[:, None] - y) <= 600.0
    near &= np.abs(day[:, None] - day) <= 9.0
    assert found.among.tolist() == near.sum(axis=1).tolist()
    for place in (0, 17, 399):
        assert found.of(place).tolist() == np.flatnonzero(near[place]).tolist()
    kept = np.arange(0, 400, 2)
    fewer = found.only(kept)
    assert fewer.among.tolist() == near[np.ix_(kept, kept)].sum(axis=1).tolist()
    chosen = np.zeros(400, dtype=bool)
    chosen[5] = True
    assert set(found.around(chosen).centre.tolist()) <= {5}


def test_windows_are_narrower_where_incidents_are_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, day = _scatter(3_000, 1_500)
    found = make_windows(x, y, day, Reach(600.0, 30.0))
    assert found.among.max() <= 151
    assert found.width_m.max() < 600.0
    near = np.hypot(x[:, None] - x, y[:, None] - y) <= found.width_m[:, None]
    near &= np.abs(day[:, None] - day) <= 30.0
    assert found.among.tolist() == near.sum(axis=1).tolist()
    # Found a second time where the pairs are too many to keep, the windows are the same.
    monkeypatch.setattr(cards_windows, "_KEPT", 1_000)
    again = make_windows(x, y, day, Reach(600.0, 30.0))
    assert again.among.tolist() == found.among.tolist()
    monkeypatch.setattr(cards_windows, "_MOST_PAIRS", 1_000)
    with pytest.raises(PatternError, match="fewer days"):
        make_windows(x, y, day, Reach(600.0, 30.0))


def test_the_past_of_a_place_raises_its_base_rate() -> None:
    x, y, day = np.array([100.0, 110.0, 5_000.0]), np.array([100.0, 110.0, 5_000.0]), np.array([0.0, 1.0, 2.0])
    windows = make_windows(x, y, day, Reach(250.0, 28.0))
    earlier = np.tile([120.0], 60)
    code = np.array([0] * 40 + [1] * 20)
    past = pasts(x, y, windows, Before(earlier, earlier), {0: (code, 3)})[0]
    rates = past.rates(np.array([0, 0, 0, 2]), np.array([0, 1, 2, 0]), np.full(4, 0.05))
    # 40 and 20 of 60 earlier ones, drawn towards 0.05 by 20 pseudo-incidents; never below the district's rate.
    assert rates.tolist() == pytest.approx([41 / 80, 21 / 80, 0.05, 0.05])


def test_what_was_always_there_is_no_pattern() -> None:
    town = planted_town(series=0, background=1_500, days=400, seed=8).incidents
    table = town.table.sort_values("occurred_from").reset_index(drop=True)
    end = table["occurred_from"].max().normalize() + pd.Timedelta(days=1)

    def cards(first_day: int) -> list[str]:
        chosen = np.random.default_rng(1).choice(len(table), 44, replace=False)
        changed = table.copy()
        changed.loc[chosen, ["x", "y"]] = (6_100.0, 3_900.0)
        changed.loc[chosen, ["category", "offence"]] = "robbery"
        days = np.linspace(first_day, 2, len(chosen))
        moments = (end - pd.to_timedelta(days, unit="D")).as_unit("us").round("min")
        for name in ("occurred_from", "occurred_until", "known_at"):
            changed.loc[chosen, name] = moments
        found = find_cards(Incidents(changed, town.area), as_of=end, replicates=59, types=("hot place", "hot spot"))
        planted = set(changed["id"].iloc[chosen])
        return [card.iaca_type for card in found.cards if len(planted & set(card.members)) >= 10]

    assert cards(first_day=90) == ["hot place"]
    assert cards(first_day=395) == []


def test_one_category_has_no_hot_spots_of_it() -> None:
    town = planted_town(series=0, background=300, seed=8).incidents
    table = town.table.assign(category="theft", offence="theft")
    found = find_cards(Incidents(table, town.area), replicates=49)
    assert found.cards == ()
    assert "No hot spot, hot place looked for: all incidents are of one category." in found.sentence()
