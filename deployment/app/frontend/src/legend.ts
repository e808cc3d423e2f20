// The legend: swatches with units, and what the colours mean.
import type { Palette } from "./palette";
import { element, svgElement, tick } from "./text";
import type { Loaded, OverlayName, SurfaceName } from "./types";

export function legend(results: Loaded, surface: SurfaceName, overlays: readonly OverlayName[], colours: Palette): Node[] {
  const parts: Node[] = [];
  if (surface === "forecast" && results.forecast) {
    const { breaks, interval } = results.forecast;
    parts.push(scale("Expected incidents per cell", breaks, colours.ramp(breaks.length), "fewer: not coloured"));
    if (interval) parts.push(note("Every cell has an interval and a chance of none: select one."));
  }
  if (surface === "density" && results.density) {
    const { breaks, unit, mean } = results.density;
    const text = unit.replace("km2", "km²");
    parts.push(scale(`${text[0]!.toUpperCase()}${text.slice(1)}`, breaks, colours.ramp(breaks.length), `city mean ${tick(mean)}`));
  }
  if (surface === "gi_star" && results.gi_star) {
    const { breaks } = results.gi_star;
    const fdr = Number(results.gi_star.facts.parameters?.fdr ?? 0.05);
    parts.push(
      scale("Gi* z-score of significant cells", breaks, colours.hot, `false discovery rate ${tick(fdr * 100)} %`, true),
    );
  }
  const keys = [
    overlays.includes("clusters") && results.clusters ? key("Cluster outline", colours.cluster, "outline") : null,
    overlays.includes("plan") && results.plan ? key("Planned place with its rank; 1+2: two more beside it", colours.plan, "rank", colours.planText) : null,
  ].filter((one) => one !== null);
  if (keys.length) parts.push(element("ul", { class: "keys" }, ...keys));
  return parts;
}

/** A bar of classes with their lower limits; `open` begins with a class that has none. */
export function scale(title: string, breaks: number[], colours: string[], remark: string, open = false): HTMLElement {
  const count = open ? breaks.length + 1 : breaks.length;
  const [width, height] = [240, 30];
  const step = width / Math.max(1, count);
  const drawing = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, class: "scale", "aria-hidden": "true" });
  const marks = open ? ["", ...breaks.map(tick)] : breaks.map(tick);
  const dense = marks.length > 7;
  for (let i = 0; i < count; i += 1) {
    drawing.append(
      svgElement("rect", { x: String(i * step), y: "0", width: String(step + 0.3), height: "12", fill: colours[i] ?? "none" }),
    );
    if (marks[i] && !(dense && i % 2)) {
      const label = svgElement("text", { x: String(i * step), y: "26" });
      label.textContent = marks[i]!;
      drawing.append(label);
    }
  }
  const spoken = open ? `classes from ${breaks.map(tick).join(", ")}` : `classes from ${breaks.map(tick).join(", ")} upwards`;
  return element(
    "figure",
    { class: "legend-scale" },
    element("figcaption", {}, title, element("span", { class: "remark" }, remark)),
    drawing,
    element("span", { class: "visually-hidden" }, spoken),
  );
}

const note = (text: string) => element("p", { class: "remark" }, text);

function key(text: string, colour: string, kind: "outline" | "rank", ink = ""): HTMLElement {
  const drawing = svgElement("svg", { viewBox: "0 0 22 22", class: "key", "aria-hidden": "true" });
  if (kind === "outline") {
    drawing.append(
      svgElement("path", {
        d: "M4 8 9 3l8 2 2 8-6 6-8-3z",
        fill: colour,
        "fill-opacity": "0.22",
        stroke: colour,
        "stroke-width": "2",
      }),
    );
  } else {
    const number = svgElement("text", { x: "11", y: "15", "text-anchor": "middle", fill: ink });
    number.textContent = "1";
    drawing.append(svgElement("circle", { cx: "11", cy: "11", r: "8.5", fill: colour }), number);
  }
  return element("li", {}, drawing, text);
}
