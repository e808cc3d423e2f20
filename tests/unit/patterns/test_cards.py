"""Pattern cards: planted patterns of all seven types are found, shuffled towns have none, doubts are told."""

import re

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.pattern import IACA_TYPES, PatternCard
from crimepatterns.errors import DomainError, PatternError
from crimepatterns.patterns.cards import CardList, find_cards
from crimepatterns.patterns.cards_factors import CONDITIONS
from crimepatterns.patterns.cards_fields import BehaviourColumns, read_fields
from crimepatterns.patterns.cards_window import next_window
from planted_series import COLUMNS, PlantedTown, planted_town, shuffled

END = pd.Timestamp("2025-01-01", tz="America/Chicago")
BUSINESS = BehaviourColumns(method="method", premise="premise", property="property", business="business")


def _recall_and_precision(town: PlantedTown, cards: tuple[PatternCard, ...]) -> tuple[float, float]:
    """A series counts as found by a card that holds most of it, and a card is right if most of it is one series."""
    found, right = set(), 0
    for card in cards:
        common = [len(set(own) & set(card.members)) for own in town.series]
        best = int(np.argmax(common))
        pure = common[best] > len(card.members) / 2
        right += pure
        if pure and common[best] > len(town.series[best]) / 2:
            found.add(best)
    return len(found) / len(town.series), right / max(len(cards), 1)


@pytest.fixture(scope="module")
def small() -> tuple[PlantedTown, CardList]:
    town = planted_town(series=8, background=2_500, seed=4)
    return town, find_cards(town.incidents, columns=COLUMNS, replicates=99)


def test_planted_series_are_found_small(small: tuple[PlantedTown, CardList]) -> None:
    town, found = small
    recall, precision = _recall_and_precision(town, found.cards)
    assert recall >= 0.7
    assert precision >= 0.7


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_most_of_thirty_planted_series_are_found(seed: int) -> None:
    town = planted_town(series=30, seed=seed)
    found = find_cards(town.incidents, columns=COLUMNS)
    recall, precision = _recall_and_precision(town, found.cards)
    assert recall >= 0.7, recall
    assert precision >= 0.7, precision


def _shuffled_cards(seeds: range, *, background: int, replicates: int) -> int:
    count = 0
    for seed in seeds:
        town = planted_town(series=30 if background > 3_000 else 8, background=background, seed=seed)
        count += len(find_cards(shuffled(town.incidents, seed), columns=COLUMNS, replicates=replicates).cards)
    return count


def test_shuffled_towns_have_no_cards_small() -> None:
    assert _shuffled_cards(range(40, 45), background=2_000, replicates=49) <= 1


@pytest.mark.slow
def test_ten_shuffled_towns_have_at_most_one_card() -> None:
    assert _shuffled_cards(range(10), background=6_000, replicates=499) <= 1


@pytest.mark.slow
def test_windows_on_planted_series_hold_as_often_as_they_say() -> None:
    """From the members that a card found, each prefix of three or more gives a window for the next planted event."""
    held = []
    for seed in (1, 2, 3):
        town = planted_town(series=30, seed=seed)
        when = town.incidents.table.set_index("id")["occurred_from"]
        for card in find_cards(town.incidents, columns=COLUMNS, replicates=99).cards:
            common = [len(set(own) & set(card.members)) for own in town.series]
            series = when[list(town.series[int(np.argmax(common))])].sort_values()
            own = when[list(card.members)].sort_values()
            for moment in series.iloc[3:]:
                before = own[own < moment]
                if len(before) < 3:
                    continue
                window, _ = next_window(before, as_of=before.iloc[-1])
                assert window is not None
                held.append(window.start <= moment < window.end)
    assert len(held) > 200
    assert 0.7 <= np.mean(held) <= 0.9, np.mean(held)


def _with_business(seed: int) -> tuple[pd.DataFrame, np.random.Generator]:
    table = planted_town(series=0, background=2_500, days=300, seed=seed).incidents.table.copy()
    rng = np.random.default_rng(seed)
    table["business"] = rng.choice(["bank", "bar", "shop", ""], len(table), p=[0.1, 0.1, 0.2, 0.6])
    return table.sort_values("occurred_from").reset_index(drop=True), rng


