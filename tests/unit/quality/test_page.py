"""The honesty page shows what it is given, escaped and in order."""

from crimepatterns.reports.honesty import honesty_headline, honesty_page


def facts(**over):
    finding = {
        "check": "midnight",
        "severity": "warning",
        "found": "5 % of the <b>times</b> are midnight.",
        "advice": "Doubt them & ask.",
        "flag": "midnight_spike",
        "affected": 10.0,
        "share": 0.05,
        "evidence": {"rows": 1_234, "p_value": 0.00012, "points": [{"x": 1.5, "why": "<tail>"}], "nested": {"a": True}},
        "rule": {"kind": "minutes_of_day", "minutes": [0]},
    }
    clean = {**finding, "check": "noon", "severity": "ok", "found": "Nothing.", "advice": "", "flag": "noon_spike"}
    flags = {"midnight_spike": {"severity": "warning", "rule": finding["rule"], "found": finding["found"]}}
    return {
        "title": "A <City> & more",
        "rows": 200,
        "rows_looked_at": 200,
        "share_of_days": 1.0,
        "severities": {"ok": 1, "note": 0, "warning": 1, "serious": 0},
        "flags": flags,
        "findings": [finding, clean],
        **over,
    }


def test_everything_is_escaped() -> None:
    page = honesty_page(facts(), {"midnight": "mid night.png"})
    assert "<b>times" not in page
    assert "&lt;b&gt;times" in page
    assert "A &lt;City&gt; &amp; more" in page
    assert "&lt;tail&gt;" in page
    assert 'src="mid night.png"' in page
    assert "1,234" in page
    assert "<code>midnight_spike</code></td><td>warning</td><td>yes</td>" in page
    assert "drawn at random" not in page


def test_the_headline_counts_and_names_the_gravest() -> None:
    assert honesty_headline(facts()).startswith("2 checks of 200 incidents: 1 warning. Gravest: 5 %")
    more = {"ok": 1, "note": 2, "warning": 3, "serious": 4}
    assert "10 checks of 200 incidents: 4 serious, 3 warnings, 2 notes." in honesty_headline(facts(severities=more))
    none = facts(severities={"ok": 2, "note": 0, "warning": 0, "serious": 0}, flags={})
    assert honesty_headline(none) == "2 checks of 200 incidents found nothing to complain about."
    assert "Flags for later stages" not in honesty_page(none, {})


def test_a_sample_is_told() -> None:
    page = honesty_page(facts(share_of_days=0.1, rows_looked_at=20), {})
    assert "10 % of the days, drawn at random and taken whole" in page
