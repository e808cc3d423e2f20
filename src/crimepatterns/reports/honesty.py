"""The data honesty report as a page: what is wrong with the records, the gravest first, and what to do about it."""

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["check_title", "honesty_headline", "honesty_page"]

_STYLE = """
:root { --ink: #1d2733; --soft: #5b6b7c; --line: #d9e0e7; --paper: #ffffff; --ground: #f4f6f8; --mark: #00567a;
  --serious: #a3231f; --warning: #9a5200; --note: #00567a; --ok: #2f6b3c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --soft: #a3b1bf; --line: #36424f; --paper: #1c242d; --ground: #12181f; --mark: #6cb8dc;
    --serious: #ff9d96; --warning: #ffbe70; --note: #6cb8dc; --ok: #8fd19e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .35rem 0; max-width: 46rem; }
p.lead { font-size: 1.1rem; margin: 0 0 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 0; }
.tiles div, article { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; }
.tiles div { padding: .7rem .9rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
article { padding: .8rem 1rem 1rem; margin: 0 0 .9rem; border-left: .35rem solid var(--mark); }
article.serious { border-left-color: var(--serious); } article.warning { border-left-color: var(--warning); }
article.note { border-left-color: var(--note); } article.ok { border-left-color: var(--ok); }
header { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; }
.grade { font-size: .8rem; font-weight: 700; text-transform: uppercase; letter-spacing: .04em; }
.serious .grade { color: var(--serious); } .warning .grade { color: var(--warning); }
article.ok { padding: .5rem 1rem .6rem; margin-bottom: .6rem; }
.note .grade { color: var(--note); } .ok .grade { color: var(--ok); }
.advice::before { content: "What to do: "; font-weight: 600; }
figure { margin: .8rem 0 0; background: #fff; border: 1px solid var(--line); border-radius: .4rem; padding: .3rem; }
figure img { display: block; width: 100%; height: auto; }
details { margin-top: .5rem; } summary { cursor: pointer; color: var(--mark); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } .small { color: var(--soft); font-size: .88rem; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media print { body { background: #fff; } article, figure { break-inside: avoid; } }
"""

_NAMES = {
    "missing_coordinates": "Missing coordinates",
    "null_island": "Null island",
    "outside_area": "Outside the study area",
    "unusable_rows": "Unusable rows",
    "exact_duplicates": "Exact duplicates",
    "near_duplicates": "Near duplicates",
    "coordinate_precision": "Coordinate precision",
    "snapped_points": "Snapped points",
    "default_geocodes": "Default points",
    "boundary_points": "Points on the boundary",
    "on_the_hour": "Times on the full hour",
    "midnight": "Midnight",
    "noon": "Noon",
    "time_precision": "How exactly times are known",
    "intervals": "Times given as spans",
    "hours_unreliable": "Hours that can be trusted",
    "first_of_month": "First of the month",
    "first_of_year": "First of the year",
    "gaps": "Gaps",
    "volume_breaks": "Breaks in volume",
    "code_changes": "Changes of labels",
    "discovery": "How incidents came to light",
    "freshness": "Freshness",
    "report_delay": "Report dates and delay",
    "recent_weeks": "The last weeks",
    "hot_spots": "What it does to hot spots",
}
_GRADES = {"serious": "serious", "warning": "warning", "note": "note", "ok": "in order"}


def check_title(check: str) -> str:
    """Return what people call a check."""
    return _NAMES.get(check, check)


def honesty_headline(facts: Mapping[str, Any]) -> str:
    """Say in one sentence how many checks complain, and what is worst.

    Parameters
    ----------
    facts : mapping
        As written to ``honesty.json``.
    """
    counts = facts["severities"]
    words = {"serious": "serious", "warning": "warning", "note": "note"}
    alarms = [
        f"{counts[name]} {word if counts[name] == 1 or name == 'serious' else word + 's'}"
        for name, word in words.items()
        if counts[name]
    ]
    checks = sum(counts.values())
    if not alarms:
        return f"{checks} checks of {facts['rows']:,} incidents found nothing to complain about."
    worst = facts["findings"][0]
    listed = ", ".join(alarms)
    return f"{checks} checks of {facts['rows']:,} incidents: {listed}. Gravest: {worst['found']}"


