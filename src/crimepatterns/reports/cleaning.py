"""The cleaning report as a page: what came in, what was kept, what was not and why."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["cleaning_headline", "cleaning_page"]

_STYLE = """
:root { --ink: #1d2733; --soft: #5b6b7c; --line: #d9e0e7; --paper: #ffffff; --ground: #f4f6f8; --mark: #00567a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --soft: #a3b1bf; --line: #36424f; --paper: #1c242d; --ground: #12181f; --mark: #6cb8dc; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p.lead { font-size: 1.1rem; margin: 0 0 1.4rem; max-width: 46rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 0; }
.tiles div { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .9rem; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: .85rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: 7rem; } svg rect { fill: var(--mark); }
figure { margin: 0; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem; }
figcaption, .note { color: var(--soft); font-size: .88rem; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media print { body { background: #fff; } .scroll, figure, .tiles div { break-inside: avoid; } }
"""
_MOST_LABELS = 60
_KNOWN_BY = {"mapping": "mapping", "code": "crosswalk, by code", "label": "crosswalk, by label"}


def cleaning_headline(report: Mapping[str, Any]) -> str:
    """Say in one sentence how many rows were kept, of which time, and why most of the others were not.

    Parameters
    ----------
    report : mapping
        As written to ``cleaning_report.json``.
    """
    share = 100 * report["kept"] / max(report["rows_in"], 1)
    sentence = f"{report['kept']:,} of {report['rows_in']:,} rows kept ({share:.1f} %)"
    if report["first"]:
        sentence += f", from {report['first'][:10]} to {report['last'][:10]}"
    if not report["rejected"]:
        return sentence + "; no row was rejected."
    reason, count = next(iter(report["rejected"].items()))
    return f"{sentence}; {report['rejected_total']:,} rejected, most often because: {reason} ({count:,})."


def cleaning_page(report: Mapping[str, Any]) -> str:
    """Lay out the report as one HTML page without scripts or outside files.

    Parameters
    ----------
    report : mapping
        As written to ``cleaning_report.json``.

    Returns
    -------
    str
    """
    title = f"Cleaning report: {escape(str(report['title']))}"
    sections = [
        f'<h1>{title}</h1><p class="lead">{escape(cleaning_headline(report))}</p>',
        _tiles(report),
        _rows_section(report),
        _time_section(report),
        _place_section(report),
        _label_section(report),
        _column_section(report),
        _source_section(report),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _tiles(report: Mapping[str, Any]) -> str:
    facts = {
        "Rows in": f"{report['rows_in']:,}",
        "Kept": f"{report['kept']:,}",
        "Rejected": f"{report['rejected_total']:,}",
        "Repaired": f"{sum(report['repairs'].values()):,}",
        "Categories": f"{len(report['categories']):,}",
    }
    return '<dl class="tiles">' + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items()) + "</dl>"


def _rows_section(report: Mapping[str, Any]) -> str:
    rows = [("kept", report["kept"], _percent(report["kept"], report["rows_in"]))]
    rows += [(reason, count, _percent(count, report["rows_in"])) for reason, count in report["rejected"].items()]
    rows += [("rows in", report["rows_in"], "100 %")]
    text = "<h2>What became of every row</h2>" + _table(("Outcome", "Rows", "Share"), rows)
    text += '<p class="note">Every rejected row, with its values, stands in <code>rejected.parquet</code>.</p>'
    if report["repairs"]:
        text += "<h2>Repaired and kept</h2>" + _table(("Repair", "Rows"), report["repairs"].items())
    return text


def _time_section(report: Mapping[str, Any]) -> str:
    facts: list[tuple[str, Any]] = [
        (f"known to the {name}", _percent(count, report["kept"])) for name, count in report["time_precision"].items()
    ]
    facts += [("given as an interval", _share(report["share_interval"]))]
    for name, label in (("on_the_hour", "on the full hour"), ("at_midnight", "at midnight"), ("at_noon", "at noon")):
        if report[f"share_{name}"] is not None:
            facts.append((f"{label}, of those with a time of day", _share(report[f"share_{name}"])))
    if report["assumed_delay_days"] is not None:
        facts.append(
            ("assumed delay until known (the file has no report date)", f"{report['assumed_delay_days']:g} days")
        )
    text = f"<h2>Time</h2>{_bars(report['months'])}<p></p>" + _table(("Times are", "Share"), facts)
    note = f"Civil time of {escape(report['timezone'])}. Much more than 1.7 % on the full hour means rounded times."
    return text + f'<p class="note">{note}</p>'


def _bars(months: Mapping[str, int]) -> str:
    if not months:
        return ""
    step, top = 100 / len(months), max(months.values())
    bars = "".join(
        f'<rect x="{i * step:.3f}" y="{60 - 60 * count / top:.2f}" width="{step * 0.86:.3f}" '
        f'height="{60 * count / top:.2f}"><title>{month}: {count:,}</title></rect>'
        for i, (month, count) in enumerate(months.items())
    )
    names = list(months)
    first, last = names[0], names[-1]
    caption = f"Incidents per month, {first} to {last}; the highest is {top:,}."
    return (
        f'<figure><svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label="{caption}">{bars}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _place_section(report: Mapping[str, Any]) -> str:
    places, area = report.get("places"), report.get("study_area")
    if not places or not area:
        return "<h2>Place</h2><p>The file has no coordinates.</p>"
    facts = [
        ("study area", f"{area['area_km2']:,} km2" + (", drawn around the incidents" if area["derived"] else "")),
        ("neighbourhoods", area["neighbourhoods"]),
        ("reference system", f"{report['coordinates_crs']} to {area['crs']}"),
        ("distinct places (to the metre)", f"{places['distinct']:,}"),
        ("incidents per place", places["incidents_per_place"]),
        ("incidents at places that occur more than once", _share(places["share_at_repeated_places"])),
        ("incidents at the busiest place", f"{places['busiest_place_incidents']:,}"),
    ]
    return "<h2>Place</h2>" + _table(("Fact", "Value"), facts)


def _label_section(report: Mapping[str, Any]) -> str:
    labels = report["labels"]
    rows = [
        (
            row["label"],
            row["category"] or "rejected",
            _KNOWN_BY[row["by"]] if row["mapped"] else "no" + _like(row),
            row["rows"],
        )
        for row in labels[:_MOST_LABELS]
    ]
    text = "<h2>Categories</h2>" + _table(("Publisher's label", "Category", "Known by", "Rows"), rows)
    if report["unmapped_rows"]:
        text += (
            f'<p class="note">{report["unmapped_rows"]:,} rows carry labels that neither the mapping nor the '
            "crosswalk of the city file knows. <code>crimepatterns taxonomy suggest</code> proposes lines for them.</p>"
        )
    if len(labels) > _MOST_LABELS:
        text += f'<p class="note">And {len(labels) - _MOST_LABELS:,} rarer labels.</p>'
    return text


def _like(row: Mapping[str, Any]) -> str:
    return f" (like {row['suggestion']}: {row['suggested_category']}?)" if row["suggestion"] else ""


def _column_section(report: Mapping[str, Any]) -> str:
    used = [
        (name, ", ".join(value) if isinstance(value, list) else value) for name, value in report["columns_used"].items()
    ]
    text = "<h2>Columns</h2>" + _table(("Meaning", "Column of the file"), used)
    dropped = sorted({name for source in report["sources"] for name in source["dropped_columns"]})
    if not dropped:
        return text + "<p>No column looked personal.</p>"
    said = ", ".join(f"<code>{escape(name)}</code>" for name in dropped)
    return text + f"<p>Dropped before copying, because they look personal: {said}.</p>"


def _source_section(report: Mapping[str, Any]) -> str:
    rows = [
        (one["source_name"], one["origin"], one["licence"], one["fetched_at"][:10], one["sha256"][:16], one["rows"])
        for one in report["sources"]
    ]
    return "<h2>Sources</h2>" + _table(("File", "Origin", "Licence", "Copied on", "SHA-256 begins", "Rows"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    listed = [list(row) for row in rows]
    numeric = [bool(listed) and all(isinstance(row[i], int | float) for row in listed) for i in range(len(header))]
    head = "".join(f"<th{_class(n)}>{escape(name)}</th>" for name, n in zip(header, numeric, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{_class(n)}>{_cell(value)}</td>" for value, n in zip(row, numeric, strict=True)) + "</tr>"
        for row in listed
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _class(numeric: bool) -> str:
    return ' class="n"' if numeric else ""


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _percent(part: float, whole: float) -> str:
    return _share(part / max(whole, 1))


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
