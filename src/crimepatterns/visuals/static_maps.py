"""Maps: density, significant hot spots, and expected incidents."""

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
from crimepatterns.visuals.palette import HOT, LAND, SEQUENTIAL, figure_style

__all__ = ["forecast_map", "hot_spot_map", "significance_map"]


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
    caption = (
        f"{str(parameters.get('kernel', '')).capitalize()} kernel, bandwidth {parameters.get('bandwidth_m', 0):g} m, on cells of "
        f"{parameters.get('cell_size_m', 0):g} m, corrected at the boundary; {parameters.get('incidents', 0):,} incidents. "
        f"Square-root colour scale.{_run(run_date)}"
    )
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=f"Density of {_named(category)} in {surface.grid.area.name}",
            subtitle=window,
            caption=caption,
        )
        _quantity(sheet, surface.grid, surface.values, heading=["Density"], unit="incidents per km²")
    return sheet.figure


def significance_map(surface: Surface, *, category: str, window: str, run_date: str = "") -> Figure:
    """Show which cells hold more incidents than chance would put there, in three steps of certainty.

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
    limits = sorted({fdr, min(0.01, fdr / 5), min(0.001, fdr / 50)}, reverse=True)
    step = (surface.q_values[:, None] <= np.asarray(limits)).sum(axis=1).astype(float)
    colours = ListedColormap([LAND, *HOT[: len(limits)]])
    found = int((step > 0).sum())
    where = f"Gi* on {_cells(surface.grid)}. Null hypothesis: {surface.null}. Exact binomial tail, then false discovery rate."
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=f"Significant hot spots of {_named(category)} in {surface.grid.area.name}",
            subtitle=f"{window} · {found:,} of {len(surface.grid):,} cells stand out from chance",
            caption=f"{where}{_run(run_date)}",
        )
        norm = BoundaryNorm(np.arange(-0.5, len(limits) + 1), colours.N)
        draw_cells(sheet, surface.grid, step, colours=colours, norm=norm)
        top = key_title(sheet, sheet.legend_top, ["More incidents", "than chance"], unit="false discovery rate")
        rows = [
            (HOT[i], f"at most {limits[i] * 100:g} %\n{int((step == i + 1).sum()):,} cells")
            for i in reversed(range(len(limits)))
        ]
        rest = f"not shown\n{len(surface.grid) - found:,} cells"
        key_rows(sheet, top, [*rows, (LAND, rest)])
    return sheet.figure


def forecast_map(forecast: Forecast, *, period: int = 0, run_date: str = "") -> Figure:
    """Show how many incidents are expected in each cell in one period of a forecast.

    Parameters
    ----------
    forecast : Forecast
    period : int
        Which of its periods.
    run_date : str
    """
    start, end = forecast.periods.edges[period], forecast.periods.edges[period + 1]
    days = round((end - start).total_seconds() / 86_400)
    expected = forecast.mean[:, period]
    last = end - np.timedelta64(1, "us")
    with figure_style():
        sheet = map_sheet(
            forecast.grid.area,
            title=f"Expected {_named(forecast.category)} in {forecast.grid.area.name}",
            subtitle=f"{start.day} {start:%b %Y} to {last.day} {last:%b %Y} · {expected.sum():,.0f} incidents expected in all",
            caption=(
                f"Model {forecast.model}, issued {forecast.issued_at:%Y-%m-%d}, on {_cells(forecast.grid)}. "
                f"Square-root colour scale. A forecast of places and times, not of people.{_run(run_date)}"
            ),
        )
        _quantity(sheet, forecast.grid, expected, heading=["Expected", "incidents"], unit=f"per cell in {days} days")
    return sheet.figure


def _quantity(sheet: MapSheet, grid: Grid, values: NDArray[np.float64], *, heading: list[str], unit: str) -> None:
    colours = colormaps[SEQUENTIAL]
    norm = PowerNorm(0.5, vmin=0.0, vmax=max(float(values.max()), 1e-12))
    draw_cells(sheet, grid, values, colours=colours, norm=norm)
    top = key_title(sheet, sheet.legend_top, heading, unit=unit)
    key_ramp(sheet, top, colours, norm)


def _cells(grid: Grid) -> str:
    if grid.kind == "polygon":
        return f"{len(grid):,} areas"
    return f"{grid.kind} cells of {grid.cell_size_m:g} m"


def _named(category: str) -> str:
    return "all incidents" if category == "all" else category


def _run(run_date: str) -> str:
    return f" Run {run_date}." if run_date else ""
