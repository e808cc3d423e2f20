import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crimepatterns.domain.audit_names import is_audit_name, refuse_audit_columns
from crimepatterns.errors import AuditColumnError, ForecastError

ABOUT_PEOPLE = [
    "race", "share_black", "pct_black", "pct-hispanic", "PctBlack", "PCTBLACK", "pctblack", "BLACKPCT", "PCTAsian",
    "PCT_ASIAN", "blackpop", "nwhite", "WhitePopulation", "white_share", "shareWhite", "whites", "hispanic_share",
    "hispanics", "acs_hispanic_latino", "percent_latino", "nonwhite", "PctNonWhite", "minority_share",
    "african_american", "t_afr_american", "RACE_1", "raceEthnicity", "racial_mix", "ethnicity", "ethnic_group",
    "religion", "muslim", "jews", "church_distance", "mosque_count", "nationality", "noncitizens",
    "national_origin", "country_of_birth", "born_abroad", "foreign_born", "immigrants", "MedianIncome",
    "perCapitaIncome", "median_income", "MeDiAn_InCoMe", "medianincome", "low_income_share", "x_income_2014",
    "income_pc", "PerCInc14", "med_inc", "hh_inc", "hhinc", "medhhinc", "wages", "salary", "poverty_rate",
    "below_poverty", "Pov14", "households_below_poverty", "hardship_index", "harship_in", "Blk14P", "Wht14P",
    "Hisp14P", "blk_pct", "Ausländeranteil", "auslaender_anteil", "mittleres_einkommen", "Migrationshintergrund",
    "Staatsangehörigkeit", "revenu_median", "étrangers", "part_immigres", "ingresos_medios", "pct_raza",
    "población_negra", "nacionalidad", "religión", "raça", "renda_media", "reddito_medio", "stranieri", "inkomen",
    "herkomst_pct", "etniciteit", "indkomst",
]  # fmt: skip

ABOUT_PLACES = [
    "trace", "traces", "terrace", "brace", "grace", "embrace", "incoming_calls", "racecourse_distance",
    "race_track_distance", "racetrack", "raceway", "street_race", "bars_within_200m", "bars_distance_m",
    "population", "population_density", "households", "under18", "median_age", "street_lights", "whitewater",
    "whiteboard", "white_line_length", "black_spots", "poor_lighting", "poorly_lit", "area_km2", "blk_no",
    "blk_length", "inc_count", "inc_per_km2", "incidents", "incidence", "incline", "roman_road", "aroma", "romance",
    "national_rail", "international_terminal", "nationwide", "learning_centres", "licensed_premises",
    "rental_units", "current_count", "parent_count", "precinct_count", "narrative", "surface_m2", "churchill_road",
    "church_street_stops", "bird_migration", "citizen_reports", "emergency_calls", "pct_vacant", "share_green",
    "mean_height", "origin_station", "birth_centre_distance", "salad_bars", "palace", "grocery", "negotiable",
    "jewellery_shops", "palatino", "bus_stops",
]  # fmt: skip


@pytest.mark.parametrize("name", ABOUT_PEOPLE)
def test_names_about_people_are_refused(name: str) -> None:
    with pytest.raises(AuditColumnError, match="must not become"):
        refuse_audit_columns(["bars", name])


@pytest.mark.parametrize("name", ABOUT_PLACES)
def test_names_about_places_pass(name: str) -> None:
    refuse_audit_columns([name])
    assert not is_audit_name(name.upper())


def test_a_role_is_refused_whatever_the_name_and_every_column_is_named() -> None:
    with pytest.raises(AuditColumnError, match=r"\['v1', 'race'\] must not become a covariate"):
        refuse_audit_columns(["v1", "bars", "race"], {"v1": " Audit", "bars": "feature"}, purpose="a covariate")
    assert issubclass(AuditColumnError, ForecastError)


@given(
    word=st.sampled_from(["black", "hispanic", "income", "ethnicity", "nationality", "religion", "poverty", "asian"]),
    before=st.sampled_from(["", "pct_", "Share", "x.", "2014 ", "acs-", "PCT", "n_", "median"]),
    after=st.sampled_from(["", "_share", " 2020", "Pct", "_p", "-rate", "pop", "__"]),
    seed=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_no_dress_hides_a_telling_word(word: str, before: str, after: str, seed: list[bool]) -> None:
    dressed = before + "".join(c.upper() if up else c for c, up in zip(word, seed, strict=False)) + after
    assert is_audit_name(dressed)


@given(st.text(alphabet=string.printable + "äéßçı中", max_size=40))
def test_any_text_has_an_answer(name: str) -> None:
    assert isinstance(is_audit_name(name), bool)
