// The map of a question: places as vector tiles, cells and neighbourhoods coloured by their counts, the shape drawn on it.
import type { GeoJSONSource, Map as MapLibre, MapMouseEvent, VectorTileSource } from "maplibre-gl";
import { boundsOf, makeMap, padding, paintBasemap, styled } from "../basemap";
import { scale } from "../legend";
import { type Palette, palette } from "../palette";
import { element, thousands } from "../text";
import { isDark, still } from "../theme";
import type { Areas } from "../types";
import { ask, type Cells, type Counts, type Facts, type StreetCounts, type StreetLines } from "./answers";
import type { Layer, Question } from "./state";

const EMPTY = { type: "FeatureCollection" as const, features: [] };
const BELOW = "neighbourhood-lines";
const CLASSES = 6;

export interface Picked {
  title: string;
  lines: [string, string][];
}

export class ExploreMap {
  readonly map: MapLibre;
  private question: string | null = null;
  private breaks: Record<"grid" | "areas" | "streets", number[]> = { grid: [], areas: [], streets: [] };
  // Nothing is drawn, and no tile asked for, before the first answer.
  private layer: Layer = "none";

  private constructor(
    private readonly canvas: HTMLElement,
    private readonly areas: Areas,
    private readonly cells: Cells,
    private readonly facts: Facts,
    view: Question["view"],
  ) {
    const start = view ? { latitude: view[0], longitude: view[1], zoom: view[2] } : null;
    this.map = makeMap(canvas, areas, this.colours, start);
  }

  static async start(canvas: HTMLElement, areas: Areas, cells: Cells, facts: Facts, view: Question["view"]): Promise<ExploreMap> {
    const made = new ExploreMap(canvas, areas, cells, facts, view);
    await styled(made.map);
    made.addLayers();
    return made;
  }

  get colours(): Palette {
    return palette(isDark());
  }

  /** Show the answer to a question; resolves when it is drawn. */
  async show(query: string, counts: Counts, question: Question, signal: AbortSignal): Promise<void> {
    if (query !== this.question) {
      this.question = query;
      this.map.getSource<VectorTileSource>("incidents")!.setTiles([this.tiles(query)]);
    }
    // Many incidents would cover the whole city from afar; near by, circles keep their size.
    this.map.setPaintProperty("places", "circle-radius", radius(Math.max(1, Math.sqrt(counts.total / 12_000))));
    this.colour("grid", "cells", counts.cells.index, counts.cells.counts);
    const order = this.facts.areas.map((_, i) => i);
    this.colour("areas", "neighbourhoods", order, this.facts.areas.map((one) => counts.areas[one.slug] ?? 0));
    if (question.layer === "streets") await this.showStreets(query, signal);
    this.layer = question.layer;
    this.visible();
    this.drawShape(question);
    this.paint();
    return this.idle();
  }

  /** Streets are many and seldom looked at: their lines come when they are first chosen, counts with each question. */
  private async showStreets(query: string, signal: AbortSignal): Promise<void> {
    const { map } = this;
    if (!map.getSource("streets")) {
      const lines = await ask<StreetLines>("streets");
      if (!map.getSource("streets")) {
        map.addSource("streets", { type: "geojson", data: lines });
        map.addLayer({ id: "streets", type: "line", source: "streets", layout: { "line-cap": "round" }, paint: {} }, "names");
      }
    }
    const { index, counts } = await ask<StreetCounts>(`streets/counts${query ? `?${query}` : ""}`, signal);
    this.colour("streets", "streets", index, counts);
  }

  idle(): Promise<void> {
    return new Promise((ready) => {
      this.map.once("idle", () => ready());
      this.map.triggerRepaint();
    });
  }

  repaint(): void {
    paintBasemap(this.map, this.colours);
    this.paint();
  }

  whole(): void {
    this.map.fitBounds(boundsOf(this.areas), { padding: padding(this.canvas), animate: !still() });
  }

  go(box: [number, number, number, number]): void {
    this.map.fitBounds(box, { padding: 60, maxZoom: 15.5, animate: !still() });
  }

