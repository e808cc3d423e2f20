"""Labels and codes become categories; unknown ones are kept, gathered or refused, and counted with a suggestion."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crimepatterns.cleaning import labelling
from crimepatterns.cleaning.crosswalk import Crosswalk, closest, read_crosswalk, read_offences
from crimepatterns.cleaning.labelling import LabelCounts, label_rows
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.taxonomy import Placed, Suggestion, Taxonomy
from crimepatterns.errors import ConfigError

MAPPING = {"BURGLARY": "burglary", "Motor Vehicle Theft": "vehicle theft"}
OFFENCES = read_offences(
    "code,name,group,against,category,discovery\n"
    "220,burglary,A,property,burglary,reported\n"
    "35A,drug violations,A,society,drugs,police-initiated\n"
    "90J,trespass,B,society,trespass,police-initiated\n"
    "90Z,all other offences,B,several,other,reported\n"
)
HEADER = "kind,value,nibrs,category,discovery\n"
TABLE = (
    "# What: a test table.\n"
    "# Stand: today.\n" + HEADER + "label,BURGLARY,220,,\n"
    "label,TRESPASS,90J,,reported\n"
    "label,NOISE,,nuisance,reported\n"
    "prefix,DRUG,35A,,\n"
    "code,0610,220,,\n"
    "code,031A,35A,,\n"
    "# the rest of the sixes\n"
    "range,0600-0699,90Z,,\n"
)


@pytest.fixture(scope="module")
def crosswalk() -> Crosswalk:
    return read_crosswalk("test", TABLE, OFFENCES)


def test_case_and_spaces_do_not_matter() -> None:
    assert Taxonomy(MAPPING).categorise("  motor   VEHICLE theft") == "vehicle theft"


def test_unmapped_labels() -> None:
    assert Taxonomy(MAPPING).categorise("Arson ") == "arson"
    assert Taxonomy(MAPPING, unmapped="other").categorise("Arson") == "other"
    assert Taxonomy(MAPPING, unmapped="reject").categorise("Arson") is None
    assert Taxonomy(MAPPING, unmapped="other").categorise("N/A") is None


def test_unmapped_labels_are_counted_with_a_suggestion() -> None:
    counts = LabelCounts(Taxonomy(MAPPING))
    for _ in range(2):
        counts.add(pa.array(["BURGLARY", "BURGLERY", None, "zzz"]).dictionary_encode())
    rows = {row["label"]: row for row in counts.table()}
    assert rows["BURGLARY"] == {
        "label": "BURGLARY",
        "category": "burglary",
        "rows": 2,
        "mapped": True,
        "by": "mapping",
        "suggestion": None,
        "suggested_category": None,
    }
    assert (rows["BURGLERY"]["suggestion"], rows["BURGLERY"]["suggested_category"]) == ("BURGLARY", "burglary")
    assert rows["zzz"]["suggestion"] is None


def test_without_mapping_and_crosswalk_nothing_is_asked() -> None:
    counts = LabelCounts(Taxonomy())
    counts.add(pa.array(["BURGLARY", "BURGLERY"]).dictionary_encode())
    assert all(row["suggestion"] is None and not row["mapped"] for row in counts.table())


def test_a_crosswalk_knows_labels_beginnings_codes_and_ranges(crosswalk: Crosswalk) -> None:
    assert crosswalk.of_label(" burglary").category == "burglary"
    assert crosswalk.of_label("drugs - possession").nibrs == "35A"
    assert crosswalk.of_label("NOISE").nibrs == ""
    assert crosswalk.of_label("noisy") is None
    assert crosswalk.of_code("610") == crosswalk.of_code("0610") == crosswalk.of_code("610.0")
    assert crosswalk.of_code("31a").category == "drugs"
    assert crosswalk.of_code("0611").category == "other"
    assert crosswalk.of_code("700") is None
    assert crosswalk.of_code("²") is None, "a superscript is a digit to str.isdigit, but no number"
    assert crosswalk.about == "What: a test table. Stand: today."


def test_the_longest_beginning_counts() -> None:
    table = HEADER + "prefix,LARCENY,220,,\nprefix,LARCENY-DRUGS,35A,,\n"
    assert read_crosswalk("t", table, OFFENCES).of_label("larceny-drugs and more").category == "drugs"


def test_who_decides(crosswalk: Crosswalk) -> None:
    taxonomy = Taxonomy({"TRESPASS": "disorder"}, crosswalk=crosswalk, police_initiated=None)
    assert taxonomy.place("trespass", "0610") == Placed("disorder", "mapping", False), "the mapping goes first"
    assert taxonomy.place("NOISE", "0610").category == "burglary", "then the code"
    assert taxonomy.place("NOISE", "0620") == Placed("nuisance", "label", False), "unless it only says other"
    assert taxonomy.place("unheard of", "0620") == Placed("other", "code", False)
    assert taxonomy.place("unheard of", "9999") == Placed("unheard of", "nothing", False)
    assert taxonomy.place("031A") == Placed("drugs", "code", True), "a code in the place of the label"
    assert taxonomy.place(None, "0610").category is None, "a missing label stays missing"


def test_how_it_comes_to_light(crosswalk: Crosswalk) -> None:
    tables = Taxonomy(crosswalk=crosswalk, police_initiated=None, discovery={"drugs": "police-initiated"})
    assert tables.place("DRUGS").police_initiated
    assert not tables.place("TRESPASS").police_initiated, "the label's own line goes before the NIBRS code"
    own = Taxonomy({"x": "drugs"}, crosswalk=crosswalk, police_initiated=("Burglary",))
    assert own.place("BURGLARY").police_initiated
    assert not own.place("DRUGS").police_initiated, "what the settings name replaces the tables"
    assert not own.place("x").police_initiated
    renamed = Taxonomy({"DRUGS": "narcotics"}, crosswalk=crosswalk, police_initiated=None)
    assert renamed.place("DRUGS").police_initiated, "a new name for a known label keeps how it comes to light"


def test_rows_are_labelled_by_label_and_code(crosswalk: Crosswalk) -> None:
    labels = pa.array(["NOISE", "NOISE", None, "zzz", "-"]).dictionary_encode()
    codes = pa.array(["0610", None, "0610", "0", "0610"])
    found = label_rows(Taxonomy(crosswalk=crosswalk, unmapped="reject"), labels, codes, fixed=False)
    assert found.category.to_pylist() == ["burglary", "nuisance", None, None, None]
    missing, unmapped = Reason.CATEGORY_MISSING, Reason.CATEGORY_UNMAPPED
    assert found.reason.tolist() == [Reason.KEPT, Reason.KEPT, missing, unmapped, missing]
    plain = label_rows(Taxonomy(crosswalk=crosswalk), labels, None, fixed=False)
    assert plain.category.to_pylist() == ["nuisance", "nuisance", None, "zzz", None]
    counts = LabelCounts(Taxonomy(crosswalk=crosswalk))
    counts.add(labels, codes)
    assert [(row["label"], row["category"], row["rows"]) for row in counts.table()] == [
        ("-", None, 1),
        ("NOISE", "burglary", 1),
        ("NOISE", "nuisance", 1),
        ("zzz", "zzz", 1),
    ]


def test_a_fixed_category_and_an_empty_batch(crosswalk: Crosswalk) -> None:
    fixed = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2, dtype=np.int32)), pa.array(["drugs"]))
    taxonomy = Taxonomy(fixed_category="drugs", police_initiated=None, discovery={"drugs": "police-initiated"})
    found = label_rows(taxonomy, fixed, None, fixed=True)
    assert found.category.to_pylist() == ["drugs", "drugs"]
    assert found.police.all()
    nothing = pa.array([], pa.string()).dictionary_encode()
    assert len(label_rows(Taxonomy(crosswalk=crosswalk), nothing, pa.array([], pa.string()), fixed=False).reason) == 0


@pytest.mark.parametrize("largest", [0, 1 << 20])
@given(st.lists(st.tuples(st.sampled_from(["NOISE", "BURGLARY", "zz", None]), st.sampled_from(["0610", "9", None]))))
def test_rows_at_once_equal_rows_one_by_one(largest: int, rows: list[tuple[str | None, str | None]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(labelling, "_LARGEST_TABLE", largest)
        _compare_with_one_by_one(rows)


def _compare_with_one_by_one(rows: list[tuple[str | None, str | None]]) -> None:
    taxonomy = Taxonomy(crosswalk=read_crosswalk("test", TABLE, OFFENCES), police_initiated=None)
    labels = pa.array([label for label, _ in rows], pa.string()).dictionary_encode()
    found = label_rows(taxonomy, labels, pa.array([code for _, code in rows], pa.string()), fixed=False)
    placed = [taxonomy.place(label, code) for label, code in rows]
    assert found.category.to_pylist() == [one.category for one in placed]
    assert found.police.tolist() == [one.police_initiated for one in placed]
    counts = LabelCounts(taxonomy)
    counts.add(labels, pa.array([code for _, code in rows], pa.string()))
    assert sum(row["rows"] for row in counts.table()) == sum(label is not None for label, _ in rows)


def test_similar_labels() -> None:
    known = ["MOTOR VEHICLE THEFT", "THEFT", "OTHER OFFENSE", "BURGLARY"]
    assert closest("BURGLERY", known) == "BURGLARY"
    assert closest("larceny/theft", known) == "THEFT"
    assert closest("VEHICLE THEFT", known) == "MOTOR VEHICLE THEFT"
    assert closest("OTHER CRIMES AGAINST THE LAW", known) is None, "words that say nothing are not shared words"
    assert closest("zzz", known) is None
    taxonomy = Taxonomy({"GTA": "vehicle theft"}, crosswalk=read_crosswalk("test", TABLE, OFFENCES))
    assert taxonomy.suggest("TRESPASSING") == Suggestion("TRESPASS", "trespass")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("name,x,220,,", "line 2: kind must be one of"),
        ("label,,220,,", "value must not be empty"),
        ("label,x,999,,", "'999' is no NIBRS code"),
        ("label,x,,,", "either nibrs or category"),
        ("label,x,220,,sometimes", "discovery must be one of"),
        ("range,10,220,,", "two whole numbers"),
        ("range,20-10,220,,", "two whole numbers"),
        ("code,061,220,,\ncode,61,220,,", "line 3: '61' stands there twice"),
    ],
)
def test_a_line_that_does_not_fit_is_named(line: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read_crosswalk("mine", HEADER + line + "\n", OFFENCES)


def test_a_table_without_its_columns_or_lines() -> None:
    with pytest.raises(ConfigError, match="mine lacks the columns nibrs, category, discovery"):
        read_crosswalk("mine", "kind,value\n", OFFENCES)
    with pytest.raises(ConfigError, match="mine is empty"):
        read_crosswalk("mine", "# only a comment\n", OFFENCES)
