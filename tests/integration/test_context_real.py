"""Real context: census tables by community area, licences of New York, districts in feet."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.cleaning.boundary import area_from_polygons
from crimepatterns.cleaning.context_rows import CheckedRows, ContextRules, check_rows
from crimepatterns.config import Settings, load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import AuditColumnError, ConfigError
from crimepatterns.evaluation.equity import exposure_amplification
from crimepatterns.evaluation.selection import Budget
from crimepatterns.features.covariates import distance_to_nearest, point_counts
from crimepatterns.sources.context_file import read_context
from crimepatterns.store.audit_tables import read_audit_table

pytestmark = pytest.mark.shared

PROJECT = Path(__file__).resolve().parents[2]
CENSUS = "chicago/community_area_socioeconomic.csv"


def census_layer(shared_data: Path, name: str, columns: list[str], **changes: Any) -> dict[str, Any]:
    """A layer of the census table, joined by the number of the community area."""
    return {
        "name": name,
        "kind": "table",
        "paths": [str(shared_data / CENSUS)],
        "key": "ComAreaID",
        "places": str(shared_data / "chicago" / "community_areas.geojson"),
        "places_key": "area_numbe",
        "columns": columns,
        "known_from": "2015-12-03",
        "how": ["total"],
        "origin": "US Census through GeoDa Center, chisociohealth",
        **changes,
    }


@pytest.fixture(scope="module")
def chicago(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRIMEPATTERNS_SHARED", str(shared_data.parent))
        root = {"root": str(tmp_path_factory.mktemp("chicago"))}
        settings = load_settings(PROJECT / "config" / "cities" / "chicago.yaml", root)
    ingest(settings)
    clean(settings)
    return settings


def with_layers(settings: Settings, *layers: dict[str, Any]) -> Settings:
    return settings.model_copy(update={"context": load_settings(overrides={"context": list(layers)}).context})


def test_residents_of_community_areas_are_spread_over_cells(chicago: Settings, shared_data: Path) -> None:
    settings = with_layers(chicago, census_layer(shared_data, "people", ["Pop2014"], how=["total"]))
    report = build_context(settings)["layers"]["people"]
    assert (report["rows_in"], report["kept"], report["rejected"]) == (77, 77, {})
    assert report["known"] == ["2015-12-03", "2015-12-03"]
    facts = City(settings).covariates
    assert facts is not None
    table = pd.read_csv(shared_data / CENSUS)
    assert facts.names == ("people_pop2014_total",)
    assert np.nansum(facts.newest) == pytest.approx(table["Pop2014"].sum(), rel=1e-5)
    assert np.isnan(facts.as_of(pd.Timestamp("2015-12-03", tz="America/Chicago")).newest).all()
    # The densest area of the table is the densest on the map.
    city = City(settings)
    dense = pd.Series(facts.newest[:, 0] / city.grid.area_km2).groupby(city.grid.neighbourhood).median()
    areas = gpd.read_file(shared_data / "chicago" / "community_areas.geojson").to_crs(city.area.crs)
    per_km2 = areas.assign(key=areas["area_numbe"].astype(int), km2=areas.area / 1e6).merge(
        table, left_on="key", right_on="ComAreaID"
    )
    per_km2 = per_km2.set_index("community_x")["Pop2014"] / per_km2.set_index("community_x")["km2"]
    assert dense.idxmax() == per_km2.idxmax()
    assert np.corrcoef(dense, per_km2.reindex(dense.index))[0, 1] > 0.999


@pytest.mark.parametrize(
    "column",
    [
        "Blk14P",
        "Wht14P",
        "Hisp14P",
        "Blk14",
        "Wht14",
        "Hisp14",
        "income_pc",
        "PerCInc14",
        "Pov14",
        "poverty",
        "harship_in",
    ],
)
def test_the_census_columns_about_people_are_refused(shared_data: Path, column: str) -> None:
    with pytest.raises(ConfigError, match=column):
        load_settings(overrides={"context": [census_layer(shared_data, "facts", [column])]})


def test_an_abbreviation_nobody_knows_is_caught_by_its_role_and_its_values(
    chicago: Settings, shared_data: Path
) -> None:
    """AS14P is a share of residents by race that no list of words would find."""
    audit = census_layer(shared_data, "groups", ["AS14P", "AS14"], role="audit", how=[])
    with pytest.raises(ConfigError, match="gives the role audit"):
        load_settings(overrides={"context": [audit, census_layer(shared_data, "facts", ["AS14P"])]})
    renamed = pd.read_csv(shared_data / CENSUS)[["ComAreaID", "AS14"]].rename(columns={"AS14": "index_c"})
    path = chicago.root / "renamed.csv"
    renamed.assign(index_c=renamed["index_c"] * 0.5 - 3).to_csv(path, index=False)
    smuggled = census_layer(shared_data, "facts", ["index_c"], paths=[str(path)])
    with pytest.raises(AuditColumnError, match="'index_c' of context layer facts holds the values of 'AS14'"):
        build_context(with_layers(chicago, audit, smuggled))


def test_exposure_of_groups_to_the_plain_counts_of_chicago(chicago: Settings, shared_data: Path) -> None:
    """An independent measurement on the same file, with another cut of the area, found 0.5, 2.0, 2.5 and 1.6."""
    settings = with_layers(chicago, census_layer(shared_data, "groups", ["Blk14", "Wht14"], role="audit", how=[]))
    build_context(settings)
    city = City(settings)
    assert city.covariates is None
    audit, _ = read_audit_table(city.layout.context / "audit" / "groups.parquet")
    assert set(audit["neighbourhood"]) == set(city.area.neighbourhoods["name"])
    found = {}
    for category in ("theft", "assault", "damage", "battery"):
        history = city.archive.at(city.archive.end, target=category, categories=[category])
        counts = history.counts.sum(axis=1)
        found[category] = exposure_amplification(
            city.grid,
            counts.astype(float),
            counts,
            residents=pd.DataFrame(audit),
            group="Blk14",
            reference="Wht14",
            budget=Budget(area_share=0.01),
        )["amplification"]
    assert found == pytest.approx({"theft": 0.5, "assault": 2.0, "damage": 2.5, "battery": 1.6}, rel=0.25)


def new_york(shared_data: Path) -> tuple[StudyArea, gpd.GeoDataFrame]:
    precincts = gpd.read_file(shared_data / "nyc" / "police_precincts.geojson")
    common: dict[str, Any] = {"name": "New York", "timezone": "America/New_York", "crs": "EPSG:32618"}
    return area_from_polygons(precincts, None, **common), precincts.to_crs("EPSG:32618")


def licences(shared_data: Path, area: StudyArea, x: str, y: str, crs: str) -> CheckedRows:
    read = read_context(shared_data / "nyc" / "liquor_licences_points.parquet")
    rules = ContextRules("licences", "point", "always", "always", area.timezone, x=x, y=y, crs=crs)
    return check_rows(read.table, read.geometry, read.crs, rules, area=area)


def test_licences_of_new_york(shared_data: Path) -> None:
    area, precincts = new_york(shared_data)
    degrees = licences(shared_data, area, "lon", "lat", "EPSG:4326")
    assert degrees.rows_in == 20_436 == len(degrees.kept) + sum(degrees.reasons.values())
    assert set(degrees.reasons) <= {"repeats an earlier row"}
    feet = licences(shared_data, area, "x", "y", "EPSG:2263")
    apart = shapely.distance(degrees.kept.geometry.to_numpy(), feet.kept.geometry.to_numpy())
    assert apart.max() < 1.0
    points = degrees.kept.geometry.to_numpy()
    grid = Grid.from_polygons(area, precincts, id_column="Precinct" if "Precinct" in precincts else None)
    joined = gpd.sjoin(degrees.kept, grid.to_geodataframe()[["cell_id", "geometry"]], predicate="intersects")
    expected = joined["cell_id"].value_counts().reindex(grid.ids, fill_value=0)
    np.testing.assert_array_equal(point_counts(grid, points).sum(axis=1), expected)
    squares = Grid.square(area, cell_size_m=500)
    some = np.arange(0, len(squares), 97)
    brute = np.linalg.norm(squares.centres[some, None] - shapely.get_coordinates(points)[None], axis=2).min(axis=1)
    np.testing.assert_allclose(distance_to_nearest(squares, points)[some], brute, rtol=1e-9)


def test_districts_in_feet_are_those_in_degrees(shared_data: Path) -> None:
    folder = shared_data / "portland-nij"
    boundary = gpd.read_file(folder / "police_districts.geojson")
    common: dict[str, Any] = {"name": "Portland", "timezone": "America/Los_Angeles", "crs": "EPSG:32610"}
    area = area_from_polygons(boundary, None, **common)
    read = read_context(folder / "police_districts_epsg2913.gpkg")
    rules = ContextRules("districts", "polygon", "2012-03-01", "date", area.timezone)
    found = check_rows(read.table, read.geometry, read.crs, rules, area=area)
    assert len(found.kept) == 60
    square_miles = found.kept.to_crs("EPSG:2913").area.sum() * 0.3048**2 / 1609.344**2
    assert square_miles == pytest.approx(147.70, abs=0.05)
    union = shapely.union_all(found.kept.geometry.to_numpy())
    assert shapely.symmetric_difference(union, area.polygon).area < 1e-3 * area.polygon.area
