// Charts with Observable Plot, each with a table of the same numbers beside it.
import * as Plot from "@observablehq/plot";
import * as api from "./api";
import { shade } from "./palette";
import { isDark } from "./theme";
import { DAYS, element, thousands } from "./text";
import type { Rhythm, Scoreboard, Trend } from "./types";

const INK = "var(--ink)";
const MUTED = "var(--muted)";
const ACCENT = "var(--accent)";
const COMMON = { className: "plot", style: { background: "none", color: "inherit", fontSize: "12.5px", overflow: "visible" } };

type Drawing = (width: number) => SVGSVGElement | HTMLElement;

let drawn: { frame: HTMLElement; label: string; draw: Drawing; width: number }[] = [];

/** Draw every chart of a category; parts without data keep the message that the server wrote. */
export async function drawCharts(category: string): Promise<void> {
  drawn = [];
  const [trend, rhythm, board] = await Promise.all([
    present("trend") ? api.trend(category) : null,
    present("rhythm") ? api.rhythm(category) : null,
    present("catch") ? api.scoreboard(category) : null,
  ]);
  if (trend) drawTrend(trend);
  if (rhythm) drawRhythm(rhythm);
  if (board) drawScores(board);
}

export function redrawCharts(force = false): void {
  for (const one of drawn) {
    const width = one.frame.clientWidth;
    if (width > 0 && (force || Math.abs(width - one.width) > 4)) render(one);
  }
}

const present = (name: string) => document.querySelector(`[data-chart="${name}"]`) !== null;

function put(name: string, label: string, draw: Drawing): void {
  const frame = document.querySelector<HTMLElement>(`[data-chart="${name}"]`);
  if (!frame) return;
  const one = { frame, label, draw, width: 0 };
  drawn.push(one);
  render(one);
}

function render(one: (typeof drawn)[number]): void {
  one.width = one.frame.clientWidth;
  const made = one.draw(one.width);
  const drawing = made instanceof SVGSVGElement ? made : made.querySelector("svg")!;
  // One image with one name: labels on parts of it would be read out without their meaning.
  for (const part of drawing.querySelectorAll("[aria-label], [aria-description]")) {
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", one.label);
  one.frame.replaceChildren(made);
}

function numbers(name: string, columns: string[], rows: string[][]): void {
  const place = document.querySelector<HTMLElement>(`[data-numbers="${name}"]`);
  place?.replaceChildren(
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)))),
      element(
        "tbody",
        {},
        ...rows.map(([first, ...rest]) =>
          element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", {}, text))),
        ),
      ),
    ),
  );
}

function drawTrend({ periods, step }: Trend): void {
  const points = periods.map((one) => ({ ...one, date: new Date(`${one.start}T12:00:00Z`) }));
  const from = step === "week" ? "Week of" : "Month from";
  const whole = points.filter((one) => one.complete);
  const partial = points.filter((one) => !one.complete);
  const smooth = whole.map((one, i) => {
    const [before, after] = step === "week" ? [3, 4] : [1, 2];
    const around = whole.slice(Math.max(0, i - before), i + after);
    return { date: one.date, incidents: around.reduce((sum, near) => sum + near.incidents, 0) / around.length };
  });
  const last = whole.at(-1);
  const label = `Incidents per ${step}, ${whole[0]?.start ?? ""} to ${last?.start ?? ""}; latest whole ${step} ${last ? thousands(last.incidents) : "none"}.`;
  put("trend", label, (width) =>
    Plot.plot({
      ...COMMON,
      width,
      height: 250,
      marginLeft: 44,
      marginTop: 16,
      marginRight: 18,
      x: { type: "utc", label: null },
      y: { label: null, grid: true, zero: true, nice: true, ticks: 5 },
      marks: [
        Plot.areaY(whole, { x: "date", y: "incidents", fill: ACCENT, fillOpacity: 0.1 }),
        Plot.lineY(whole, { x: "date", y: "incidents", stroke: ACCENT, strokeWidth: 1, strokeOpacity: 0.55 }),
        Plot.lineY(smooth, { x: "date", y: "incidents", stroke: ACCENT, strokeWidth: 2.5 }),
        Plot.ruleY([0], { stroke: MUTED }),
        Plot.dot(partial, { x: "date", y: "incidents", r: 4.5, fill: "var(--surface)", stroke: "var(--hot)", strokeWidth: 2 }),
        Plot.tip(
          points,
          Plot.pointerX({
            x: "date",
            y: "incidents",
            fill: "var(--surface)",
            stroke: "var(--line)",
            title: (one: (typeof points)[number]) =>
              `${from} ${one.start}\n${thousands(one.incidents)} incidents${one.complete ? "" : `\nnot a whole ${step}`}`,
          }),
        ),
      ],
    }),
  );
  numbers(
    "trend",
    [from, "Incidents", "Remark"],
    [...points].reverse().map((one) => [one.start, thousands(one.incidents), one.complete ? "" : `not a whole ${step}`]),
  );
}

