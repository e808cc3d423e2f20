// Answers of our own server, kept for the life of the page; an answer that is not there yet is null.
import type { Areas, Clusters, Density, Forecast, GiStar, Grid, Loaded, Plan, Rhythm, Scoreboard, Trend } from "./types";

const kept = new Map<string, Promise<unknown>>();

async function ask<T>(address: string): Promise<T | null> {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return (await answer.json()) as T;
}

function once<T>(address: string): Promise<T | null> {
  let waiting = kept.get(address) as Promise<T | null> | undefined;
  if (!waiting) {
    waiting = ask<T>(address).catch((error: unknown) => {
      kept.delete(address);
      throw error;
    });
    kept.set(address, waiting);
  }
  return waiting;
}

export const areas = () => once<Areas>("/api/areas");
export const grid = (digest: string) => once<Grid>(`/api/grids/${digest}`);

/** Which parts of a category exist, as its option in the page says; nothing else is asked for. */
export interface Available {
  patterns: boolean;
  forecast: boolean;
  plan: boolean;
}

export async function layersOf(category: string, has: Available): Promise<Loaded> {
  const slug = encodeURIComponent(category);
  const [density, gi_star, clusters, forecast, plan] = await Promise.all([
    has.patterns ? once<Density>(`/api/layers/${slug}/density`) : null,
    has.patterns ? once<GiStar>(`/api/layers/${slug}/gi_star`) : null,
    has.patterns ? once<Clusters>(`/api/layers/${slug}/clusters`) : null,
    has.forecast ? once<Forecast>(`/api/forecast/${slug}`) : null,
    has.plan ? once<Plan>("/api/plan") : null,
  ]);
  return { density, gi_star, clusters, forecast, plan };
}

const chart = <T>(path: string, category: string) => once<T>(`/api/${path}?category=${encodeURIComponent(category)}`);
export const trend = (category: string) => chart<Trend>("charts/trend", category);
export const rhythm = (category: string) => chart<Rhythm>("charts/rhythm", category);
export const scoreboard = (category: string) => chart<Scoreboard>("scoreboard", category);

/** Why a cell expects what it expects; no cells where no stored model can tell. */
export interface Explained {
  model: string | null;
  champion: boolean;
  cells: { cell_id: string; sentence: string; contributions: Record<string, number>; expected: number }[];
}

export const explained = (category: string, cell: string) =>
  once<Explained>(`/api/explain/${encodeURIComponent(category)}?cell=${encodeURIComponent(cell)}`);