  /** What lies under a point, for those who clicked there or pressed Enter. */
  pick(point: { x: number; y: number }): Picked | null {
    const layers = { places: ["places", "places-exact"], grid: ["cells"], areas: ["hoods"], streets: ["streets"], none: [] }[this.layer];
    const box: [[number, number], [number, number]] = [[point.x - 4, point.y - 4], [point.x + 4, point.y + 4]];
    const found = layers.length ? this.map.queryRenderedFeatures(box, { layers }) : [];
    const first = found[0];
    if (!first) return null;
    if (first.layer.id === "places-exact" && first.properties.id) {
      const several = found.length > 1 ? [["Here", `${found.length} incidents, the first of them shown`] as [string, string]] : [];
      return { title: String(first.properties.id), lines: [["Category", String(first.properties.category)], ["When", String(first.properties.date)], ...several] };
    }
    const n = Number(first.layer.id.startsWith("places") ? first.properties.n : (first.state.n ?? 0));
    const title = first.layer.id === "hoods" || first.layer.id === "cells" ? String(first.properties.name) : "Incidents close together";
    if (first.layer.id === "streets") return { title: String(first.properties.street), lines: [["Incidents", thousands(n)], ["Length", `${first.properties.m} m`], ["Neighbourhood", String(first.properties.name)]] };
    const cell = first.layer.id === "cells" ? [["Cell", String(first.properties.cell)] as [string, string]] : [];
    return { title, lines: [["Incidents", thousands(n)], ...cell] };
  }

  legend(): HTMLElement[] {
    if (this.layer === "none") return [];
    if (this.layer === "places") {
      const near = this.facts.exact ? "Single incidents from street zoom." : "Centres of cells.";
      return [element("p", { class: "remark" }, `Circles grow with the number of incidents. ${near}`)];
    }
    const breaks = this.breaks[this.layer];
    const title = { grid: "Incidents per cell", areas: "Incidents per neighbourhood", streets: "Incidents per stretch of street" }[this.layer];
    return breaks.length ? [scale(title, breaks, this.colours.ramp(breaks.length), "none: not coloured")] : [element("p", { class: "remark" }, "No incidents to colour.")];
  }

  /** Show corners while they are being drawn. */
  sketch(corners: [number, number][]): void {
    const line = { type: "Feature" as const, properties: {}, geometry: { type: "LineString" as const, coordinates: corners } };
    const points = corners.map((at) => ({ type: "Feature" as const, properties: {}, geometry: { type: "Point" as const, coordinates: at } }));
    this.data("shape").setData({ type: "FeatureCollection", features: corners.length > 1 ? [line, ...points] : points });
  }

  onClick(heard: (event: MapMouseEvent) => void): void {
    this.map.on("click", heard);
  }

  private tiles(query: string): string {
    return `${location.origin}/api/explore/tiles/{z}/{x}/{y}${query ? `?${query}` : ""}`;
  }

  private data(id: string): GeoJSONSource {
    return this.map.getSource<GeoJSONSource>(id)!;
  }

