"""The forecast beyond its map: how sure, in which shift, where by neighbourhood, why, how much harm, what came."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.explaining import explanations
from crimepatterns.serving.legend import round_breaks
from crimepatterns.serving.names import count_text, model_label, place_name
from crimepatterns.serving.pages.drawing import Sketch, classed
from crimepatterns.serving.pages.outcomes import calendar
from crimepatterns.serving.pages.shifts import ShiftTable, chance_of_none, shift_table
from crimepatterns.serving.pages.stored import layer_of, named, records
from crimepatterns.serving.parts import Parts
from crimepatterns.serving.results import Category, Results

__all__ = ["forecast_extras"]

_CLASSES = 5
_LISTED = 10
_HARM = "harm"


def forecast_extras(results: Results, category: Category | None, shift: int | None) -> dict[str, Any]:
    """Return the parts of the page that stand below the map; those that are not there are None, with the reason.

    Parameters
    ----------
    results : Results
    category : Category or None
    shift : int or None
        Number of a shift of the horizon; None for the one that expects most.
    """
    part = Parts()
    if category is None or not category.forecast:
        return {"sure": None, "extra_absent": part.absent}
    return {
        "sure": part("sure", lambda: _kept(results, category, _how_sure)),
        "shifts": part("shifts", lambda: _shift(results, category, shift)),
        "areas": part("areas", lambda: _areas(results, category)),
        "why": part("why", lambda: explanations(results, category)),
        "harm": part("harm", lambda: _harm(results)),
        "calendar": part("calendar", lambda: calendar(results, category.name)),
        "extra_absent": part.absent,
    }


def _kept(results: Results, category: Category, make: Callable[[Results, Category], Any]) -> Any:
    sources = [
        results.forecast_path(category),
        results.layout.forecasts / f"{_HARM}.parquet",
        results.layout.study_area,
    ]
    return results.cache.get(("forecast-part", make.__name__, category.slug), sources, lambda: make(results, category))


def _how_sure(results: Results, category: Category) -> dict[str, Any]:
    """Draw expected counts and the width of their intervals side by side."""
    layer, facts = layer_of(results, results.forecast_path(category))
    mean = layer["mean_0"].to_numpy(dtype=float)
    expected = _map(results, layer.geometry.to_numpy(), mean, f"Expected incidents of {category.label} by cell")
    levels = [float(level) for level in facts.get("levels") or []]
    if len(levels) < 2 or f"q{levels[0]:g}_0" not in layer:
        return {"expected": expected, "width": None, "levels": None, "model": model_label(str(facts["model"]))}
    low, high = (layer[f"q{level:g}_0"].to_numpy(dtype=float) for level in (levels[0], levels[-1]))
    width = high - low
    told = f"Width of the interval of {category.label} by cell"
    return {
        "expected": expected,
        "width": _map(results, layer.geometry.to_numpy(), width, told),
        "levels": [round(level * 100) for level in (levels[0], levels[-1])],
        "share": round((levels[-1] - levels[0]) * 100),
        "from": facts.get("intervals_from", ""),
        "widest": float(width.max()),
        "nothing": float(np.mean(high == 0)),
        "model": model_label(str(facts["model"])),
    }


def _map(results: Results, shapes: NDArray[np.object_], values: NDArray[np.float64], label: str) -> dict[str, Any]:
    breaks = round_breaks(float(values.max()) / 50, float(values.max()), most=_CLASSES)
    sketch = Sketch(results.area(), f"{label}, up to {count_text(float(values.max()))}.")
    parts = classed(shapes, values, breaks) if breaks else {}
    offset = _CLASSES - len(breaks) + 1
    for k, shape in parts.items():
        sketch.shapes(shape, f"tone-{k + offset}")
    return {
        "map": sketch.hoods().svg(),
        "legend": [(f"tone-{k + offset}", f"from {low:g}") for k, low in enumerate(breaks)],
    }


def _shift(results: Results, category: Category, wanted: int | None) -> dict[str, Any]:
    table: ShiftTable = shift_table(results, category)
    totals = table.mean.sum(axis=0)
    chosen = wanted if wanted is not None and 0 <= wanted < len(totals) else int(np.argmax(totals))
    layer, _ = layer_of(results, results.layout.forecasts / "shifts" / f"{category.slug}.parquet")
    mean = table.mean[:, chosen]
    order = np.lexsort((table.cells, -mean))[:_LISTED]
    rows = [
        {
            "cell": str(table.cells[i]),
            "place": named(layer["neighbourhood"].iloc[i]),
            "expected": float(mean[i]),
            "none": chance_of_none(float(mean[i])),
        }
        for i in order
    ]
    return {
        "chosen": chosen,
        "choices": [{"number": k, "label": table.label(k), "expected": float(totals[k])} for k in range(len(totals))],
        "rows": rows,
        "listed_none": chance_of_none(float(mean[order].sum())),
        **_map(results, layer.geometry.to_numpy(), mean, f"Expected {category.label}, {table.label(chosen)}"),
    }


def _areas(results: Results, category: Category) -> list[dict[str, Any]]:
    from crimepatterns.store.layers import read_table

    path = results.layout.forecasts / "areas" / f"{category.slug}.parquet"
    if not path.exists():
        raise MissingInputError("No forecast by neighbourhood yet: run `crimepatterns forecast`.")
    table, _ = results.cache.get(("areas", category.slug), [path], lambda: read_table(path))
    rows = [{**row, "area": place_name(str(row["area"]))} for row in records(table)]
    return sorted(rows, key=lambda row: (row["kind"] != "city", -row["expected"]))


def _harm(results: Results) -> dict[str, Any]:
    path = results.layout.forecasts / f"{_HARM}.parquet"
    if not path.exists():
        raise MissingInputError("No map of harm: set taxonomy.harm, then run `crimepatterns forecast`.")
    layer, facts = layer_of(results, path)
    value = layer["value"].to_numpy(dtype=float)
    order = np.lexsort((layer["cell_id"].astype(str), -value))[:5]
    return {
        "unit": facts.get("unit", ""),
        "about": facts.get("parameters", {}).get("about", ""),
        "total": float(value.sum()),
        "top": [{"place": named(layer["neighbourhood"].iloc[i]), "value": float(value[i])} for i in order],
        **_map(results, layer.geometry.to_numpy(), value, "Expected harm of all forecast categories by cell"),
    }
