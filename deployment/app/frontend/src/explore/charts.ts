// Two charts: counts over time, and the hours of the week, over which one can drag to choose.
import * as Plot from "@observablehq/plot";
import { shade } from "../palette";
import { DAYS, element, svgElement, thousands } from "../text";
import { isDark } from "../theme";
import type { Counts } from "./answers";

const COMMON = { className: "plot", style: { background: "none", color: "inherit", fontSize: "12.5px", overflow: "visible" } };

const part = (name: string) => document.querySelector<HTMLElement>(`[data-chart="${name}"]`)!;

export function numbers(name: string, caption: string, columns: string[], rows: (string | Node)[][]): void {
  const place = document.querySelector<HTMLElement>(`[data-numbers="${name}"]`)!;
  const body = rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", {}, cell))),
  );
  const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)));
  place.replaceChildren(element("table", { class: "numbers" }, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body)));
}

export function drawTimes({ times, total }: Counts): void {
  const frame = part("times");
  const rows = times.starts.map((start, i) => ({ start: new Date(`${start}T00:00:00Z`), n: times.counts[i]!, whole: times.complete[i]! }));
  const unit = { day: "day", week: "week", month: "month" }[times.step];
  const told = times.complete.every(Boolean) ? `Incidents per ${unit}` : `Incidents per ${unit}; rings are not whole ${unit}s`;
  document.querySelector('[data-part="times-note"]')!.textContent = told;
  if (rows.length === 0) {
    frame.replaceChildren(element("p", { class: "hint" }, "No time to count in."));
  } else {
    const whole = rows.filter((row) => row.whole);
    const made = Plot.plot({
      ...COMMON,
      width: Math.max(240, frame.clientWidth),
      height: 210,
      marginLeft: 44,
      x: { type: "utc", label: null },
      y: { grid: true, label: null, zero: true, ticks: 4 },
      marks: [
        Plot.ruleY([0], { stroke: "var(--muted)" }),
        Plot.lineY(whole, { x: "start", y: "n", stroke: "var(--accent)", strokeWidth: 1.8 }),
        whole.length < 100 ? Plot.dot(whole, { x: "start", y: "n", fill: "var(--accent)", r: 2.2 }) : null,
        Plot.dot(rows.filter((row) => !row.whole), { x: "start", y: "n", stroke: "var(--accent)", fill: "var(--page)", r: 4 }),
      ],
    }) as SVGSVGElement;
    named(made, `${told}: ${thousands(total)} incidents in ${rows.length} ${unit}s, from ${thousands(Math.min(...times.counts))} to ${thousands(Math.max(...times.counts))}.`);
    frame.replaceChildren(made);
  }
  const order = rows.map((_, i) => i).reverse();
  numbers("times", told, ["From", "Incidents", ""], order.map((i) => [times.starts[i]!, thousands(times.counts[i]!), times.complete[i] ? "" : `not a whole ${unit}`]));
}

/** Draw the hours of the week; `choose` is told the hours that were dragged over. */
export function drawRhythm(counts: Counts, chosen: number[], choose: (hours: number[]) => void): void {
  const { rhythm } = counts;
  const frame = part("rhythm");
  if (!rhythm) return;
  const most = Math.max(1, ...rhythm.counts);
  const colour = shade(isDark());
  const width = Math.max(260, frame.clientWidth);
  const left = 38;
  const [across, down] = [(width - left) / 24, 22];
  const picked = new Set(chosen);
  const drawing = svgElement("svg", { viewBox: `0 0 ${width} ${7 * down + 18}`, width: String(width), height: String(7 * down + 18), class: "rhythm" });
  DAYS.forEach((day, row) => {
    const label = svgElement("text", { x: "0", y: String(row * down + 15) });
    label.textContent = day.slice(0, 3);
    drawing.append(label);
    for (let hour = 0; hour < 24; hour += 1) {
      const n = rhythm.counts[row * 24 + hour]!;
      const dim = picked.size > 0 && !picked.has(row * 24 + hour);
      const cell = svgElement("rect", {
        x: String(left + hour * across), y: String(row * down), width: String(across - 1), height: String(down - 1),
        fill: n ? colour(Math.sqrt(n / most)) : "var(--sunken)", "data-hour": String(row * 24 + hour), ...(dim ? { class: "dim" } : {}),
      });
      const title = svgElement("title");
      title.textContent = `${day} ${hour}:00, ${thousands(n)}`;
      cell.append(title);
      drawing.append(cell);
    }
  });
  for (const hour of [0, 6, 12, 18]) {
    const label = svgElement("text", { x: String(left + hour * across), y: String(7 * down + 13) });
    label.textContent = `${hour}:00`;
    drawing.append(label);
  }
  const peak = rhythm.counts.indexOf(Math.max(...rhythm.counts));
  const label = `Incidents by weekday and hour, most on ${DAYS[Math.floor(peak / 24)]} at ${peak % 24}:00 (${thousands(most)}); hour not known: ${thousands(rhythm.unknown)}.`;
  named(drawing as SVGSVGElement, label);
  frame.replaceChildren(drawing);
  brush(drawing as SVGSVGElement, choose);
  const rows = DAYS.map((day, row) => [day, ...Array.from({ length: 24 }, (_, hour) => thousands(rhythm.counts[row * 24 + hour]!))]);
  numbers("rhythm", label, ["", ...Array.from({ length: 24 }, (_, hour) => String(hour))], rows);
  const told = chosen.length ? `${chosen.length} of 168 hours chosen.` : "Drag over the chart to choose hours.";
  document.querySelector('[data-part="rhythm-note"]')!.textContent = `${told} Hour not known: ${thousands(rhythm.unknown)}.`;
}

function brush(drawing: SVGSVGElement, choose: (hours: number[]) => void): void {
  let from: number | null = null;
  const hourAt = (event: PointerEvent) => {
    const hit = document.elementFromPoint(event.clientX, event.clientY)?.getAttribute("data-hour");
    return hit === null || hit === undefined ? null : Number(hit);
  };
  const block = (a: number, b: number) => {
    const [days, hours] = [[Math.floor(a / 24), Math.floor(b / 24)].sort((x, y) => x - y), [a % 24, b % 24].sort((x, y) => x - y)];
    const found: number[] = [];
    for (let day = days[0]!; day <= days[1]!; day += 1) for (let hour = hours[0]!; hour <= hours[1]!; hour += 1) found.push(day * 24 + hour);
    return found;
  };
  const show = (hours: Set<number>) => {
    for (const cell of drawing.querySelectorAll("[data-hour]")) cell.classList.toggle("dim", !hours.has(Number(cell.getAttribute("data-hour"))));
  };
  drawing.addEventListener("pointerdown", (event) => {
    from = hourAt(event);
    if (from !== null) show(new Set(block(from, from)));
  });
  drawing.addEventListener("pointermove", (event) => {
    const to = hourAt(event);
    if (from !== null && to !== null) show(new Set(block(from, to)));
  });
  drawing.addEventListener("pointerup", (event) => {
    const to = hourAt(event) ?? from;
    if (from !== null && to !== null) choose(block(from, to));
    from = null;
  });
}

/** One image with one name: labels on parts of it would be read out without their meaning. */
function named(drawing: SVGSVGElement, label: string): void {
  for (const inner of drawing.querySelectorAll("[aria-label], [aria-description]")) {
    inner.removeAttribute("aria-label");
    inner.removeAttribute("aria-description");
  }
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
}
