import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.context import ContextLayer
from crimepatterns.domain.covariates import ALWAYS, Covariate, Covariates
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.errors import AuditColumnError, DomainError

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
MARCH = pd.Timestamp("2024-03-01", tz=ZONE)


def covariate(
    name: str = "bars_count", dates: tuple[str, ...] = ("2024-01-01", "2024-03-01"), **options: str
) -> Covariate:
    known = pd.DatetimeIndex(dates).tz_localize(ZONE)
    versions = np.arange(len(dates) * 4, dtype=np.float32).reshape(len(dates), 4)
    return Covariate(name, "per cell", known, versions, **options)


def incidents() -> Incidents:
    moments = pd.date_range("2024-01-01", "2024-04-30", freq="6h", tz=ZONE)
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(moments))],
            "occurred_from": moments,
            "occurred_until": moments,
            "known_at": moments,
            "time_precision": "minute",
            "category": "theft",
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": 100.0,
            "y": 100.0,
        }
    )
    return Incidents(table, AREA)


def test_a_version_exists_only_after_it_became_known() -> None:
    found = Covariates((covariate(), covariate("parks_share", ("2024-02-10",))))
    assert found.n_cells == 4
    assert found.names == ("bars_count", "parks_share")
    np.testing.assert_array_equal(found.newest[:, 0], [4, 5, 6, 7])
    february = found.as_of(MARCH)
    np.testing.assert_array_equal(february.newest[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(february.newest[:, 1], [0, 1, 2, 3])
    assert february.latest == pd.Timestamp("2024-02-10", tz=ZONE)
    assert np.isnan(found.as_of(pd.Timestamp("2023-12-31", tz=ZONE)).newest).all()
    assert found.as_of(pd.Timestamp("2023-12-31", tz=ZONE)).latest is None
    just_after = found.as_of(MARCH + pd.Timedelta("1us"))
    np.testing.assert_array_equal(just_after.newest[:, 0], [4, 5, 6, 7])


def test_rows_see_what_was_known_before_their_own_moment() -> None:
    before = pd.DatetimeIndex(
        ["2024-03-01 06:00", "2024-03-01 07:00", "2024-01-01 06:00", "2024-03-02 00:00"], tz="UTC"
    )
    found = covariate().known(np.array([1, 1, 2, 3]), before)
    np.testing.assert_array_equal(found, [1, 5, np.nan, 7])


def test_what_was_always_known_is_known_at_any_cutoff() -> None:
    always = Covariate("parks_share", "share", pd.DatetimeIndex([ALWAYS]), np.ones((1, 4), dtype=np.float32))
    np.testing.assert_array_equal(always.as_of(pd.Timestamp("1700-01-01", tz=ZONE)).newest, 1)


def test_a_digest_tells_names_moments_and_values_apart() -> None:
    one = Covariates((covariate(),))
    assert one.digest == Covariates((covariate(),)).digest
    for other in (covariate("x_count"), covariate(dates=("2024-01-01", "2024-03-02")), covariate().as_of(MARCH)):
        assert Covariates((other,)).digest != one.digest


@pytest.mark.parametrize("name", ["pct_black", "Median_Income", "hispanic_share", "x_nationality_mean"])
def test_audit_columns_cannot_be_covariates_by_name(name: str) -> None:
    with pytest.raises(AuditColumnError, match="must not become a covariate"):
        covariate(name)


def test_audit_columns_cannot_be_covariates_by_role() -> None:
    with pytest.raises(AuditColumnError, match="v1"):
        covariate("v1", role="audit")
    with pytest.raises(AuditColumnError, match="v1"):
        covariate("v1", role="Audit ")
    with pytest.raises(DomainError, match="role must be 'feature'"):
        covariate("v1", role="context")


def test_impossible_covariates_are_refused() -> None:
    one = covariate()
    with pytest.raises(DomainError, match="at least one"):
        Covariates(())
    with pytest.raises(DomainError, match="repeats"):
        Covariates((one, one))
    with pytest.raises(DomainError, match="equally many cells"):
        Covariates((one, Covariate("y", "m", one.known_at[:1], np.zeros((1, 3), dtype=np.float32))))
    with pytest.raises(DomainError, match="ascend"):
        Covariate("y", "m", one.known_at[::-1], one.versions)
    with pytest.raises(DomainError, match="tz-aware"):
        Covariate("y", "m", one.known_at.tz_localize(None), one.versions)
    with pytest.raises(DomainError, match=r"shape \(2, n_cells\)"):
        Covariate("y", "m", one.known_at, one.versions[:1])


def test_a_history_holds_only_covariates_known_before_its_cutoff() -> None:
    archive = Archive(incidents(), GRID, 7, Covariates((covariate(),)))
    history = archive.at(MARCH, target="theft")
    assert history.covariates is not None
    np.testing.assert_array_equal(history.covariates.newest[:, 0], [0, 1, 2, 3])
    later = archive.at(MARCH + pd.DateOffset(days=1), target="theft")
    assert later.covariates is not None
    np.testing.assert_array_equal(later.covariates.newest[:, 0], [4, 5, 6, 7])
    with pytest.raises(DomainError, match="not known before"):
        History(history.incidents, history.panel, "theft", MARCH, archive.covariates)
    assert Archive(incidents(), GRID, 7).at(MARCH, target="theft").covariates is None


def test_covariates_belong_to_one_grid() -> None:
    finer = Grid.square(AREA, cell_size_m=250)
    with pytest.raises(DomainError, match="4 cells, the grid has 16"):
        Archive(incidents(), finer, 7, Covariates((covariate(),))).at(MARCH, target="theft")
    assert isinstance(Archive(incidents(), finer, 7).at(MARCH, target="theft").panel, Panel)


def layer_table(**columns: object) -> gpd.GeoDataFrame:
    known = pd.DatetimeIndex(["2024-01-01", "2024-02-01"], tz="UTC")
    base = {"starts_at": known, "ends_at": pd.DatetimeIndex([pd.NaT, pd.NaT], tz="UTC"), **columns}
    return gpd.GeoDataFrame(base, geometry=gpd.points_from_xy([1, 2], [1, 2]), crs=CRS)


def test_a_context_layer_is_checked_once() -> None:
    layer = ContextLayer("bars", "point", layer_table(seats=[3.0, 4.0]))
    assert layer.value_columns == ("seats",)
    assert len(layer) == 2
    with pytest.raises(AuditColumnError, match="pct_black"):
        ContextLayer("bars", "point", layer_table(pct_black=[3.0, 4.0]))
    with pytest.raises(AuditColumnError, match="income"):
        ContextLayer("income", "point", layer_table())
    with pytest.raises(DomainError, match="found"):
        ContextLayer("bars", "polygon", layer_table())
    with pytest.raises(DomainError, match="ends_at must not be before"):
        ContextLayer("bars", "point", layer_table(ends_at=pd.DatetimeIndex(["2023-01-01", pd.NaT], tz="UTC")))
    with pytest.raises(DomainError, match="needs the columns"):
        ContextLayer("bars", "point", layer_table().drop(columns="ends_at"))
    with pytest.raises(DomainError, match="tz-aware"):
        ContextLayer("bars", "point", layer_table(starts_at=["2024-01-01", "2024-01-01"]))
    with pytest.raises(DomainError, match="every row needs starts_at"):
        ContextLayer("bars", "point", layer_table(starts_at=pd.DatetimeIndex(["2023-01-01", pd.NaT], tz="UTC")))
