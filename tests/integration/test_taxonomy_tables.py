"""The shipped tables know every label of the real files, and what they say about discovery agrees with the arrests."""

from pathlib import Path

import pandas as pd
import pytest

from crimepatterns.config import load_settings
from crimepatterns.config.data import TaxonomySettings
from crimepatterns.config.taxonomy_tables import (
    crosswalk_names,
    open_crosswalk,
    open_harm,
    open_offences,
    open_taxonomy,
    table_files,
)
from crimepatterns.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]
TABLES = PROJECT / "config" / "taxonomy"


def test_the_shipped_crosswalks() -> None:
    assert crosswalk_names() == (
        "chicago_iucr", "new_york", "nibrs", "philadelphia", "police_uk", "st_louis", "ucr_summary",
    )  # fmt: skip


@pytest.mark.parametrize("name", crosswalk_names())
def test_every_line_of_a_table_leads_to_a_category_and_says_where_it_comes_from(name: str) -> None:
    crosswalk = open_crosswalk(name)
    assert len(crosswalk.entries) >= 20
    assert all(entry.category == entry.category.strip().lower() for _, _, entry in crosswalk.entries)
    assert "Stand: 20" in crosswalk.about
    assert "Facts from: " in crosswalk.about
    for kind, value, entry in crosswalk.entries:
        if kind in {"label", "prefix"}:
            assert crosswalk.of_label(value) == entry, value
        elif kind == "code":
            assert crosswalk.of_code(value) == entry, value


def test_every_category_of_the_crosswalks_is_one_of_the_offences_or_named_in_the_guide() -> None:
    standard = {offence.category for offence in open_offences().values()}
    own = {"anti-social behaviour", "vehicle crime", "violence"}
    found = {entry.category for name in crosswalk_names() for _, _, entry in open_crosswalk(name).entries}
    assert found == standard | own


def test_nibrs_offences() -> None:
    offences = open_offences()
    assert len(offences) == 85
    assert {offence.group for offence in offences.values()} == {"A", "B"}
    assert {code for code, offence in offences.items() if offence.group == "B"} == {f"90{x}" for x in "ABCDEFGHIJKLMZ"}
    assert (offences["120"].against, offences["13A"].against, offences["35A"].against) == (
        "property", "person", "society",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "label", "category"),
    [
        ("chicago_iucr", "CRIM SEXUAL ASSAULT", "rape"),
        ("new_york", "OTHER OFFENSES RELATED TO THEFT", "theft"),
        ("new_york", "MURDER & NON-NEGL. MANSLAUGHTER", "homicide"),
        ("new_york", "578", "threats"),
        ("philadelphia", "Theft from Vehicle", "theft"),
        ("philadelphia", "1400", "damage"),
        ("st_louis", "31111", "robbery"),
        ("st_louis", "142320", "damage"),
        ("st_louis", "LARCENY-MTR VEH PARTS UNDER $500", "theft"),
        ("ucr_summary", "Larceny-theft", "theft"),
        ("ucr_summary", "09", "arson"),
        ("police_uk", "Violence and sexual offences", "violence"),
        ("police_uk", "anti-social-behaviour", "anti-social behaviour"),
        ("nibrs", "23F", "theft"),
    ],
)
def test_known_labels(name: str, label: str, category: str) -> None:
    assert open_taxonomy(TaxonomySettings(crosswalk=name)).categorise(label) == category


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "column", "name"),
    [
        ("chicago/chi_2016_2017_4types", "Primary Type", "chicago_iucr"),
        ("chicago/chi_2018_h1_all_types", "PrimaryType", "chicago_iucr"),
        ("chicago/chi_2018_h1_all_types", "FBICode", "chicago_iucr"),
        ("chicago/chi_2022_no_coords_community_area", "Primary Type", "chicago_iucr"),
        ("chicago/chi_2017_2019_sample25k", "primary_type", "chicago_iucr"),
        ("chicago/chi_2017_2019_sample25k", "iucr", "chicago_iucr"),
        ("chicago/chi_2017_2019_sample25k", "fbi_code", "chicago_iucr"),
        ("nyc/nyc_2014_2015_4types", "Offense", "new_york"),
    ],
)
def test_every_label_of_the_real_files_is_known(shared_data: Path, file: str, column: str, name: str) -> None:
    taxonomy = open_taxonomy(TaxonomySettings(crosswalk=name, unmapped="reject"))
    labels = pd.read_parquet(shared_data / f"{file}.parquet", columns=[column])[column].dropna().unique()
    assert len(labels) >= 4
    assert [label for label in labels if taxonomy.categorise(str(label)) is None] == []


