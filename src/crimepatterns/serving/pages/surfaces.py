"""Every stored surface of a category as a small map with its null hypothesis, p-values and parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from crimepatterns.patterns.significance import discoveries
from crimepatterns.serving.names import place_name, with_place_names
from crimepatterns.serving.pages.drawing import Sketch, classed
from crimepatterns.serving.pages.stored import layer_of
from crimepatterns.serving.results import Category, Results

__all__ = ["SURFACES", "parameters_told", "surface_panels"]

SURFACES: Mapping[str, str] = {
    "density": "Density",
    "density_adaptive": "Density, adaptive",
    "density_ratio": "Density beside a denominator",
    "gi_star": "Hot spots (Gi*)",
    "gi_star_given": "Hot spots beside long-run counts",
    "optimised": "Hot spots at their own scale",
    "local_moran_kinds": "Alike and unlike neighbours (local Moran)",
    "emerging": "Emerging hot spots",
    "change": "Change between two periods",
    "smoothed_rates": "Smoothed rates",
    "network": "Along streets",
    "persistence": "Hot spots with a past",
}
"""Stored layers in the order of the page, and what it calls them."""

_HOT_QUANTILES = (0.0, 0.4, 0.75, 0.93)
_GROUND = (0.8, 0.9, 0.95, 0.98)
_TOP = 10


_Classes = list[tuple[str, str, Sequence[Any]]]


@dataclass(frozen=True)
class _Drawn:
    """Shapes by style class in the order of the legend, and what each means."""

    classes: _Classes
    top: list[dict[str, Any]]
    shown: str


def surface_panels(results: Results, category: Category) -> list[dict[str, Any]]:
    """Return a panel for each surface that is stored.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``map``, ``legend`` (style class and meaning), ``sentence``, ``null``, ``parameters``,
        ``shown`` (how many cells are significant), ``top`` (the foremost cells) and ``facts``.
    """
    panels = []
    for name, title in SURFACES.items():
        path = results.layer_path(category, name)
        if path.exists():
            sources = [path, results.layout.study_area]
            make = _Maker(results, category, name, title)
            panels.append(results.cache.get(("panel", category.slug, name), sources, make))
    return panels


def parameters_told(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write parameters as pairs of words; nested ones are left to the files."""
    return [
        (str(name).replace("_", " "), f"{value:,.4g}" if isinstance(value, float) else str(value))
        for name, value in parameters.items()
        if isinstance(value, int | float | str | bool)
    ]


@dataclass(frozen=True)
class _Maker:
    results: Results
    category: Category
    name: str
    title: str

    def __call__(self) -> dict[str, Any]:
        layer, facts = layer_of(self.results, self.results.layer_path(self.category, self.name))
        drawn = _drawn(layer, facts)
        sketch = Sketch(self.results.area(), f"{self.title}, {self.category.label}: {facts.get('sentence', '')}")
        for kind, meaning, shapes in drawn.classes:
            sketch.shapes(shapes, kind, meaning)
        names = self.results.place_names()
        return {
            "name": self.name,
            "title": self.title,
            "map": sketch.hoods().svg(),
            "legend": [(Markup("{}").format(kind), meaning) for kind, meaning, _ in drawn.classes],
            "sentence": with_place_names(str(facts.get("sentence", "")), names),
            "null": facts.get("null", ""),
            "parameters": parameters_told(facts.get("parameters", {})),
            "shown": drawn.shown,
            "top": drawn.top,
            "facts": facts,
        }


def _drawn(layer: gpd.GeoDataFrame, facts: Mapping[str, Any]) -> _Drawn:
    if "emerging" in layer:
        return _kinds(layer, "emerging", {"no pattern", ""})
    if "persistence" in layer:
        return _kinds(layer, "persistence", {""})
    if "kind" in layer:
        return _kinds(layer, "kind", {""})
    if "q_value" in layer and layer["q_value"].notna().any():
        return _tested(layer, float(facts.get("parameters", {}).get("fdr", 0.05)))
    return _plain(layer)


