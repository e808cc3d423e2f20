"""Pictures of patterns say what is in the result: kinds, changes, chains and ratios."""

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.near_repeat import near_repeat_chains
from crimepatterns.patterns.space_time_pairs import SpaceTimeBands
from crimepatterns.visuals.static import chains_map, change_map, kinds_map, repeat_table

CRS = "EPSG:32616"
FACTS = {"category": "burglary", "window": "1 Jan 2024 to 31 Dec 2024", "run_date": "2025-01-02", "sentence": "Said."}


@pytest.fixture(scope="module")
def area() -> StudyArea:
    return StudyArea("Plainville", shapely.box(0, 0, 2_000, 2_000), CRS, "UTC", empty_neighbourhoods(CRS))


@pytest.fixture(scope="module")
def grid(area: StudyArea) -> Grid:
    return Grid.square(area, cell_size_m=500)


@pytest.fixture(scope="module")
def incidents(area: StudyArea) -> Incidents:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 2_000, size=(2, 60))
    x[30:], y[30:] = x[:30] + 20, y[:30]
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.r_[np.arange(30) * 10, np.arange(30) * 10 + 1], unit="D")
    when = pd.Series(pd.DatetimeIndex(day).as_unit("us").tz_localize("UTC"))
    table = pd.DataFrame(
        {
            "id": [f"i{k}" for k in range(60)], "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "date", "category": "burglary", "offence": "burglary", "discovery": "reported",
            "source": "test", "x": np.clip(x, 0, 1_999), "y": y,
        }
    )  # fmt: skip
    return Incidents(table, area)


def _texts(figure) -> str:
    return " ".join(text.get_text() for text in [*figure.texts, *[t for a in figure.axes for t in a.texts]])


def test_kinds_are_counted_in_the_key(area: StudyArea, grid: Grid) -> None:
    layer = grid.to_geodataframe().assign(kind="")
    layer.loc[:2, "kind"] = "new hot spot"
    layer.loc[5, "kind"] = "persistent cold spot"
    told = _texts(kinds_map(layer, area, column="kind", title="Emerging hot spots", facts=FACTS))
    assert "Emerging hot spots of burglary in Plainville" in told
    assert "new 3 cells" in told
    assert "cold, of any history 1 cells" in told
    assert "none 12 cells" in told
    with pytest.raises(PatternError, match="Said"):
        kinds_map(layer.assign(kind=""), area, column="kind", title="Emerging hot spots", facts=FACTS)


def test_change_shows_both_directions(grid: Grid) -> None:
    before, after = np.full(16, 20), np.full(16, 20)
    after[3], after[9] = 80, 1
    surface = change_between(before, after, grid)
    told = _texts(change_map(surface, category="burglary", window="2024", facts=FACTS))
    assert "more than before 1 cells" in told
    assert "fewer than before 1 cells" in told
    assert "not shown to differ 14 cells" in told


def test_chains_and_their_lengths(area: StudyArea, incidents: Incidents) -> None:
    found = near_repeat_chains(incidents, distance_m=50, days=3)
    facts = {**FACTS, "parameters": dict(found.parameters)}
    figure = chains_map(found.chains, area, facts=facts)
    assert f"{len(found.chains) - 12} more chains" in _texts(figure)
    with pytest.raises(PatternError, match="Said"):
        chains_map(found.chains.iloc[:0], area, facts=facts)


def test_the_near_repeat_table_prints_every_ratio(incidents: Incidents) -> None:
    table = knox(incidents, bands=SpaceTimeBands((100.0, 300.0), (3, 14)), replicates_count=19).to_frame()
    figure = repeat_table(table, city="Plainville", facts={**FACTS, "null": "dates are exchangeable"})
    told = _texts(figure)
    for ratio in table["ratio"].dropna():
        assert f"{ratio:.2f}" in told
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "same place",
        "0 to 100 m",
        "100 to 300 m",
    ]
