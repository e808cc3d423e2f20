// What is on the screen, on paper: the question in words, when it was asked and of which record, and the map as a picture.
import { DAYS, element, thousands } from "../text";
import type { Counts, Facts } from "./answers";
import { dateOf, dayOf, type Question } from "./state";

const LAYERS = { places: "incidents by place", grid: "incidents per cell", areas: "incidents per neighbourhood", streets: "incidents per stretch of street", none: "no incidents" };

/** The question as pairs of a term and words; what leaves everything in is not told. */
export function inWords(question: Question, facts: Facts, counts: Counts): [string, string][] {
  const offences = new Map(facts.categories.flatMap((one) => [[one.slug, one.name] as const, ...one.offences.map((other) => [other.slug, `${other.name} (${one.name})`] as const)]));
  const areas = new Map(facts.areas.map((one) => [one.slug, one.name]));
  const { from, until } = counts.filters;
  const near = question.near;
  const told: [string, string][] = [
    ["Period", `${from} to ${dateOf(dayOf(until) - 1)}, ${thousands(dayOf(until) - dayOf(from))} days`],
    ["Offences", question.offence.map((slug) => offences.get(slug) ?? slug).join(", ")],
    ["Neighbourhoods", question.area.map((slug) => areas.get(slug) ?? slug).join(", ")],
    ["Inside", question.polygon.length ? `a shape of ${question.polygon.length} corners: ${question.polygon.map(([x, y]) => `${x.toFixed(4)} ${y.toFixed(4)}`).join(", ")}` : ""],
    ["Around", near ? `${thousands(near[2])} m of longitude ${near[0].toFixed(5)}, latitude ${near[1].toFixed(5)}` : ""],
    ["Hours", hoursInWords(question.hours)],
    ["Discovery", question.discovery === "reported" ? "reported by citizens" : question.discovery ? "found by police activity" : ""],
  ];
  return told.filter(([, words]) => words);
}

/** Fill the head of the printed page. */
export function writePaper(place: HTMLElement, question: Question, facts: Facts, counts: Counts): void {
  const made = new Date().toISOString().slice(0, 16).replace("T", " ");
  const rows = [...inWords(question, facts, counts), ["Map", LAYERS[question.layer]], ["Record", `${facts.record}; printed ${made} UTC`], ["Address", location.href]] as [string, string][];
  place.replaceChildren(
    element("h2", {}, facts.title),
    element("dl", { class: "facts" }, ...rows.flatMap(([term, words]) => [element("dt", {}, term), element("dd", {}, words)])),
  );
}

/** Copy the map as it is now: paper cannot show a canvas that is drawn by the graphics card. */
export function copyMap(map: HTMLCanvasElement, copy: HTMLCanvasElement): void {
  [copy.width, copy.height] = [map.width, map.height];
  copy.getContext("2d")!.drawImage(map, 0, 0);
}

function hoursInWords(hours: number[]): string {
  const days = DAYS.map((name, day) => {
    const runs: [number, number][] = [];
    for (const hour of hours.filter((one) => Math.floor(one / 24) === day).map((one) => one % 24)) {
      const last = runs.at(-1);
      if (last && last[1] === hour) last[1] = hour + 1;
      else runs.push([hour, hour + 1]);
    }
    return [name.slice(0, 3), runs.map(([low, high]) => `${low}-${high}`).join(" and ")] as const;
  }).filter(([, runs]) => runs);
  const same = new Map<string, string[]>();
  for (const [name, runs] of days) same.set(runs, [...(same.get(runs) ?? []), name]);
  return [...same].map(([runs, names]) => `${names.length === 7 ? "every day" : names.join(", ")} ${runs}`).join("; ");
}