def _plain(layer: gpd.GeoDataFrame) -> _Drawn:
    """Colour by the share of the ground that is at least so high."""
    values = layer["value"].to_numpy(dtype=float)
    area = layer["area_km2"].to_numpy(dtype=float) if "area_km2" in layer else layer.geometry.length.to_numpy()
    order = np.argsort(values, kind="stable")
    share = np.empty(len(values))
    share[order] = np.cumsum(area[order]) / area.sum()
    share[~(values > 0)] = -1.0
    parts = classed(layer.geometry.to_numpy(), share, _GROUND)
    words = ("highest 20 % of the ground", "10 %", "5 %", "2 %")
    classes: _Classes = [(f"tone-{k + 1}", words[k], parts.get(k, [])) for k in range(len(_GROUND))]
    return _Drawn(classes, _foremost(layer, np.argsort(-values)), "")


def _tested(layer: gpd.GeoDataFrame, fdr: float) -> _Drawn:
    """Colour significant cells only."""
    values, q = layer["value"].to_numpy(dtype=float), layer["q_value"].to_numpy(dtype=float)
    found: NDArray[np.bool_] = discoveries(np.nan_to_num(q, nan=1.0), fdr=fdr)
    hot, cold = found & (values > 0), found & (values < 0)
    classes: _Classes = []
    shapes = layer.geometry.to_numpy()
    if hot.any():
        breaks = sorted(set(np.quantile(values[hot], _HOT_QUANTILES).tolist()))
        parts = classed(shapes[hot], values[hot], breaks)
        for k, low in enumerate(breaks):
            tone = k + 5 - len(breaks)
            classes.append((f"tone-{tone}", f"{'from ' if len(breaks) > 1 else ''}{low:.3g}", parts.get(k, [])))
    if cold.any():
        classes.append(
            ("cold", f"below, down to {values[cold].min():.3g}", classed(shapes[cold], -values[cold], [0.0])[0])
        )
    order = np.lexsort((-np.abs(values), np.where(found, q, 2.0)))[: int(found.sum())]
    told = f"{int(hot.sum()):,} cells above" + (f" and {int(cold.sum()):,} below" if cold.any() else "")
    return _Drawn(classes, _foremost(layer, order), f"{told} at a false discovery rate of {fdr * 100:g} %")


def _kinds(layer: gpd.GeoDataFrame, column: str, left_out: set[str]) -> _Drawn:
    """Colour by the name of a class; the rarest lie on top and stand last."""
    names = layer[column].fillna("").astype(str)
    counts = names[~names.isin(left_out)].value_counts()
    classes: _Classes = [
        (f"kind-{str(name).replace(' ', '-')}", f"{name} ({count:,})", classed_one(layer, names == name))
        for name, count in counts.items()
    ]
    order = np.flatnonzero((~names.isin(left_out) & ~names.str.contains("cold")).to_numpy())
    return _Drawn(classes, _foremost(layer, order, column), f"{int(counts.sum()):,} of {len(layer):,} with a name")


def classed_one(layer: gpd.GeoDataFrame, chosen: Any) -> Sequence[Any]:
    """Join the shapes of the chosen rows."""
    shapes = layer.geometry.to_numpy()[np.asarray(chosen, dtype=bool)]
    return classed(shapes, np.ones(len(shapes)), [0.5]).get(0, [])


def _foremost(layer: gpd.GeoDataFrame, order: NDArray[np.int64], kind: str = "") -> list[dict[str, Any]]:
    rows = layer.iloc[order[:_TOP]]
    wanted = [name for name in (kind, "value", "p_value", "q_value", "times_expected", "incidents") if name in rows]
    identity = "cell_id" if "cell_id" in rows else rows.columns[0]
    return [
        {
            "place": place_name(str(row.get("neighbourhood") or "")),
            "cell": str(row[identity]),
            **{name: row[name] for name in wanted},
        }
        for row in rows.drop(columns="geometry").to_dict("records")
    ]