function drawRhythm(rhythm: Rhythm): void {
  const { cells } = rhythm;
  const peak = cells.reduce((best, one) => (one.incidents > best.incidents ? one : best), cells[0]!);
  const label = `Incidents by weekday and hour; most on ${peak.weekday}s from ${peak.hour}:00, ${peak.per_week.toFixed(1)} a week.`;
  put("rhythm", label, (width) =>
    Plot.plot({
      ...COMMON,
      width,
      height: 250,
      marginLeft: 38,
      marginTop: 4,
      marginRight: 2,
      marginBottom: 30,
      padding: 0.06,
      x: { domain: [...Array(24).keys()], ticks: [0, 6, 12, 18, 23], tickFormat: (hour: number) => `${hour}:00`, tickSize: 0, label: null },
      y: { domain: DAYS, tickFormat: (day: string) => day.slice(0, 3), tickSize: 0, label: null },
      color: { interpolate: shade(isDark()), zero: true },
      marks: [
        Plot.cell(cells, { x: "hour", y: "weekday", fill: "per_week", rx: 1.5 }),
        Plot.tip(
          cells,
          Plot.pointer({
            x: "hour",
            y: "weekday",
            fill: "var(--surface)",
            stroke: "var(--line)",
            title: (one: (typeof cells)[number]) =>
              `${one.weekday} ${one.hour}:00–${one.hour + 1}:00\n${one.per_week.toFixed(1)} a week (${thousands(one.incidents)} in all)`,
          }),
        ),
      ],
    }),
  );
  drawRamp(cells);
  const of = (day: string, hour: number) => cells.find((one) => one.weekday === day && one.hour === hour)!.incidents;
  numbers(
    "rhythm",
    ["Hour", ...DAYS.map((day) => day.slice(0, 3))],
    [...Array(24).keys()].map((hour) => [`${hour}:00`, ...DAYS.map((day) => thousands(of(day, hour)))]),
  );
}

function drawRamp(cells: Rhythm["cells"]): void {
  const most = Math.max(...cells.map((one) => one.per_week));
  const shades = Array.from({ length: 40 }, (_, i) => ({ i, value: (most * i) / 39 }));
  put("rhythm-scale", `Colour scale from 0 to ${most.toFixed(1)} incidents per week`, () =>
    Plot.plot({
      ...COMMON,
      width: 180,
      height: 30,
      marginTop: 0,
      marginBottom: 18,
      marginLeft: 2,
      marginRight: 14,
      x: { ticks: 4, tickSize: 0, label: null, domain: [0, most] },
      color: { interpolate: shade(isDark()), zero: true },
      marks: [Plot.rect(shades, { x1: "value", x2: (one: { value: number }) => one.value + most / 39, y1: 0, y2: 1, fill: "value", insetRight: -0.6 })],
      y: { axis: null },
    }),
  );
}

