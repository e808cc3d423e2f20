// Everything on the map as rows of a table and as details: the same facts, with and without a mouse.
import { grids } from "./map_layers";
import { chance, count, percent, q, thousands } from "./text";
import type { LayerName, Loaded } from "./types";

export interface Row {
  /** Address of the feature, such as `forecast:250E-…`; see `find`. */
  at: string;
  name: string;
  cells: string[];
}

export interface Table {
  caption: string;
  columns: string[];
  rows: Row[];
  total: number;
}

export interface Detail {
  kind: string;
  title: string;
  lines: [string, string][];
  text: string;
  shape: GeoJSON.Geometry | null;
  centre: [number, number];
}

const MOST = 200;

export function table(results: Loaded, layer: LayerName): Table | null {
  if (layer === "forecast" && results.forecast) return forecastTable(results);
  if (layer === "gi_star" && results.gi_star) return hotTable(results);
  if (layer === "density" && results.density) {
    const { peaks, unit } = results.density;
    return {
      caption: "Densest spot of each neighbourhood",
      columns: ["Place", unit.replace("km2", "km²"), "× city mean"],
      rows: peaks.map((peak, i) => ({
        at: `density:${i}`,
        name: peak.name || `Spot ${i + 1}`,
        cells: [thousands(peak.value), peak.times_mean === null ? "–" : peak.times_mean.toFixed(1)],
      })),
      total: peaks.length,
    };
  }
  if (layer === "clusters" && results.clusters) {
    const { features } = results.clusters.places;
    return {
      caption: "Clusters, the largest first",
      columns: ["Cluster", "Incidents", "Places", "Peak hours", "× surroundings"],
      rows: features.map(({ properties: one }) => ({
        at: `clusters:${one.cluster}`,
        name: `${one.cluster}. ${one.neighbourhood || "Cluster"}`,
        cells: [
          thousands(one.incidents),
          thousands(one.distinct_places),
          one.peak_hours || "–",
          one.times_surroundings === null ? "–" : one.times_surroundings.toFixed(1),
        ],
      })),
      total: features.length,
    };
  }
  if (layer === "plan" && results.plan) {
    const { features } = results.plan.places;
    return {
      caption: "Planned places by rank, all planned categories together",
      columns: ["Place", "Days and hours", "Expected", "Chance of none"],
      rows: features.map(({ properties: one }) => ({
        at: `plan:${one.rank}`,
        name: `${one.rank}. ${one.neighbourhood || one.cell_id}`,
        cells: [one.hours, count(one.expected), chance(one.chance_of_none)],
      })),
      total: features.length,
    };
  }
  return null;
}

function forecastTable(results: Loaded): Table {
  const { expected, low, high, none, grid, interval } = results.forecast!;
  const cells = grids.get(grid)?.cells.features ?? [];
  const order = ranked(expected).slice(0, MOST);
  return {
    caption: "Cells by expected incidents",
    columns: ["Cell", "Expected", interval ? `${percent(interval[1] - interval[0])} interval` : "Interval", "Chance of none"],
    rows: order.map((i) => ({
      at: `forecast:${cells[i]?.properties.cell ?? i}`,
      name: cellName(cells[i]?.properties),
      cells: [count(expected[i]!), low && high ? `${low[i]!} to ${high[i]!}` : "–", chance(none[i]!)],
    })),
    total: expected.length,
  };
}

function hotTable(results: Loaded): Table {
  const { z, q: chance, hot, grid } = results.gi_star!;
  const cells = grids.get(grid)?.cells.features ?? [];
  const order = [...hot].sort((a, b) => z[b]! - z[a]! || a - b);
  return {
    caption: "Significant cells by z-score",
    columns: ["Cell", "z-score", "q-value"],
    rows: order.slice(0, MOST).map((i) => ({
      at: `gi_star:${cells[i]?.properties.cell ?? i}`,
      name: cellName(cells[i]?.properties),
      cells: [z[i]!.toFixed(1), q(chance[i]!)],
    })),
    total: order.length,
  };
}

/** Find what an address such as `plan:3` names; null where it is not on the map. */
export function find(results: Loaded, at: string): Detail | null {
  const separator = at.indexOf(":");
  const [kind, name] = [at.slice(0, separator), at.slice(separator + 1)];
  if (kind === "plan") return planDetail(results, Number(name));
  if (kind === "clusters") return clusterDetail(results, Number(name));
  if (kind === "density") return peakDetail(results, Number(name));
  if (kind === "forecast" || kind === "gi_star") return cellDetail(results, kind, name);
  return null;
}

