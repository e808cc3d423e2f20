"""Labels become categories; unknown ones are kept, gathered or refused, and counted."""

import pyarrow as pa

from crimepatterns.cleaning.taxonomy import LabelCounts, Taxonomy

MAPPING = {"BURGLARY": "burglary", "Motor Vehicle Theft": "vehicle theft"}


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
        "suggestion": None,
    }
    assert rows["BURGLERY"]["suggestion"] == "BURGLARY"
    assert rows["zzz"]["suggestion"] is None
