"""A small town, its incidents and a check that every word of a figure can be read."""

from collections.abc import Callable
from itertools import combinations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents

CRS = "EPSG:32616"
NO_SPAN = pd.Timedelta(0)


@pytest.fixture(scope="session")
def town() -> StudyArea:
    """An L-shaped town with a hole and three named parts, one of them shouted."""
    shape = shapely.Polygon(
        [(0, 0), (6000, 0), (6000, 3000), (3000, 3000), (3000, 7000), (0, 7000)],
        [[(1000, 1000), (1600, 1000), (1600, 1500), (1000, 1500)]],
    )
    parts = [shapely.box(0, 0, 3000, 3000), shapely.box(3000, 0, 6000, 3000), shapely.box(0, 3000, 3000, 7000)]
    names = ["O'HARE AND NEAR NORTH SIDE", "East", "A part of the town with a very long name indeed"]
    cut = [shapely.intersection(part, shape) for part in parts]
    named = gpd.GeoDataFrame({"name": names}, geometry=cut, crs=CRS)
    return StudyArea("Elltown", shape, CRS, "America/Chicago", named)


@pytest.fixture(scope="session")
def make_town_incidents(town: StudyArea) -> Callable[..., Incidents]:
    """Make incidents around a few places over a span of days."""

    def make(
        count: int = 3000,
        *,
        start: str = "2022-03-10",
        days: int = 700,
        precision: str = "minute",
        span: pd.Timedelta = NO_SPAN,
        categories: tuple[str, ...] = ("theft", "burglary"),
        seed: int = 1,
    ) -> Incidents:
        rng = np.random.default_rng(seed)
        places = rng.uniform((0, 0), (3000, 6500), size=(25, 2))
        xy = places[rng.integers(0, 25, 4 * count)] + rng.normal(0, 60, size=(4 * count, 2))
        xy = xy[town.contains(*xy.T)][:count]
        minutes = np.sort(rng.integers(0, days * 1440, count))
        stamps = pd.Timestamp(start) + pd.to_timedelta(minutes, unit="min")
        stamps = {"date": stamps.floor("D"), "month": stamps.to_period("M").start_time}.get(precision, stamps)
        moments = pd.Series(
            pd.DatetimeIndex(stamps).as_unit("us").tz_localize(
                town.timezone, ambiguous=np.zeros(count, bool), nonexistent="shift_forward"
            )
        )  # fmt: skip
        until = (moments + pd.DateOffset(months=1)) if precision == "month" else moments + span
        table = pd.DataFrame(
            {
                "id": [f"i{i}" for i in range(count)],
                "occurred_from": moments,
                "occurred_until": until,
                "known_at": until,
                "time_precision": precision,
                "category": pd.Categorical(rng.choice(categories, count, p=_shares(len(categories)))),
                "offence": "",
                "discovery": "reported",
                "source": "test",
                "x": xy[:, 0],
                "y": xy[:, 1],
            }
        )
        return Incidents(table, town)

    return make


def _shares(count: int) -> np.ndarray:
    weights = np.arange(count, 0, -1, dtype=float)
    return weights / weights.sum()


@pytest.fixture(scope="session")
def assert_legible() -> Callable[[Figure], list[str]]:
    """Check that all words lie on the figure and none lies on another; return the words."""

    def check(figure: Figure) -> list[str]:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        width, height = canvas.get_width_height()
        drawn, hidden = [], _hidden_labels(figure)
        for text in figure.findobj(Text):
            if not text.get_visible() or not text.get_text().strip() or id(text) in hidden:
                continue
            box = Text.get_window_extent(text, renderer)
            assert box.x0 > -1, f"{text.get_text()!r} is cut off on the left"
            assert box.y0 > -1, f"{text.get_text()!r} is cut off below"
            assert box.x1 < width + 1, f"{text.get_text()!r} is cut off on the right"
            assert box.y1 < height + 1, f"{text.get_text()!r} is cut off above"
            drawn.append((text.get_text(), box))
        for (one, box), (two, other) in combinations(drawn, 2):
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert wide < 2 or high < 2, f"{one!r} and {two!r} lie on one another"
        return [word for word, _ in drawn]

    return check


def _hidden_labels(figure: Figure) -> set[int]:
    """Labels that matplotlib keeps but does not draw: of axes switched off, and of ticks beyond the limits."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-6 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not axes.axison or not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {id(tick.label1), id(tick.label2)}
            if not axes.axison:
                hidden |= {id(axis.label), id(axis.offsetText)}
    return hidden
