"""Maps: density, significant hot spots, and expected incidents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm, ListedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.visuals.legends import key_ramp, key_rows, key_title
from crimepatterns.visuals.map_sheet import MapSheet, draw_cells, map_sheet
from crimepatterns.visuals.names import category_label, model_label, run_note
from crimepatterns.visuals.palette import HOT, LAND, SEQUENTIAL, figure_style

__all__ = ["forecast_map", "harm_map", "hot_spot_map", "significance_map"]

_RAMP_QUANTILE = 0.992


def hot_spot_map(surface: Surface, *, category: str, window: str, run_date: str = "") -> Figure:
    """Show where incidents are dense.

    Parameters
    ----------
    surface : Surface
        As `kernel_density` makes it.
    category, window : str
        What was counted, and when, such as ``1 Jan 2024 to 31 Dec 2024``.
    run_date : str
        Printed in the caption.

    Returns
    -------
    Figure
    """
    parameters = surface.parameters
    own = f", of each incident {parameters.get('narrowest_m', 0):g} to {parameters.get('widest_m', 0):g} m"
    edge = "corrected" if parameters.get("edge_correction", True) else "not corrected"
    weighted = ", weighted" if parameters.get("weighted") else ""
    caption = (
        f"{str(parameters.get('kernel', '')).capitalize()} kernel, bandwidth {parameters.get('bandwidth_m', 0):g} m"
        f"{own if parameters.get('adaptive') else ''}, on cells of {parameters.get('cell_size_m', 0):g} m, {edge} at "
        f"the boundary; {parameters.get('incidents', 0):,} incidents{weighted}. "
        f"Square-root colour scale.{run_note(run_date)}"
    )
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=f"Density of {category_label(category)} in {surface.grid.area.name}",
            subtitle=window,
            caption=caption,
        )
        _quantity(sheet, surface.grid, surface.values, heading=["Density"], unit=surface.unit.replace("km2", "km²"))
    return sheet.figure


def significance_map(surface: Surface, *, category: str, window: str, run_date: str = "") -> Figure:
    """Show which cells hold more incidents than chance would put there, shaded by how far they stand out.

    Parameters
    ----------
    surface : Surface
        As `gi_star` makes it; see `hot_spot_map` for the others.

    Raises
    ------
    PatternError
        If the surface was not tested.
    """
    if surface.q_values is None:
        raise PatternError(f"A {surface.method} surface has no significance: give one made by gi_star.")
    fdr = float(str(surface.parameters.get("fdr", 0.05)))
    hot = surface.q_values <= fdr
    times = surface.values if surface.times_expected is None else surface.times_expected
    limits = _steps(times[hot])
    step = np.where(hot, 1.0 + np.searchsorted(limits, times, side="right"), 0.0)
    colours = ListedColormap([LAND, *HOT])
    test = f"exact binomial tail, false discovery rate {fdr * 100:g} %"
    how = f"Gi* on {_cells(surface.grid)} with their neighbours, {test}."
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=f"Significant hot spots of {category_label(category)} in {surface.grid.area.name}",
            subtitle=f"{window} · {int(hot.sum()):,} of {len(hot):,} cells stand out from chance",
            caption=f"{how} Null hypothesis: {surface.null}.{run_note(run_date)}",
        )
        draw_cells(sheet, surface.grid, step, colours=colours, norm=BoundaryNorm(np.arange(-0.5, 4.0), colours.N))
        top = key_title(sheet, sheet.legend_top, ["Hot spots"], unit="times what chance gives")
        counts = [f"{int((step == i).sum()):,} cells" for i in range(4)]
        names = [f"below {limits[0]:g} times", f"{limits[0]:g} to {limits[1]:g} times", f"{limits[1]:g} times and more"]
        rows = [(HOT[i], f"{names[i]}\n{counts[i + 1]}") for i in (2, 1, 0) if hot.any()]
        key_rows(sheet, top, [*rows, (LAND, f"not shown to differ\n{counts[0]}")])
    return sheet.figure


def forecast_map(
    forecast: Forecast, *, period: int = 0, interval: Sequence[int] | None = None, run_date: str = ""
) -> Figure:
    """Show how many incidents are expected in each cell in one period of a forecast.

    Parameters
    ----------
    forecast : Forecast
    period : int
        Which of its periods.
    interval : sequence of int, optional
        90 % interval of the total.
    run_date : str
    """
    start, end = forecast.periods.edges[period], forecast.periods.edges[period + 1]
    days = round((end - start).total_seconds() / 86_400)
    expected = forecast.mean[:, period]
    last = end - np.timedelta64(1, "us")
    span = f"{start.day} {start:%b %Y} to {last.day} {last:%b %Y}"
    within = "" if interval is None else f" (90 % interval {interval[0]:,} to {interval[1]:,})"
    with figure_style():
        sheet = map_sheet(
            forecast.grid.area,
            title=f"Expected {category_label(forecast.category)} in {forecast.grid.area.name}",
            subtitle=f"{span} · {expected.sum():,.0f} incidents expected in all{within}",
            caption=(
                f"{model_label(forecast.model)}, issued {forecast.issued_at:%Y-%m-%d}, on {_cells(forecast.grid)}. "
                f"Square-root colour scale. A forecast of places and times, not of people.{run_note(run_date)}"
            ),
        )
        _quantity(sheet, forecast.grid, expected, heading=["Expected", "incidents"], unit=f"per cell in {days} days")
    return sheet.figure


def harm_map(surface: Surface, *, facts: Mapping[str, Any], run_date: str = "") -> Figure:
    """Show where the forecasts of all categories together expect harm.

    Parameters
    ----------
    surface : Surface
        As ``harm.parquet`` of the forecasts holds it.
    facts : mapping
        Of that file: its window.
    run_date : str
    """
    parameters: Mapping[str, Any] = surface.parameters
    told = sorted(parameters["categories"].items(), key=lambda one: -one[1]["expected_harm"])
    total, span = float(surface.values.sum()), f"{str(facts['start'])[:10]} to {str(facts['end'])[:10]}"
    shares = ", ".join(f"{name} {100 * one['expected_harm'] / max(total, 1e-300):.0f} %" for name, one in told)
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=f"Expected harm in {surface.grid.area.name}",
            subtitle=f"{span} · {total:,.0f} {parameters['unit']} in all",
            caption=f"Champions' forecasts times the weight of an average incident of each category (table "
            f"{parameters['table']}): {shares}. Square-root colour scale.{run_note(run_date)}",
        )
        _quantity(sheet, surface.grid, surface.values, heading=["Expected harm"], unit=f"{parameters['unit']} per cell")
    return sheet.figure


def _quantity(sheet: MapSheet, grid: Grid, values: NDArray[np.float64], *, heading: list[str], unit: str) -> None:
    colours = colormaps[SEQUENTIAL]
    highest = float(values.max())
    # A few extreme cells must not flatten the rest of the map; the ramp's arrow says that they go on.
    top_value = float(np.quantile(values, _RAMP_QUANTILE))
    cut = highest > 1.5 * top_value > 0
    norm = PowerNorm(0.5, vmin=0.0, vmax=top_value if cut else max(highest, 1e-12), clip=True)
    draw_cells(sheet, grid, values, colours=colours, norm=norm)
    top = key_title(sheet, sheet.legend_top, heading, unit=unit)
    key_ramp(sheet, top, colours, norm, highest=highest if cut else None)


def _steps(z_scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose two round limits that part the hot cells into the many, the fewer and the few."""
    if z_scores.size == 0:
        return np.array([np.inf, np.inf])
    rough = np.quantile(z_scores, (0.5, 0.85))
    unit = 10.0 ** np.floor(np.log10(np.maximum(np.abs(rough), 1e-6))) / 2
    first, second = np.maximum(np.round(rough / unit) * unit, 1e-6)
    return np.array([first, max(second, first + unit[0])])


def _cells(grid: Grid) -> str:
    if grid.kind == "polygon":
        return f"{len(grid):,} areas"
    return f"{grid.kind} cells of {grid.cell_size_m:g} m"