def _plant(kind: str) -> tuple[Incidents, set[str]]:
    table, rng = _with_business(5)
    late = np.flatnonzero(((table["occurred_from"] >= END - pd.Timedelta(days=20)) & (table.index % 3 == 0)).to_numpy())
    if kind in ("hot product", "hot prey", "hot setting"):
        chosen = rng.choice(late, min(len(late), 34), replace=False)
        if kind == "hot product":
            table.loc[chosen, "property"] = "catalytic converter"
        elif kind == "hot prey":
            table.loc[chosen, "business"] = "pharmacy"
        else:
            table.loc[chosen, ["category", "premise"]] = ["robbery", "underpass"]
    else:
        count = {"hot place": 7, "hot spot": 14, "spree": 5, "series": 7}[kind]
        spread = {"hot place": 0.0, "hot spot": 70.0, "spree": 300.0, "series": 300.0}[kind]
        days = {"hot place": 60.0, "hot spot": 20.0, "spree": 0.3, "series": 24.0}[kind]
        chosen = rng.choice(len(table), count, replace=False)
        table.loc[chosen, "x"] = 6_100.0 + rng.normal(0, 1, count) * spread
        table.loc[chosen, "y"] = 3_900.0 + rng.normal(0, 1, count) * spread
        moments = (END - pd.Timedelta(days=70) + pd.to_timedelta(np.linspace(0, days, count), unit="D")).as_unit("us")
        for name in ("occurred_from", "occurred_until", "known_at"):
            table.loc[chosen, name] = moments.round("min")
        table.loc[chosen, ["category", "offence"]] = "robbery"
        if kind in ("spree", "series"):
            table.loc[chosen, ["method", "property"]] = ["robbery by way 9", "goods 7"]
    planted = set(table["id"].iloc[chosen])
    return Incidents(table, planted_town(series=0, background=10).incidents.area), planted


@pytest.mark.parametrize("kind", IACA_TYPES)
def test_each_type_is_found_where_it_is_planted(kind: str) -> None:
    incidents, planted = _plant(kind)
    found = find_cards(incidents, columns=BUSINESS, replicates=99, as_of=END)
    best = max(found.cards, key=lambda card: len(planted & set(card.members)), default=None)
    assert best is not None, found.sentence()
    assert best.iaca_type == kind
    assert len(planted & set(best.members)) >= 0.7 * len(planted)
    assert best.distinctiveness.p_value <= 0.02
    assert best.distinctiveness.observed > 2 * best.distinctiveness.expected


def test_a_card_claims_similar_events_and_never_a_common_person(small: tuple[PlantedTown, CardList]) -> None:
    claims = re.compile(
        r"\b(offenders?|suspects?|perpetrators?|criminals?|gang|culprits?|same (person|man|people))\b", re.IGNORECASE
    )
    for card in small[1].cards:
        said = [card.title, card.sentence(), card.distinctiveness.sentence(), card.window_note]
        said += [condition.reason for condition in card.checklist]
        said += [card.window.sentence()] if card.window else []
        assert not claims.search(" ".join(said))
        assert "similar events" in card.sentence()
        assert "not who is behind them" in card.sentence()


def test_what_the_file_cannot_show_is_unknown(small: tuple[PlantedTown, CardList]) -> None:
    for card in small[1].cards:
        verdicts = [condition.verdict for condition in card.checklist]
        assert tuple(condition.name for condition in card.checklist) == CONDITIONS
        assert verdicts[:3] == ["met", "unknown", "met"]
        assert verdicts[4] == "unknown"
        assert card.window is None or len(card.members) >= 3
        assert (card.window is None) == bool(card.window_note)


def test_common_factors_come_with_their_base_rate(small: tuple[PlantedTown, CardList]) -> None:
    card = small[1].cards[0]
    assert card.common_factors
    for factor in card.common_factors:
        assert factor.members / factor.of >= 0.6
        assert factor.times >= 2
        assert factor.p_value <= 0.01
        assert "around" in str(factor)


def test_the_same_cards_whatever_the_order_of_the_rows(small: tuple[PlantedTown, CardList]) -> None:
    town, found = small
    turned = Incidents(town.incidents.table.iloc[::-1].reset_index(drop=True), town.incidents.area)
    again = find_cards(turned, columns=COLUMNS, replicates=99)
    assert [card.card_id for card in again.cards] == [card.card_id for card in found.cards]
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame())
    assert found.cards[0].parameters["seed"] == 0


def test_a_relationship_column_decides_the_second_condition() -> None:
    town = planted_town(series=4, background=1_500, seed=6)
    columns = BehaviourColumns(method="method", premise="premise", property="property", relationship="relation")

    def verdicts(value: str) -> set[str]:
        table = town.incidents.table.assign(relation=value)
        found = find_cards(Incidents(table, town.incidents.area), columns=columns, replicates=49, level=0.1)
        assert found.cards
        return {card.checklist[1].verdict for card in found.cards}

    assert verdicts("Stranger") == {"met"}
    assert verdicts("neighbour") == {"not met"}
    assert verdicts("unknown") == {"unknown"}