function drawScores(board: Scoreboard): void {
  const metric = ["hit_rate", "pei", "hit_rate_saturated"].find((name) => board.metrics.some((one) => one.name === name));
  if (metric) forest("catch", board, metric, null);
  if (board.metrics.some((one) => one.name === "deviance_skill")) forest("skill", board, "deviance_skill", 0);
  drawCalibration(board);
}

function forest(name: string, board: Scoreboard, metric: string, reference: number | null): void {
  const facts = board.metrics.find((one) => one.name === metric)!;
  const rows = board.models
    .map((one) => ({ ...one, score: one.scores[metric] }))
    .filter((one) => one.score && one.score.value !== null)
    .map((one) => ({
      label: one.label,
      colour: one.role === "baseline" ? MUTED : ACCENT,
      symbol: one.role === "baseline" ? "square" : "circle",
      champion: one.champion,
      value: 100 * one.score!.value!,
      lower: 100 * (one.score!.lower ?? one.score!.value!),
      upper: 100 * (one.score!.upper ?? one.score!.value!),
      text: `${one.score!.text} %`,
    }));
  const label = `${facts.label} by model: ${rows.map((one) => `${one.label} ${one.value.toFixed(1)} %`).join(", ")}.`;
  put(name, label, (width) =>
    Plot.plot({
      ...COMMON,
      width,
      height: 34 * rows.length + 46,
      marginLeft: Math.min(132, width * 0.38),
      marginRight: 46,
      marginTop: 6,
      marginBottom: 34,
      x: { grid: true, label: null, tickFormat: (value: number) => `${value} %`, ticks: Math.max(3, width / 110), inset: 8 },
      y: { domain: rows.map((one) => one.label), label: null, tickSize: 0 },
      marks: [
        reference === null ? null : Plot.ruleX([reference], { stroke: INK, strokeDasharray: "3 3" }),
        Plot.ruleY(rows, { y: "label", x1: "lower", x2: "upper", stroke: (one) => one.colour, strokeWidth: 2.5 }),
        Plot.dot(rows, {
          x: "value",
          y: "label",
          symbol: (one: (typeof rows)[number]) => one.symbol,
          r: (one) => (one.champion ? 6.5 : 4.5),
          fill: (one) => one.colour,
          stroke: "var(--surface)",
        }),
        Plot.text(rows, { x: "upper", y: "label", text: "text", textAnchor: "start", dx: 8, fill: INK, fontWeight: 600, stroke: "var(--page)", strokeWidth: 4 }),
      ],
      symbol: { type: "identity" },
      r: { type: "identity" },
    }),
  );
}

function drawCalibration({ calibration }: Scoreboard): void {
  if (!calibration.length) return;
  const label = `Observed over expected in ${calibration.length} groups of cells: ${calibration.map((one) => one.ratio.toFixed(2)).join(", ")}; 1 is ideal.`;
  put("calibration", label, (width) =>
    Plot.plot({
      ...COMMON,
      width,
      height: 230,
      marginLeft: 40,
      marginBottom: 38,
      x: { type: "point", label: "groups of equal expected count, busiest cells first", labelAnchor: "center", tickSize: 0 },
      y: { label: null, grid: true, ticks: 5, nice: true },
      marks: [
        Plot.ruleY([1], { stroke: INK, strokeDasharray: "3 3" }),
        Plot.ruleX(calibration, { x: "group", y1: "lower", y2: "upper", stroke: ACCENT, strokeWidth: 2.5 }),
        Plot.dot(calibration, { x: "group", y: "ratio", r: 4.5, fill: ACCENT, stroke: "var(--surface)" }),
      ],
    }),
  );
  numbers(
    "calibration",
    ["Group", "Expected", "Observed", "Observed / expected", "Interval"],
    calibration.map((one) => [
      String(one.group),
      thousands(one.expected),
      thousands(one.observed),
      one.ratio.toFixed(2),
      `${one.lower.toFixed(2)} to ${one.upper.toFixed(2)}`,
    ]),
  );
}
