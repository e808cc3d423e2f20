import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.context import ContextLayer
from crimepatterns.domain.covariates import ALWAYS, Covariates
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import AuditColumnError, DomainError
from crimepatterns.features.context import layer_covariates

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 2000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)


def layer(
    kind: str,
    shapes: list[shapely.Geometry],
    starts: list[object],
    ends: list[object] | None = None,
    *,
    register: bool = False,
    **columns: object,
) -> ContextLayer:
    def moments(given_: list[object]) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(pd.to_datetime(given_)).as_unit("us").tz_localize(ZONE).tz_convert("UTC")

    from_ = pd.DatetimeIndex([ALWAYS] * len(starts)) if starts[0] == "always" else moments(starts)
    table = {"starts_at": from_, "ends_at": moments(ends or [None] * len(starts)), **columns}
    return ContextLayer("bars", kind, gpd.GeoDataFrame(table, geometry=shapes, crs=CRS), register)  # type: ignore[arg-type]


POINTS = [shapely.Point(100, 100), shapely.Point(120, 130), shapely.Point(1900, 900)]


def test_a_licence_granted_in_march_is_not_there_in_february() -> None:
    bars = layer("point", POINTS, ["2024-01-05", "2024-03-01", "2024-03-15"], [None, "2024-06-01", None], register=True)
    found = Covariates(layer_covariates(bars, GRID, ["count", "density", "distance"]))
    assert found.names == ("bars_count", "bars_density", "bars_distance")
    home, away = GRID.assign([100, 1900], [100, 900])[0]

    def counted(day: str) -> tuple[float, float]:
        values = found.as_of(pd.Timestamp(day, tz=ZONE)).newest[:, 0]
        return float(values[home]), float(values[away])

    assert counted("2024-01-05") == (0, 0)
    assert counted("2024-02-29") == (1, 0)
    assert counted("2024-03-01") == (1, 0)
    assert counted("2024-03-02") == (2, 0)
    assert counted("2024-03-16") == (2, 1)
    assert counted("2024-06-02") == (1, 1)
    february = found.as_of(pd.Timestamp("2024-02-29", tz=ZONE))
    assert february.newest[home, 2] == pytest.approx(np.hypot(150, 150), rel=1e-6)
    assert february.newest[away, 2] == pytest.approx(np.hypot(1650, 650), rel=1e-6)
    assert found.columns[0].known_at[0] == ALWAYS
    # Before the first licence of a register there are none, and so there is no nearest one.
    empty = found.as_of(pd.Timestamp("2024-01-01", tz=ZONE)).newest
    assert (empty[:, :2] == 0).all()
    assert np.isnan(empty[:, 2]).all()


def test_a_layer_published_once_is_unknown_before() -> None:
    parks = layer("polygon", [shapely.box(0, 0, 500, 250)], ["2024-02-01"])
    found = Covariates(layer_covariates(parks, GRID, ["share", "distance"]))
    assert np.isnan(found.as_of(pd.Timestamp("2024-02-01", tz=ZONE)).newest).all()
    share = found.as_of(pd.Timestamp("2024-02-02", tz=ZONE)).newest[:, 0]
    assert sorted(share.tolist()) == [0] * 7 + [0.5]
    always = layer("polygon", [shapely.box(0, 0, 500, 250)], ["always"])
    assert layer_covariates(always, GRID, ["share"])[0].as_of(pd.Timestamp("1950-01-01", tz=ZONE)).newest.max() == 0.5


def test_later_figures_replace_earlier_ones() -> None:
    box = shapely.box(0, 0, 1000, 1000)
    days = ["2011-04-01", "2021-04-01"]
    census = layer("polygon", [box, box], days, [days[1], None], register=True, Residents=[400.0, 800.0])
    total, mean = layer_covariates(census, GRID, ["total", "area_mean"])
    assert (total.name, mean.name) == ("bars_residents_total", "bars_residents_mean")
    old = total.as_of(pd.Timestamp("2021-04-01", tz=ZONE))
    assert np.nansum(old.newest) == pytest.approx(400)
    assert np.nansum(total.newest) == pytest.approx(800)
    assert np.nanmax(mean.newest) == 800
    assert np.isnan(total.newest).sum() == 4
    assert np.isnan(total.as_of(pd.Timestamp("2011-04-01", tz=ZONE)).newest).all()


def test_values_of_places_are_summed() -> None:
    bars = layer("point", POINTS, ["always"] * 3, seats=[10.0, np.nan, 5.0])
    found = layer_covariates(bars, GRID, ["total"])[0]
    assert sorted(found.newest.tolist())[-2:] == [5, 10]
    assert found.newest.sum() == 15


@given(
    days=st.lists(st.integers(0, 900), min_size=1, max_size=40),
    most=st.sampled_from([4, 12, 60]),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_few_versions_are_late_and_never_early(days: list[int], most: int, seed: int) -> None:
    """Rounder moments may show a place later than it was known, never sooner, and in the end they show them all."""
    rng = np.random.default_rng(seed)
    opened = pd.Timestamp("2022-01-01") + pd.to_timedelta(sorted(days), unit="D")
    points = shapely.points(rng.uniform(0, 2000, len(days)), rng.uniform(0, 1000, len(days)))
    bars = layer("point", list(points), list(opened), register=True)
    exact = layer_covariates(bars, GRID, ["count"])[0]
    rough = layer_covariates(bars, GRID, ["count"], most_versions=most)[0]
    assert len(rough.known_at) <= most + 1
    for day in ("2022-03-10", "2023-01-01", "2023-09-17"):
        cutoff = pd.Timestamp(day, tz=ZONE)
        assert (rough.as_of(cutoff).newest <= exact.as_of(cutoff).newest).all()
    np.testing.assert_array_equal(rough.newest, exact.newest)
    assert exact.newest.sum() == len(days)


def test_measures_must_suit_the_layer() -> None:
    bars = layer("point", POINTS, ["always"] * 3)
    with pytest.raises(DomainError, match="share does not suit points"):
        layer_covariates(bars, GRID, ["share"])
    with pytest.raises(DomainError, match="needs value columns"):
        layer_covariates(bars, GRID, ["total"])
    streets = layer("line", [shapely.LineString([(0, 250), (2000, 250)])], ["always"])
    length, distance = layer_covariates(streets, GRID, ["length", "distance"])
    assert length.newest.sum() == 2000
    assert distance.newest.min() == 0


def test_audit_columns_cannot_come_in_by_a_layer() -> None:
    with pytest.raises(AuditColumnError, match="Pct_Black"):
        layer("polygon", [shapely.box(0, 0, 1, 1)], ["always"], Pct_Black=[0.4])
