// The shapes of the API's answers; see serving/map_layers.py, charts.py and scores.py.
import type { FeatureCollection, MultiPolygon, Point, Polygon } from "geojson";

export type SurfaceName = "forecast" | "gi_star" | "density" | "none";
export type OverlayName = "clusters" | "plan";
export type LayerName = Exclude<SurfaceName, "none"> | OverlayName;
export type Shapes<P> = FeatureCollection<Polygon | MultiPolygon, P>;

export interface Facts {
  sentence?: string;
  window?: string;
  as_of?: string;
  incidents?: number;
  model?: string;
  issued_at?: string;
  cap?: string;
  parameters?: Record<string, unknown>;
}

export interface Areas {
  bounds: [number, number, number, number];
  boundary: Shapes<{ name: string }>;
  neighbourhoods: Shapes<{ name: string; km2: number }>;
  labels: FeatureCollection<Point, { name: string; km2: number }>;
}

export interface Cell {
  cell: string;
  name: string;
  km2: number;
}

export interface Grid {
  digest: string;
  cells: Shapes<Cell>;
}

export interface Density {
  facts: Facts;
  unit: string;
  breaks: number[];
  mean: number;
  max: number;
  bands: Shapes<{ low: number; high: number | null }>;
  peaks: { name: string; value: number; times_mean: number | null; at: [number, number] }[];
}

export interface GiStar {
  facts: Facts;
  grid: string;
  unit: string;
  null: string;
  breaks: number[];
  z: number[];
  q: number[];
  hot: number[];
}

export interface Cluster {
  cluster: number;
  incidents: number;
  distinct_places: number;
  first_date: string;
  last_date: string;
  peak_hours: string;
  peak_weekday: string;
  span_m: number;
  times_surroundings: number | null;
  neighbourhood: string;
  sentence: string;
}

export interface Clusters {
  facts: Facts;
  places: Shapes<Cluster>;
}

export interface Forecast {
  facts: Facts;
  grid: string;
  unit: string;
  start: string;
  end: string;
  breaks: number[];
  total: number;
  expected: number[];
  interval: [number, number] | null;
  low: number[] | null;
  high: number[] | null;
  none: number[];
}

export interface PlanPlace {
  rank: number;
  cell_id: string;
  neighbourhood: string;
  hours: string;
  place_days: number;
  expected: number;
  expected_in_hours: number;
  chance_of_none: number;
  category_mix: string;
  reason: string;
}

export interface Plan {
  facts: Facts;
  places: Shapes<PlanPlace>;
  ranks: FeatureCollection<Point, { rank: number }>;
}

export interface Trend {
  unit: string;
  step: "week" | "month";
  periods: { start: string; incidents: number; complete: boolean }[];
}

export interface Rhythm {
  unit: string;
  window: string;
  known_share: number;
  incidents: number;
  cells: { weekday: string; hour: number; incidents: number; per_week: number }[];
}

export interface Score {
  value: number | null;
  lower: number | null;
  upper: number | null;
  text: string;
  interval: string | null;
}

export interface ScoreModel {
  model: string;
  label: string;
  role: "baseline" | "model";
  champion: boolean;
  scores: Record<string, Score>;
}

export interface Scoreboard {
  primary: string;
  champion: string | null;
  metrics: { name: string; label: string; per_cent: boolean; direction: string; reference: string }[];
  models: ScoreModel[];
  calibration: { group: number; expected: number; observed: number; ratio: number; lower: number; upper: number }[];
}

export interface Loaded {
  density: Density | null;
  gi_star: GiStar | null;
  clusters: Clusters | null;
  forecast: Forecast | null;
  plan: Plan | null;
}
