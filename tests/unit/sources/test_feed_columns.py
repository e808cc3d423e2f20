"""Guessing what columns hold: the portals whose columns are known are guessed as a person mapped them."""

import pyarrow as pa
import pytest

from crimepatterns.sources.feed import FeedColumn, FeedDescription
from crimepatterns.sources.feed_columns import guess_columns
from crimepatterns.sources.feed_presets import PRESETS

PUBLISHED = {
    "chicago": (
        "id case_number date block iucr primary_type description location_description arrest domestic beat district "
        "ward community_area fbi_code x_coordinate y_coordinate year updated_on latitude longitude"
    ),
    "new_york": (
        "cmplnt_num addr_pct_cd boro_nm cmplnt_fr_dt cmplnt_fr_tm cmplnt_to_dt cmplnt_to_tm crm_atpt_cptd_cd "
        "juris_desc ky_cd law_cat_cd loc_of_occur_desc ofns_desc pd_cd pd_desc prem_typ_desc rpt_dt "
        "x_coord_cd y_coord_cd latitude longitude"
    ),
    "san_francisco": (
        "incident_datetime incident_date incident_time incident_year incident_day_of_week report_datetime row_id "
        "incident_id incident_number report_type_code report_type_description incident_code incident_category "
        "incident_subcategory incident_description resolution intersection police_district analysis_neighborhood "
        "latitude longitude data_as_of data_loaded_at"
    ),
    "los_angeles": (
        "dr_no date_rptd date_occ time_occ area area_name rpt_dist_no part_1_2 crm_cd crm_cd_desc mocodes premis_cd "
        "premis_desc weapon_used_cd weapon_desc status status_desc location cross_street lat lon"
    ),
    "seattle": (
        "report_number report_date_time offense_id offense_date nibrs_group_a_b nibrs_crime_against_category "
        "offense_sub_category shooting_type_group block_address latitude longitude beat precinct sector neighborhood "
        "reporting_area offense_category nibrs_offense_code_description nibrs_offense_code"
    ),
    "washington_dc": (
        "OBJECTID CCN REPORT_DAT SHIFT METHOD OFFENSE BLOCK XBLOCK YBLOCK WARD ANC DISTRICT PSA NEIGHBORHOOD_CLUSTER "
        "BLOCK_GROUP CENSUS_TRACT VOTING_PRECINCT LATITUDE LONGITUDE BID START_DATE END_DATE OCTO_RECORD_ID "
        "geometry_longitude geometry_latitude"
    ),
}
COARSER = {("seattle", "category"), ("los_angeles", "area")}
"""Where a guess is not what a person chose, but a column that will do."""


def told(names: list[str], id_column: str | None = None) -> FeedDescription:
    return FeedDescription("", "", "", tuple(FeedColumn(name) for name in names), None, id_column, None)


def sample(names: list[str], **values: str | None) -> pa.RecordBatch:
    columns = [pa.array([values.get(name, "1")], pa.string()) for name in names]
    return pa.record_batch(columns, names=names)


@pytest.mark.parametrize("name", PUBLISHED)
def test_known_portals_are_guessed_as_they_are_mapped(name: str) -> None:
    names, mapped = PUBLISHED[name].split(), dict(PRESETS[name].settings["columns"])
    guessed = guess_columns(told(names, mapped["id"]), sample(names))
    mapped["occurred_from"] = mapped.get("occurred_from", mapped.get("date"))
    for setting in ("id", "occurred_from", "known_at", "category", "longitude", "latitude", "area"):
        if (name, setting) not in COARSER:
            assert guessed.get(setting) == mapped.get(setting), setting
    assert set(guessed.values()) <= set(names)


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_map_columns_that_were_found_published(name: str) -> None:
    columns = PRESETS[name].settings["columns"]
    mapped = [*(column for setting, column in columns.items() if setting != "extra"), *columns["extra"]]
    assert set(mapped) <= set(PUBLISHED[name].split())


def test_empty_columns_and_half_places_are_not_chosen() -> None:
    names = ["date", "offense", "crime_type", "longitude"]
    guessed = guess_columns(told(names), sample(names, crime_type=None))
    assert guessed == {"occurred_from": "date", "category": "offense"}