  private addLayers(): void {
    const { map } = this;
    map.addSource("cells", { type: "geojson", data: this.cells });
    map.addSource("shape", { type: "geojson", data: EMPTY });
    map.addSource("incidents", { type: "vector", tiles: [this.tiles("")], minzoom: 0, maxzoom: 15 });
    map.addLayer({ id: "cells", type: "fill", source: "cells", paint: { "fill-opacity": 0.85, "fill-antialias": false } }, BELOW);
    map.addLayer({ id: "hoods", type: "fill", source: "neighbourhoods", paint: { "fill-opacity": 0.85, "fill-antialias": false } }, BELOW);
    const places = { type: "circle" as const, source: "incidents", "source-layer": "incidents" };
    const size = radius(1);
    map.addLayer({ id: "places", ...places, maxzoom: 15, paint: { "circle-radius": size, "circle-opacity": 0.72 } }, "names");
    map.addLayer({ id: "places-exact", ...places, minzoom: 15, paint: { "circle-radius": this.facts.exact ? 5 : size, "circle-opacity": 0.8, "circle-stroke-width": 1 } }, "names");
    map.addLayer({ id: "shape-fill", type: "fill", source: "shape", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-opacity": 0.1 } });
    map.addLayer({ id: "shape-line", type: "line", source: "shape", paint: { "line-width": 2.5, "line-dasharray": [2, 1] } });
    map.addLayer({ id: "shape-points", type: "circle", source: "shape", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5 } });
    this.paint();
    this.visible();
  }

  private colour(kind: "grid" | "areas" | "streets", source: string, ids: number[], counts: number[]): void {
    this.map.removeFeatureState({ source });
    ids.forEach((id, i) => {
      if (counts[i]) this.map.setFeatureState({ source, id }, { n: counts[i] });
    });
    this.breaks[kind] = classes(counts);
  }

  private paint(): void {
    const { map, colours } = this;
    for (const [kind, id] of [["grid", "cells"], ["areas", "hoods"]] as const) {
      const breaks = this.breaks[kind];
      const ramp = colours.ramp(Math.max(1, breaks.length));
      const n = ["coalesce", ["feature-state", "n"], 0];
      const steps = breaks.flatMap((limit, i) => [limit, ramp[i]!]);
      map.setPaintProperty(id, "fill-color", breaks.length ? (["step", n, "rgba(0,0,0,0)", ...steps] as never) : "rgba(0,0,0,0)");
    }
    if (map.getLayer("streets")) {
      const { streets } = this.breaks;
      const ramp = colours.ramp(Math.max(1, streets.length));
      const n = ["coalesce", ["feature-state", "n"], 0];
      const step = (none: unknown, values: unknown[]) => (streets.length ? ["step", n, none, ...streets.flatMap((limit, i) => [limit, values[i]])] : none) as never;
      map.setPaintProperty("streets", "line-color", step(colours.line, ramp));
      map.setPaintProperty("streets", "line-width", step(0.6, streets.map((_, i) => 1.5 + i)));
    }
    const [blue, edge] = isDark() ? ["#56b4e9", "#0e1116"] : ["#0072b2", "#ffffff"];
    for (const id of ["places", "places-exact"]) map.setPaintProperty(id, "circle-color", blue);
    map.setPaintProperty("places-exact", "circle-stroke-color", edge);
    for (const [id, property] of [["shape-fill", "fill-color"], ["shape-line", "line-color"], ["shape-points", "circle-color"]] as const) {
      map.setPaintProperty(id, property, colours.cluster);
    }
  }

  private visible(): void {
    for (const [id, layer] of [["places", "places"], ["places-exact", "places"], ["cells", "grid"], ["hoods", "areas"]] as const) {
      this.map.setLayoutProperty(id, "visibility", layer === this.layer ? "visible" : "none");
    }
    if (this.map.getLayer("streets")) this.map.setLayoutProperty("streets", "visibility", this.layer === "streets" ? "visible" : "none");
  }

  private drawShape({ polygon, near }: Question): void {
    const ring = polygon.length ? [...polygon, polygon[0]!] : near ? circle(near) : null;
    this.data("shape").setData(ring ? { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } } : EMPTY);
  }
}

/** Circles that grow with the square root of the number; from afar so many times smaller. */
function radius(smaller: number): never {
  const size = (by: number) => ["interpolate", ["linear"], ["/", ["sqrt", ["get", "n"]], by], 0.2, 1.1, 1, 2, 4, 4.5, 20, 11, 60, 20];
  return ["interpolate", ["linear"], ["zoom"], 10, size(smaller), 14, size(1)] as never;
}

/** Lower limits of at most six classes, each as many times the one before. */
function classes(counts: number[]): number[] {
  const some = counts.filter((n) => n > 0);
  if (some.length === 0) return [];
  const [low, high] = [Math.min(...some), Math.max(...some)];
  return [...new Set(Array.from({ length: CLASSES }, (_, i) => Math.round(low * (high / low) ** (i / CLASSES))))];
}

export function circle([longitude, latitude, metres]: [number, number, number]): [number, number][] {
  const high = metres / 111_320;
  const wide = high / Math.cos((latitude * Math.PI) / 180);
  return Array.from({ length: 65 }, (_, i) => {
    const turn = (i / 64) * 2 * Math.PI;
    return [longitude + wide * Math.cos(turn), latitude + high * Math.sin(turn)];
  });
}