def honesty_page(facts: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """Lay out the report as one HTML page without scripts; pictures lie beside it.

    Parameters
    ----------
    facts : mapping
        As written to ``honesty.json``.
    pictures : mapping of str to str
        Check to file name.

    Returns
    -------
    str
    """
    title = f"Data honesty report: {escape(str(facts['title']))}"
    alarms = [one for one in facts["findings"] if one["severity"] != "ok"]
    sound = [one for one in facts["findings"] if one["severity"] == "ok"]
    sound.sort(key=lambda one: one["check"] not in pictures)
    sections = [
        f'<h1>{title}</h1><p class="lead">{escape(honesty_headline(facts))}</p>',
        _tiles(facts),
        _sampled(facts),
        "<h2>What is wrong, the gravest first</h2>" if alarms else "",
        *[_article(one, pictures) for one in alarms],
        "<h2>What is in order</h2>" if sound else "",
        *[_article(one, pictures) for one in sound],
        _flag_table(facts),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _tiles(facts: Mapping[str, Any]) -> str:
    shown = {"Incidents": f"{facts['rows']:,}"}
    shown |= {_GRADES[name].capitalize(): f"{facts['severities'][name]}" for name in _GRADES}
    return '<dl class="tiles">' + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in shown.items()) + "</dl>"


def _sampled(facts: Mapping[str, Any]) -> str:
    if facts["share_of_days"] >= 1:
        return ""
    return (
        f'<p class="small">Row by row the checks looked at the {facts["rows_looked_at"]:,} incidents of '
        f"{100 * facts['share_of_days']:.2g} % of the days, drawn at random and taken whole; gaps, breaks, labels and "
        "discovery were counted on every incident.</p>"
    )


def _article(finding: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    name = check_title(finding["check"])
    grade = finding["severity"]
    text = (
        f'<article class="{escape(grade)}" id="{escape(finding["check"])}"><header><h3>{escape(name)}</h3>'
        f'<span class="grade">{escape(_GRADES.get(grade, grade))}</span></header><p>{escape(finding["found"])}</p>'
    )
    if finding["advice"]:
        text += f'<p class="advice">{escape(finding["advice"])}</p>'
    if finding["check"] in pictures:
        file = escape(pictures[finding["check"]])
        text += f'<figure><img src="{file}" alt="Picture: {escape(name)}"></figure>'
    return text + _evidence(finding) + "</article>"


def _evidence(finding: Mapping[str, Any]) -> str:
    rows = list(_flat(finding["evidence"]))
    if not rows:
        return ""
    body = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows)
    flag = f'<p class="small">Flag: <code>{escape(finding["flag"])}</code></p>' if finding["severity"] != "ok" else ""
    return f'<details><summary>Evidence</summary><div class="scroll"><table>{body}</table></div>{flag}</details>'


def _flat(evidence: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List evidence as pairs of words, nested values under their parent's name."""
    rows: list[tuple[str, str]] = []
    for key, value in evidence.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}: ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, one in enumerate(value[:12], 1):
                told = ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in one.items() if v not in ("", None))
                rows.append((f"{name} {number}", told))
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(_number, value)) or "none"))
        elif value is not None:
            rows.append((name, _number(value)))
    return rows


def _flag_table(facts: Mapping[str, Any]) -> str:
    if not facts["flags"]:
        return ""
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(flag['severity'])}</td>"
        f"<td>{'yes' if flag['rule'] else 'no'}</td></tr>"
        for name, flag in facts["flags"].items()
    )
    return (
        "<h2>Flags for later stages</h2><p>Later stages read these from <code>honesty.json</code>. Rows of a flag with "
        "a rule can be left out of patterns with <code>quality.leave_out</code>.</p>"
        f'<div class="scroll"><table><tr><th>Flag</th><th>Severity</th><th>Rows can be left out</th></tr>{body}'
        "</table></div>"
    )


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return " to ".join(_number(one) for one in value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
