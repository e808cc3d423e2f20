// What the server tells of an upload.
import type { MultiPolygon, Polygon } from "geojson";

export interface Mapping {
  [name: string]: string | boolean | null;
}

export interface Preview {
  columns?: string[];
  left_out?: Record<string, string>;
  rows?: { names: string[]; values: (string | null)[][] };
  rows_read?: number;
  whole?: boolean;
  mapping?: Mapping;
  problem: string;
  kept?: number;
  rejected?: Record<string, number>;
  rejected_rows?: Record<string, { row: number; values: Record<string, string | null> }[]>;
  repairs?: Record<string, number>;
  categories?: Record<string, number>;
  first?: string | null;
  last?: string | null;
  time_formats?: string[];
  order?: string;
  ambiguous?: boolean;
  area_km2?: number;
  advice?: string[];
  map?: { bounds: [number, number, number, number]; outline: Polygon | MultiPolygon; points: [number, number][]; every: number };
}

export interface Upload {
  upload_id: string;
  city: string | null;
  command: string | null;
  job: null | {
    job_id: string;
    state: string;
    over: boolean;
    step: number;
    steps: number;
    task: string;
    done: number | null;
    total: number | null;
    sentence: string;
  };
}
