// The layers of results on the map. Cell layers share one geometry per grid; their values are feature states.
import type { ExpressionSpecification, GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import * as api from "./api";
import type { Palette } from "./palette";
import type { Density, Forecast, GiStar, Grid, LayerName, Loaded, OverlayName, SurfaceName } from "./types";

/** Layers that answer a click, the topmost first. */
export const CLICKABLE: readonly [LayerName, string][] = [
  ["plan", "plan-rank"],
  ["plan", "plan-fill"],
  ["clusters", "clusters-fill"],
  ["forecast", "forecast-cells"],
  ["gi_star", "gi_star-cells"],
];

const BELOW = "neighbourhood-lines";
const IDS: Record<LayerName, string[]> = {
  forecast: ["forecast-cells"],
  gi_star: ["gi_star-cells"],
  density: ["density-bands"],
  clusters: ["clusters-fill", "clusters-line"],
  plan: ["plan-fill", "plan-line", "plan-rank", "plan-number"],
};

// Below every z-score: the state of a cell that is not significant.
const NEVER = -1e6;

const EMPTY = { type: "FeatureCollection" as const, features: [] };

/** The rank that a marker of the plan carries. */
const FIRST: ExpressionSpecification = ["coalesce", ["get", "first"], ["get", "rank"]];

/** Cells of every grid loaded so far, by digest. */
export const grids = new Map<string, Grid>();

export class ResultLayers {
  constructor(
    private readonly map: MapLibre,
    private colours: Palette,
  ) {
    for (const id of ["density", "clusters", "plan", "selected"]) map.addSource(id, { type: "geojson", data: EMPTY });
    // Places too close to be told apart at this scale share one marker: the best rank among them, and how many more.
    map.addSource("plan-ranks", {
      type: "geojson",
      data: EMPTY,
      cluster: true,
      clusterRadius: 24,
      clusterMaxZoom: 15,
      clusterProperties: { first: ["min", ["get", "rank"]] },
    });
    this.addDrawn();
  }

  /** Put the results of a category on the map. */
  async load(results: Loaded): Promise<void> {
    this.data("density").setData(results.density?.bands ?? EMPTY);
    this.data("clusters").setData(results.clusters?.places ?? EMPTY);
    this.data("plan").setData(results.plan?.places ?? EMPTY);
    this.data("plan-ranks").setData(results.plan?.ranks ?? EMPTY);
    if (results.density) this.paintDensity(results.density);
    await this.cells("forecast", results.forecast, () => fillOf(results.forecast!, this.colours), (state) => {
      results.forecast!.expected.forEach((value, i) => state(i, { forecast: value }));
    });
    await this.cells("gi_star", results.gi_star, () => hotFill(results.gi_star!, this.colours), (state) => {
      for (const i of results.gi_star!.hot) state(i, { gi_star: results.gi_star!.z[i]! });
    });
  }

  show(surface: SurfaceName, overlays: readonly OverlayName[]): void {
    for (const [name, ids] of Object.entries(IDS) as [LayerName, string[]][]) {
      const seen = name === surface || overlays.includes(name as OverlayName);
      for (const id of ids) {
        if (this.map.getLayer(id)) this.map.setLayoutProperty(id, "visibility", seen ? "visible" : "none");
      }
    }
  }

  select(shape: GeoJSON.Geometry | null): void {
    this.data("selected").setData(shape ? { type: "Feature", properties: {}, geometry: shape } : EMPTY);
  }

  repaint(colours: Palette, results: Loaded): void {
    this.colours = colours;
    const { map } = this;
    if (results.density) this.paintDensity(results.density);
    if (results.forecast) map.setPaintProperty("forecast-cells", "fill-color", fillOf(results.forecast, colours));
    if (results.gi_star) map.setPaintProperty("gi_star-cells", "fill-color", hotFill(results.gi_star, colours));
    map.setPaintProperty("clusters-fill", "fill-color", colours.cluster);
    map.setPaintProperty("clusters-line", "line-color", colours.cluster);
    map.setPaintProperty("plan-fill", "fill-color", colours.plan);
    map.setPaintProperty("plan-line", "line-color", colours.plan);
    map.setPaintProperty("plan-rank", "circle-color", colours.plan);
    map.setPaintProperty("plan-rank", "circle-stroke-color", colours.halo);
    map.setPaintProperty("plan-number", "text-color", colours.planText);
    map.setPaintProperty("selected-line", "line-color", colours.selected);
    map.setPaintProperty("selected-casing", "line-color", colours.halo);
  }

  private data(id: string): GeoJSONSource {
    return this.map.getSource(id) as GeoJSONSource;
  }

  private async cells(
    name: "forecast" | "gi_star",
    values: Forecast | GiStar | null,
    fill: () => ExpressionSpecification | string,
    fillIn: (state: (id: number, values: Record<string, number>) => void) => void,
  ): Promise<void> {
    const { map } = this;
    const [layer] = IDS[name] as [string];
    if (map.getLayer(layer)) map.removeLayer(layer);
    if (!values) return;
    const source = `${name}-${values.grid}`;
    const shapes = grids.get(values.grid) ?? (await api.grid(values.grid));
    if (!shapes) return;
    grids.set(values.grid, shapes);
    if (map.getSource(source)) map.removeFeatureState({ source });
    else map.addSource(source, { type: "geojson", data: shapes.cells, tolerance: 0 });
    fillIn((id, state) => map.setFeatureState({ source, id }, state));
    map.addLayer(
      { id: layer, type: "fill", source, paint: { "fill-color": fill(), "fill-opacity": 0.94, "fill-antialias": false } },
      BELOW,
    );
  }

  private paintDensity(density: Density): void {
    const colours = this.colours.ramp(density.breaks.length);
    this.map.setPaintProperty("density-bands", "fill-color", steps(["get", "low"], density.breaks, colours));
  }

  private addDrawn(): void {
    const { map, colours } = this;
    map.addLayer(
      {
        id: "density-bands",
        type: "fill",
        source: "density",
        paint: { "fill-color": "transparent", "fill-opacity": 0.9, "fill-antialias": true },
      },
      BELOW,
    );
    map.addLayer(
      { id: "clusters-fill", type: "fill", source: "clusters", paint: { "fill-color": colours.cluster, "fill-opacity": 0.22 } },
      "names",
    );
    map.addLayer(
      { id: "clusters-line", type: "line", source: "clusters", paint: { "line-color": colours.cluster, "line-width": 2 } },
      "names",
    );
    map.addLayer(
      { id: "plan-fill", type: "fill", source: "plan", paint: { "fill-color": colours.plan, "fill-opacity": 0.3 } },
      "names",
    );
    map.addLayer(
      { id: "plan-line", type: "line", source: "plan", paint: { "line-color": colours.plan, "line-width": 2 } },
      "names",
    );
    map.addLayer({
      id: "selected-casing",
      type: "line",
      source: "selected",
      paint: { "line-color": colours.halo, "line-width": 6 },
    });
    map.addLayer({
      id: "selected-line",
      type: "line",
      source: "selected",
      paint: { "line-color": colours.selected, "line-width": 2.5 },
    });
    map.addLayer(
      {
        id: "plan-rank",
        type: "circle",
        source: "plan-ranks",
        layout: { "circle-sort-key": ["-", 0, FIRST] },
        paint: {
          "circle-color": colours.plan,
          "circle-radius": ["case", ["has", "point_count"], 14, 9.5],
          "circle-stroke-color": colours.halo,
          "circle-stroke-width": 1,
        },
      },
      "names",
    );
    map.addLayer({
      id: "plan-number",
      type: "symbol",
      source: "plan-ranks",
      layout: {
        "text-field": [
          "case",
          ["has", "point_count"],
          ["concat", ["to-string", FIRST], "+", ["to-string", ["-", ["get", "point_count"], 1]]],
          ["to-string", FIRST],
        ],
        "text-font": ["Source Sans"],
        "text-size": 11.5,
        "symbol-sort-key": FIRST,
        "text-padding": 1,
        "text-allow-overlap": true,
      },
      paint: { "text-color": colours.planText },
    });
  }
}

function steps(value: ExpressionSpecification, breaks: number[], colours: string[]): ExpressionSpecification {
  return ["step", value, "rgba(0,0,0,0)", ...breaks.flatMap((low, i) => [low, colours[i]!])] as ExpressionSpecification;
}

function fillOf(forecast: Forecast, colours: Palette): ExpressionSpecification | string {
  const { breaks } = forecast;
  if (!breaks.length) return "rgba(0,0,0,0)";
  return steps(["number", ["feature-state", "forecast"], -1], breaks, colours.ramp(breaks.length));
}

function hotFill(surface: GiStar, colours: Palette): ExpressionSpecification {
  const value: ExpressionSpecification = ["number", ["feature-state", "gi_star"], NEVER];
  return steps(value, [NEVER + 1, ...surface.breaks], colours.hot);
}
