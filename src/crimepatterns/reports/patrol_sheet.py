"""The patrol plan on paper: one self-contained A4 page, and a CSV that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import jinja2
import numpy as np
import pandas as pd
import shapely

from crimepatterns.decisions.patrol import PatrolPlan
from crimepatterns.domain.area import StudyArea
from crimepatterns.reports.print_style import NARROW_STYLE, PRINT_STYLE

__all__ = ["patrol_sheet_html", "plan_csv"]

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
_SHADES = ("#fde9a9", "#e8a838", "#b4552d", "#5c1a33")
_MAP_WIDTH, _MAP_HEIGHT = 340.0, 380.0


def plan_csv(plan: PatrolPlan) -> str:
    """Return the plan as CSV with the longitude and latitude of each place.

    Text that a spreadsheet would run as a formula is made harmless by a leading apostrophe.
    """
    table = pd.DataFrame(plan.places.drop(columns="geometry"))
    centres = plan.places.geometry.centroid.to_crs("EPSG:4326")
    table["longitude"], table["latitude"] = centres.x.round(6), centres.y.round(6)
    for name in ("expected", "expected_in_hours", "chance_of_none"):
        table[name] = table[name].round(4)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(table.columns)
    for row in table.itertuples(index=False):
        writer.writerow([_harmless(cell) for cell in row])
    return stream.getvalue()


def patrol_sheet_html(
    plan: PatrolPlan,
    area: StudyArea,
    *,
    title: str,
    made_at: pd.Timestamp,
    backtest: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    rows: int = 40,
) -> str:
    """Return the plan as a printable page without outside resources.

    Parameters
    ----------
    plan : PatrolPlan
    area : StudyArea
    title : str
        Name of the city.
    made_at : Timestamp
    backtest : mapping, optional
        What plans made in this way would have caught; see `planning.plan`.
    run : mapping, optional
        Further parameters to print, name to value.
    warnings : sequence of str
        Printed first.
    rows : int
        Places listed on the page; the CSV holds all of them.

    Returns
    -------
    str
        HTML.
    """
    facts = dict(plan.facts)
    exposure = facts["exposure"]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(_PAGE)
    return page.render(
        title=title,
        facts=facts,
        places=plan.places.drop(columns="geometry").head(rows).to_dict("records"),
        hidden=max(0, len(plan.places) - rows),
        start=pd.Timestamp(str(facts["start"])).tz_convert(area.timezone),
        end=pd.Timestamp(str(facts["end"])).tz_convert(area.timezone),
        issued=pd.Timestamp(str(facts["issued_at"])).tz_convert(area.timezone),
        made_at=made_at,
        map=_map_svg(plan.places, area),
        exposure=exposure[:8] if isinstance(exposure, list) else [],
        limits=_limits(plan),
        backtest=backtest,
        run=run or {},
        warnings=warnings,
    )


def _limits(plan: PatrolPlan) -> list[str]:
    facts = dict(plan.facts)
    expected, place_days = float(str(facts["expected_in_hours"])), int(str(facts["place_days"]))
    capped, free = expected, float(str(facts["uncapped_expected_in_hours"]))
    statements = [
        str(facts["cap"]),
        f"Price of the cap: {capped:.1f} incidents expected in the planned hours, {free:.1f} without it.",
        f"One planned place-day in {place_days / expected:.0f} is expected to see an incident in its hours."
        if 0 < expected < place_days
        else f"{expected / max(1, place_days):.1f} incidents are expected per planned place-day in its hours.",
        (
            "Expected counts are averages: a place with none this week was not a wrong choice, "
            "and the plan says nothing about any person."
        ),
        (
            "The forecast rests on reported incidents. Places where people report less get less; officers' own finds "
            "must not be fed back."
        ),
    ]
    if facts["times_known"] != "hours":
        statements.append("Hours not known: the records hold dates only, so days or places are proposed without hours.")
    return statements


def _map_svg(places: gpd.GeoDataFrame, area: StudyArea) -> str:
    west, south, east, north = area.polygon.bounds
    scale = min(_MAP_WIDTH / (east - west), _MAP_HEIGHT / (north - south))
    width, height = (east - west) * scale, (north - south) * scale

    def path(shape: shapely.Geometry) -> str:
        rings = []
        for polygon in getattr(shape, "geoms", [shape]):
            if polygon.geom_type != "Polygon":
                continue
            for ring in (polygon.exterior, *polygon.interiors):
                points = (shapely.get_coordinates(ring) - (west, north)) * (scale, -scale)
                rings.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
        return "".join(rings)

    tolerance = 0.7 / scale
    lines = "".join(
        f'<path d="{path(shapely.simplify(shape, tolerance))}" fill="none" stroke="#c6c2b8" stroke-width=".5"/>'
        for shape in area.neighbourhoods.geometry
    )
    outline = path(shapely.simplify(area.polygon, tolerance))
    marks = []
    step = np.minimum(np.arange(len(places)) * len(_SHADES) // max(1, len(places)), len(_SHADES) - 1)
    for shape, shade, rank in zip(places.geometry, step, places["rank"], strict=True):
        x, y = (shape.centroid.x - west) * scale, (north - shape.centroid.y) * scale
        side = max(3.2, float(np.sqrt(shape.area)) * scale)
        marks.append(
            f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'fill="{_SHADES[::-1][int(shade)]}" stroke="#fff" stroke-width=".3"><title>{int(rank)}</title></rect>'
        )
        if rank <= 10:
            marks.append(f'<text x="{x + side / 2 + 1:.1f}" y="{y + 2.5:.1f}" class="n">{int(rank)}</text>')
    km = _round_km(80 / scale / 1000)
    bar = km * 1000 * scale
    return (
        f'<svg viewBox="-4 -4 {width + 8:.0f} {height + 26:.0f}" role="img" aria-label="Map of the planned places">'
        f'<path d="{outline}" fill="#f6f3ec" stroke="#6b6658" stroke-width=".9"/>{lines}{"".join(marks)}'
        f'<path d="M0 {height + 10:.0f}h{bar:.1f}" stroke="#333" stroke-width="1.5"/>'
        f'<text x="{bar + 4:.1f}" y="{height + 13:.0f}" class="n">{km:g} km</text></svg>'
    )


def _round_km(length: float) -> float:
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step for step in (1, 2, 5) if step * power <= length) * power)


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RISKY) else cell


_PAGE = (
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Patrol plan, {{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>"""
    + PRINT_STYLE
    + """h1 { font-size: 19pt; line-height: 1.1; margin: 0 }
.top { display: grid; grid-template-columns: 88mm 1fr; gap: 6mm; margin-top: 3mm }
dl { display: grid; grid-template-columns: auto 1fr; gap: .6mm 4mm; margin: 0 }
dt { color: #5d584c } dd { margin: 0; font-variant-numeric: tabular-nums }
"""
    + NARROW_STYLE
    + """</style></head><body>
<header><div><h1>Patrol plan, {{ title }}</h1>
<p>{{ facts.categories | join(", ") }}</p></div>
<p class="when">{{ start.strftime("%a %d %b %Y") }} to {{ end.strftime("%a %d %b %Y") }} (exclusive)<br>
forecast of {{ issued.strftime("%d %b %Y %H:%M %Z") }}</p></header>
{% for text in warnings %}<p class="warning"><strong>{{ text }}</strong></p>
{% endfor %}<div class="top"><div>{{ map | safe }}</div><div>
<h2 class="first">What the plan asks for</h2>
<dl>
<dt>Places</dt><dd>{{ facts.places }}, together {{ "%.2f" | format(facts.area_share * 100) }} % of the area
(at most {{ "%g" | format(facts.area_budget * 100) }} %)</dd>
<dt>Capacity</dt><dd>{{ facts.units }} units of {{ "%g" | format(facts.hours_per_unit) }} h a day:
{{ facts.places_per_day }} places a day with {{ facts.visits_per_place_day }} visits of
{{ "%g" | format(facts.minutes_per_visit) }} min</dd>
<dt>Place-days</dt><dd>{{ facts.place_days }}</dd>
<dt>Expected there</dt><dd>{{ "%.1f" | format(facts.expected_at_places) }} of
{{ "%.1f" | format(facts.expected_total) }} incidents ({{ "%.1f" | format(100 * facts.expected_at_places /
facts.expected_total) }} %), {{ "%.1f" | format(facts.expected_in_hours) }} in the planned hours</dd>
</dl>
<h2>Exposure</h2>
{% if exposure %}<table><thead><tr><th>Neighbourhood</th><th class="r">of the plan</th><th class="r">of the reports</th>
</tr></thead><tbody>
{% for row in exposure %}<tr><td>{{ row.neighbourhood or "(unnamed)" }}</td>
<td class="r">{{ "%.1f" | format(row.share_of_plan * 100) }} %</td>
<td class="r">{{ "%.1f" | format(row.share_of_reports * 100) }} %</td></tr>
{% endfor %}</tbody></table>{% endif %}
{% if backtest %}<h2>Would it have worked?</h2><ul>
{% for text in backtest.sentences %}<li>{{ text }}</li>{% endfor %}</ul>{% endif %}</div></div>
<h2>Places and hours</h2>
<div class="scroll"><table><thead><tr><th class="r">#</th><th>Cell</th><th>Neighbourhood</th><th>Days and hours</th>
<th class="r">Expected</th><th class="r">Chance of none</th><th>Why</th></tr></thead><tbody>
{% for place in places %}<tr><td class="r">{{ place.rank }}</td><td>{{ place.cell_id }}</td>
<td>{{ place.neighbourhood }}</td><td>{{ place.hours }}</td><td class="r">{{ "%.2f" | format(place.expected) }}</td>
<td class="r">{{ "%.0f" | format(place.chance_of_none * 100) }} %</td>
<td class="why">{{ place.category_mix }}</td></tr>
{% endfor %}</tbody></table></div>
{% if hidden %}<p>{{ hidden }} more places stand in plan.csv.</p>{% endif %}
<h2>Limits</h2><ul>{% for text in limits %}<li>{{ text }}</li>{% endfor %}</ul>
<footer>Made {{ made_at.strftime("%d %b %Y %H:%M %Z") }}. Models:
{% for name, model in facts.models.items() %}{{ name }}: {{ model }}{{ "" if loop.last else "; " }}{% endfor %}.
{% for name, value in run.items() %}{{ name }}: {{ value }}. {% endfor %}
Cells are ranked by expected incidents in the proposed hours; a place keeps its hours for the whole horizon.</footer>
</body></html>
"""
)