def test_free_text_is_off_and_leaves_only_allowed_frequent_words() -> None:
    town = planted_town(series=1, background=400, seed=7)
    table = town.incidents.table.copy()
    table["story"] = "Anna Example of 5 Elm Street saw nothing"
    table.loc[table.index % 20 == 0, "story"] = "Entered by CROWBAR through the roof light, said Ben Sample"
    table.loc[:4, "story"] = "a rare zebra"
    incidents = Incidents(table, town.incidents.area)
    allowed = BehaviourColumns(method="method", text="story", vocabulary=("crowbar", "roof light", "zebra"))
    fields = read_fields(incidents, allowed)
    assert fields.terms == ("text mentions crowbar", "text mentions roof light"), "the zebra stands in five incidents"
    assert int((fields.codes["text mentions crowbar"] == 0).sum()) == table["story"].str.contains("CROWBAR").sum()
    found = find_cards(incidents, columns=allowed, replicates=49, level=0.2)
    for card in found.cards:
        assert "story" not in card.evidence.columns
        assert not re.search("Anna|Elm|Ben", repr(card) + card.sentence() + card.evidence.to_string())
    assert "story" not in find_cards(incidents, replicates=49).parameters["columns"]  # type: ignore[operator]
    with pytest.raises(PatternError, match="vocabulary"):
        BehaviourColumns(text="story")


def test_types_without_columns_are_skipped_and_said() -> None:
    found = find_cards(planted_town(series=0, background=600).incidents, replicates=49)
    assert set(found.skipped) == {"series", "spree", "hot prey", "hot product", "hot setting"}
    assert "No hot product looked for: the file has no column on kinds of property." in found.sentence()


def test_bad_questions_are_told(plain_area: StudyArea, make_incidents) -> None:
    town = planted_town(series=0, background=50).incidents
    with pytest.raises(PatternError, match="has no column 'motive' for method; it has"):
        find_cards(town, columns=BehaviourColumns(method="motive"))
    with pytest.raises(PatternError, match="needs 49 replicates"):
        find_cards(town, replicates=9)
    with pytest.raises(PatternError, match="hot people"):
        find_cards(town, types=["hot people"])  # type: ignore[list-item]
    with pytest.raises(PatternError, match="got none"):
        find_cards(make_incidents(plain_area, [], [], times=[]))
    with pytest.raises(PatternError, match="Nothing was known"):
        find_cards(town, as_of=pd.Timestamp("1999-01-01", tz="America/Chicago"))


def test_one_incident_and_equal_points_are_no_pattern(plain_area: StudyArea, make_incidents) -> None:
    assert not find_cards(make_incidents(plain_area, [1.0], [1.0]), replicates=49).cards
    equal = find_cards(make_incidents(plain_area, [1.0] * 40, [1.0] * 40), replicates=49)
    assert not equal.cards, "forty records of one moment and place are one event"
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    same_place = find_cards(make_incidents(plain_area, [1.0] * 200, [1.0] * 200, times=days), replicates=49)
    assert not same_place.cards, "all incidents are of one kind and at one place: nothing is distinct"


def test_merging_keeps_the_weaker_evidence(small: tuple[PlantedTown, CardList]) -> None:
    _, found = small
    first, second = found.cards[:2]
    whole = found.merged([first, second], title="Both")
    assert set(whole.members) == {*first.members, *second.members}
    weaker = max(first.distinctiveness.q_value, second.distinctiveness.q_value)
    assert whole.distinctiveness.q_value == weaker
    assert "not the whole" in whole.distinctiveness.null
    with pytest.raises(PatternError, match="two or more cards"):
        found.merged([first])


def test_a_card_needs_two_incidents_and_five_conditions(small: tuple[PlantedTown, CardList]) -> None:
    card = small[1].cards[0]
    facts = {name: getattr(card, name) for name in card.__dataclass_fields__}
    with pytest.raises(DomainError, match="two or more different"):
        PatternCard(**{**facts, "members": card.members[:1]})
    with pytest.raises(DomainError, match="five conditions"):
        PatternCard(**{**facts, "checklist": card.checklist[:4]})
    with pytest.raises(DomainError, match="Pattern type"):
        PatternCard(**{**facts, "iaca_type": "hot person"})
    assert card.to_frame()["card"].unique().tolist() == [card.card_id]