function planDetail(results: Loaded, rank: number): Detail | null {
  const found = results.plan?.places.features.find((one) => one.properties.rank === rank);
  if (!found) return null;
  const place = found.properties;
  return {
    kind: "Planned place",
    title: `${place.rank}. ${place.neighbourhood || place.cell_id}`,
    lines: [
      ["Days and hours", place.hours],
      ["Expected, all hours", `${count(place.expected)} incidents`],
      ["Expected in these hours", `${count(place.expected_in_hours)} incidents`],
      ["Chance of none", chance(place.chance_of_none)],
      ["Mix", place.category_mix],
      ["Cell", place.cell_id],
    ],
    text: "Ranked by expected incidents in the proposed hours, all planned categories together.",
    shape: found.geometry,
    centre: centre(found.geometry),
  };
}

function clusterDetail(results: Loaded, number: number): Detail | null {
  const found = results.clusters?.places.features.find((one) => one.properties.cluster === number);
  if (!found) return null;
  const one = found.properties;
  return {
    kind: "Cluster",
    title: `${one.cluster}. ${one.neighbourhood || "Cluster"}`,
    lines: [
      ["Incidents", `${thousands(one.incidents)} at ${thousands(one.distinct_places)} places`],
      ["Across", `${thousands(one.span_m)} m`],
      ["Peak hours", one.peak_hours || "none stands out"],
      ["Busiest day", one.peak_weekday || "none stands out"],
      ["Density", one.times_surroundings === null ? "–" : `${one.times_surroundings.toFixed(1)} × its surroundings`],
    ],
    text: one.sentence,
    shape: found.geometry,
    centre: centre(found.geometry),
  };
}

function peakDetail(results: Loaded, index: number): Detail | null {
  const peak = results.density?.peaks[index];
  if (!peak) return null;
  return {
    kind: "Densest spot",
    title: peak.name || `Spot ${index + 1}`,
    lines: [
      ["Density", `${thousands(peak.value)} ${results.density!.unit.replace("km2", "km²")}`],
      ["Beside the city", peak.times_mean === null ? "–" : `${peak.times_mean.toFixed(1)} × the mean`],
    ],
    text: results.density!.facts.window ? `Incidents of ${results.density!.facts.window}, smoothed.` : "",
    shape: null,
    centre: peak.at,
  };
}

function cellDetail(results: Loaded, kind: "forecast" | "gi_star", id: string): Detail | null {
  const surface = kind === "forecast" ? results.forecast : results.gi_star;
  const cells = surface ? grids.get(surface.grid)?.cells.features : undefined;
  const index = cells?.findIndex((one) => one.properties.cell === id) ?? -1;
  const found = cells?.[index];
  if (!found) return null;
  const lines: [string, string][] = [];
  const { forecast, gi_star: hot } = results;
  if (forecast && forecast.grid === surface!.grid) {
    lines.push(["Expected", `${count(forecast.expected[index]!)} incidents`]);
    if (forecast.low && forecast.high && forecast.interval) {
      const width = percent(forecast.interval[1] - forecast.interval[0]);
      lines.push([`${width} interval`, `${forecast.low[index]!} to ${forecast.high[index]!}`]);
    }
    lines.push(["Chance of none", chance(forecast.none[index]!)]);
  }
  if (hot && hot.grid === surface!.grid) {
    lines.push(["Past year, Gi* z", hot.z[index]!.toFixed(1)], ["q-value", q(hot.q[index]!)]);
  }
  const significant = hot?.hot.includes(index);
  return {
    kind: "Cell",
    title: cellName(found.properties),
    lines: [...lines, ["Ground", `${(found.properties.km2 * 100).toFixed(1)} ha`]],
    text: hot ? (significant ? "Stands out from chance." : "Does not stand out from chance.") : "",
    shape: found.geometry,
    centre: centre(found.geometry),
  };
}

function cellName(cell: { cell: string; name: string } | undefined): string {
  if (!cell) return "Cell";
  return cell.name ? `${cell.name}, ${cell.cell}` : cell.cell;
}

function ranked(values: number[]): number[] {
  return values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
}

function centre(shape: GeoJSON.Geometry): [number, number] {
  let [west, south, east, north] = [180, 90, -180, -90];
  const visit = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] === "number") {
      const [x, y] = part as [number, number];
      [west, east] = [Math.min(west, x), Math.max(east, x)];
      [south, north] = [Math.min(south, y), Math.max(north, y)];
    } else part.forEach(visit);
  };
  if ("coordinates" in shape) visit(shape.coordinates);
  return [(west + east) / 2, (south + north) / 2];
}
