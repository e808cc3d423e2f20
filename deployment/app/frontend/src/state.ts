// What is looked at, kept in the address so that it can be shared and restored.
import type { OverlayName, SurfaceName } from "./types";

export interface View {
  longitude: number;
  latitude: number;
  zoom: number;
}

export interface State {
  category: string | null;
  surface: SurfaceName | null;
  overlays: OverlayName[] | null;
  at: string | null;
  view: View | null;
}

const SURFACES: readonly SurfaceName[] = ["forecast", "gi_star", "density", "none"];
const OVERLAYS: readonly OverlayName[] = ["clusters", "plan"];

export function readState(address: Location = location): State {
  const query = new URLSearchParams(address.search);
  const shown = query.get("show");
  return {
    category: query.get("category"),
    surface: SURFACES.find((name) => name === query.get("surface")) ?? null,
    overlays: shown === null ? null : OVERLAYS.filter((name) => shown.split(",").includes(name)),
    at: query.get("at"),
    view: readView(query.get("view")),
  };
}

/** Write the state; a new history entry for a choice, none for panning and selecting. */
export function writeState(state: State, { entry }: { entry: boolean }): void {
  const query = new URLSearchParams();
  if (state.category) query.set("category", state.category);
  if (state.surface) query.set("surface", state.surface);
  if (state.overlays) query.set("show", state.overlays.join(","));
  if (state.at) query.set("at", state.at);
  if (state.view) {
    const { longitude, latitude, zoom } = state.view;
    query.set("view", `${latitude.toFixed(5)},${longitude.toFixed(5)},${zoom.toFixed(2)}`);
  }
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  const address = `${location.pathname}${text ? `?${text}` : ""}${location.hash}`;
  if (entry) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

function readView(text: string | null): View | null {
  const [latitude, longitude, zoom] = (text ?? "").split(",").map(Number);
  const usable = [latitude, longitude, zoom].every((value) => value !== undefined && Number.isFinite(value));
  if (!usable || Math.abs(latitude!) > 90 || Math.abs(longitude!) > 180) return null;
  return { longitude: longitude!, latitude: latitude!, zoom: Math.min(20, Math.max(1, zoom!)) };
}