@pytest.mark.shared
def test_police_initiated_labels_are_those_that_mostly_end_in_an_arrest(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "chicago" / "chi_2018_h1_all_types.parquet")
    arrests = table.groupby("PrimaryType")["Arrest"].agg(["size", "mean"])
    taxonomy = open_taxonomy(TaxonomySettings(crosswalk="chicago_iucr"))
    often = arrests[arrests["size"] >= 5]
    assert len(often) == 30
    for label, share in often["mean"].items():
        assert taxonomy.place(str(label)).police_initiated == (share >= 0.5), label


@pytest.mark.shared
def test_a_code_column_is_finer_than_the_label(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "chicago" / "chi_2017_2019_sample25k.parquet")
    taxonomy = open_taxonomy(TaxonomySettings(crosswalk="chicago_iucr"))
    pairs = table.groupby(["primary_type", "iucr", "description"]).size().reset_index()
    placed = {
        (row.primary_type, row.description): taxonomy.place(row.primary_type, row.iucr).category
        for row in pairs.itertuples()
    }
    assert placed["OFFENSE INVOLVING CHILDREN", "CHILD PORNOGRAPHY"] == "obscenity"
    assert placed["OTHER OFFENSE", "HARASSMENT BY TELEPHONE"] == "threats"
    assert placed["CRIMINAL TRESPASS", "TO LAND"] == "trespass"
    assert taxonomy.place("CRIMINAL TRESPASS", "26").category == "trespass", "FBI 26 only says other"
    assert {placed[key] for key in placed if key[0] == "THEFT"} == {"theft"}


def test_the_harm_table_has_a_source_and_no_guess() -> None:
    harm = open_harm(TaxonomySettings(harm="cambridge"))
    assert harm is not None
    assert harm.unit == "days"
    assert "10.1093/police/paw003" in harm.about
    assert harm.by_category["homicide"] == 15 * 365
    assert harm.by_category["robbery"] == 365
    known = {offence.category for offence in open_offences().values()}
    assert set(harm.by_category) <= known
    initiated = {o.category for o in open_offences().values() if o.discovery == "police-initiated"} - {"disorder"}
    assert not set(harm.by_category) & initiated
    for line in (TABLES / "harm_cambridge.csv").read_text(encoding="utf-8").splitlines():
        if line[0].isalpha() and not line.startswith("category"):
            days, lowest, middle, highest = (float(value) for value in line.split(",")[1:5])
            assert lowest <= middle <= highest
            assert lowest <= days <= highest


def test_tables_of_the_user(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("kind,value,nibrs,category,discovery\nlabel,EINBRUCH,220,,\n", encoding="utf-8")
    harm = tmp_path / "harm.csv"
    harm.write_text("# mine\ncategory,offence,days\nburglary,,20\n,EINBRUCH,30\n", encoding="utf-8")
    settings = TaxonomySettings(crosswalk=str(mine), harm=str(harm))
    assert open_taxonomy(settings).categorise("Einbruch") == "burglary"
    weights = open_harm(settings)
    assert weights is not None
    assert (dict(weights.by_category), dict(weights.by_offence)) == ({"burglary": 20.0}, {"EINBRUCH": 30.0})
    assert table_files(settings) == (str(mine), str(harm))
    assert table_files(TaxonomySettings(crosswalk="nibrs", harm="cambridge")) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category,weight\na,1\n", "needs the columns days"),
        ("category,days\na,many\n", "line 2: days must be a number"),
        ("# c\ncategory,days\na,1\n,2\n", "line 4: category and offence are both empty"),
        ("category,days\na,-1\n", "must be >= 0"),
        ("category,days\n", "has no weight"),
    ],
)
def test_a_harm_table_that_does_not_fit(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "harm.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        open_harm(TaxonomySettings(harm=str(path)))


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"taxonomy\.crosswalk names 'chicgo', .* chicago_iucr"):
        open_taxonomy(TaxonomySettings(crosswalk="chicgo"))
    with pytest.raises(ConfigError, match=r"taxonomy\.harm names 'london', .*: cambridge"):
        open_harm(TaxonomySettings(harm="london"))
    assert open_harm(load_settings().taxonomy) is None
