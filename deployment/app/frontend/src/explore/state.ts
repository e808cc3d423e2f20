// The question, as it stands in the address: filters, layer and view.
export type Layer = "places" | "grid" | "areas" | "streets" | "none";

export interface Question {
  offence: string[];
  from: string;
  until: string;
  area: string[];
  polygon: [number, number][];
  near: [number, number, number] | null;
  hours: number[];
  discovery: string;
  layer: Layer;
  view: [number, number, number] | null;
}

const LAYERS: readonly Layer[] = ["places", "grid", "areas", "streets", "none"];
const DAY = 86_400_000;

export const dayOf = (text: string) => Math.round(Date.parse(`${text}T00:00:00Z`) / DAY);
export const dateOf = (day: number) => new Date(day * DAY).toISOString().slice(0, 10);
const isDate = (text: string | null): text is string => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && Number.isFinite(Date.parse(text!));

export function readQuestion(search = location.search): Question {
  const query = new URLSearchParams(search);
  const list = (name: string) => (query.get(name) ?? "").split(",").filter(Boolean);
  const numbers = (text: string) => text.split(",").map(Number);
  const corners = (query.get("polygon") ?? "").split(";").filter(Boolean).map(numbers);
  const near = numbers(query.get("near") ?? "");
  const view = numbers(query.get("view") ?? "");
  const [from, until] = [query.get("from"), query.get("until")];
  return {
    offence: list("offence"),
    from: isDate(from) ? from : "",
    until: isDate(until) ? until : "",
    area: list("area"),
    polygon: corners.length > 2 && corners.every((one) => one.length === 2 && one.every(Number.isFinite)) ? (corners as [number, number][]) : [],
    near: near.length === 3 && near.every(Number.isFinite) ? (near as [number, number, number]) : null,
    hours: readHours(query.get("hours") ?? ""),
    discovery: ["reported", "police-initiated"].find((one) => one === query.get("discovery")) ?? "",
    layer: LAYERS.find((one) => one === query.get("layer")) ?? "places",
    view: view.length === 3 && view.every(Number.isFinite) ? (view as [number, number, number]) : null,
  };
}

/** The filters alone, as the server takes them; the same question always gives the same text. */
export function filtersOf(one: Question): string {
  const parts: [string, string][] = [
    ["offence", one.offence.join(",")],
    ["from", one.from],
    ["until", one.until],
    ["area", one.area.join(",")],
    ["polygon", one.polygon.map(([x, y]) => `${x.toFixed(6)},${y.toFixed(6)}`).join(";")],
    ["near", one.near ? one.near.map((value, i) => (i < 2 ? value.toFixed(6) : String(value))).join(",") : ""],
    ["hours", hoursText(one.hours)],
    ["discovery", one.discovery],
  ];
  return parts.filter(([, value]) => value).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3B", ";")}`).join("&");
}

export function writeQuestion(one: Question, { entry }: { entry: boolean }): void {
  const parts = [filtersOf(one), one.layer === "places" ? "" : `layer=${one.layer}`];
  if (one.view) parts.push(`view=${one.view[0].toFixed(5)},${one.view[1].toFixed(5)},${one.view[2].toFixed(2)}`);
  const text = parts.filter(Boolean).join("&");
  const address = `${location.pathname}${text ? `?${text}` : ""}${location.hash}`;
  if (entry) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

export function readHours(text: string): number[] {
  const chosen = new Set<number>();
  for (const part of text.split(",").filter(Boolean)) {
    const [low, high] = part.split("-").map(Number);
    for (let hour = low ?? NaN; hour <= (high ?? low ?? NaN) && hour < 168; hour += 1) chosen.add(hour);
  }
  return [...chosen].filter((hour) => Number.isInteger(hour) && hour >= 0).sort((a, b) => a - b);
}

export function hoursText(hours: number[]): string {
  const runs: [number, number][] = [];
  for (const hour of hours) {
    const last = runs.at(-1);
    if (last && last[1] === hour - 1) last[1] = hour;
    else runs.push([hour, hour]);
  }
  return runs.map(([low, high]) => (low === high ? String(low) : `${low}-${high}`)).join(",");
}

/** Corners from text: `lon,lat; lon,lat`, a GeoJSON polygon, or WKT. */
export function readCorners(text: string): [number, number][] {
  const numbers = text.trim().startsWith("{") ? ring(text) : (text.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
  const corners: [number, number][] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) corners.push([numbers[i]!, numbers[i + 1]!]);
  const [first, last] = [corners[0], corners.at(-1)];
  if (corners.length > 3 && first && last && first[0] === last[0] && first[1] === last[1]) corners.pop();
  return corners;
}

/** Whether two sides of a shape cross; the server would refuse it. */
export function crosses(corners: [number, number][]): boolean {
  const turn = (a: [number, number], b: [number, number], c: [number, number]) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  const many = corners.length;
  for (let i = 0; i < many; i += 1) {
    for (let j = i + 2; j < many; j += 1) {
      if (i === 0 && j === many - 1) continue;
      const [a, b, c, d] = [corners[i]!, corners[i + 1]!, corners[j]!, corners[(j + 1) % many]!];
      if (turn(a, b, c) !== turn(a, b, d) && turn(c, d, a) !== turn(c, d, b)) return true;
    }
  }
  return false;
}

function ring(text: string): number[] {
  try {
    let found: unknown = JSON.parse(text);
    while (typeof found === "object" && found !== null && !("coordinates" in found)) {
      const inner = found as { geometry?: unknown; features?: unknown[] };
      found = inner.geometry ?? inner.features?.[0] ?? null;
    }
    let part = (found as { coordinates?: unknown } | null)?.coordinates as unknown[];
    while (Array.isArray(part?.[0]) && Array.isArray((part[0] as unknown[])[0])) part = part[0] as unknown[];
    return (part as number[][]).flatMap((point) => point.slice(0, 2)).map(Number);
  } catch {
    return [];
  }
}
