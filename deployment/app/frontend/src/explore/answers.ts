// The answers of /api/explore; see serving/explore.
import { ask as fromServer } from "../server";
import type { FeatureCollection, LineString, MultiPolygon, Polygon } from "geojson";

export interface Facts {
  city: string;
  title: string;
  first: string;
  end: string;
  exact: boolean;
  days_known: boolean;
  rule: string | null;
  record: string;
  streets: boolean;
  categories: { slug: string; name: string; offences: { slug: string; name: string }[] }[];
  areas: { slug: string; name: string }[];
}

export interface Counts {
  total: number;
  exact: boolean;
  rule: string | null;
  filters: { from: string; until: string };
  before: { from: string; until: string; total: number } | null;
  times: { step: "day" | "week" | "month"; starts: string[]; counts: number[]; complete: boolean[] };
  rhythm: { counts: number[]; unknown: number } | null;
  offences: Record<string, number>;
  areas: Record<string, number>;
  cells: { index: number[]; counts: number[] };
}

export interface Rows {
  columns: string[];
  rows: (string | number)[][];
  page: number;
  size: number;
  total: number;
}

export interface Place {
  name: string;
  kind: string;
  at: [number, number];
  box: [number, number, number, number];
  area: string | null;
}

export type Cells = FeatureCollection<Polygon | MultiPolygon, { cell: string; name: string; km2: number }>;

export interface StreetCounts {
  index: number[];
  counts: number[];
  off: number;
}

export type StreetLines = FeatureCollection<LineString, { street: string; name: string; m: number }>;

export const ask = <T>(path: string, signal?: AbortSignal): Promise<T> => fromServer<T>(`/api/explore/${path}`, { signal });
