// The page: written by the server, brought to life here. Without scripts its tables and texts still stand.
import "maplibre-gl/dist/maplibre-gl.css";
import "./fonts.css";
import type { Available } from "./api";
import { Atlas } from "./atlas";
import { drawCharts, redrawCharts } from "./charts";
import { savedViews } from "./saved";
import { readState, writeState } from "./state";
import { element } from "./text";
import { watchTheme } from "./theme";

const chooser = document.querySelector<HTMLSelectElement>("#category");
const root = document.querySelector<HTMLElement>("#map");
let atlas: Atlas | null = null;
let current: string | null = chooser?.value ?? null;

async function start(): Promise<void> {
  watchTheme(() => {
    atlas?.repaint();
    redrawCharts(true);
  });
  markSection();
  void savedViews(document.querySelector("[data-saved]"));
  if (!chooser || !current) return;
  chooser.addEventListener("change", () => void change(chooser.value, { entry: true }));
  addEventListener("popstate", () => void back());
  new ResizeObserver(() => redrawCharts()).observe(document.body);
  const charts = drawCharts(current).catch(report);
  if (root) {
    try {
      atlas = await Atlas.start(root);
      await atlas?.open(current, available());
    } catch (error) {
      report(error);
      root.dataset.state = "failed";
      root.querySelector("#map-canvas")?.replaceChildren(
        element("p", { class: "map-message" }, "The map needs WebGL, which this browser does not offer. The table below holds the same facts."),
      );
    }
  }
  await charts;
  document.documentElement.dataset.ready = "yes";
}

/** Show another category: the server writes the page's parts, the map and the charts follow. */
async function change(category: string, { entry }: { entry: boolean }): Promise<void> {
  current = category;
  document.documentElement.dataset.ready = "no";
  if (entry) writeState({ ...readState(), category, at: null }, { entry: true });
  try {
    const answer = await fetch(`${location.pathname}?category=${encodeURIComponent(category)}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (current !== category) return;
    for (const part of document.querySelectorAll<HTMLElement>("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (other) part.replaceWith(document.importNode(other, true));
    }
    document.title = fresh.title;
    const [layers, charts] = [atlas?.open(category, available()), drawCharts(category)];
    await Promise.all([layers, charts]);
  } catch (error) {
    report(error);
    const live = document.querySelector("#live");
    if (live) live.textContent = "This category could not be loaded. Is the server still running?";
    return;
  }
  const live = document.querySelector("#live");
  if (live && chooser) live.textContent = `Now showing ${chooser.selectedOptions[0]?.text ?? category}.`;
  document.documentElement.dataset.ready = "yes";
}

async function back(): Promise<void> {
  const wanted = readState().category ?? chooser?.options[0]?.value ?? null;
  if (wanted && chooser && wanted !== current) {
    chooser.value = wanted;
    await change(wanted, { entry: false });
  }
  atlas?.restore();
}

function available(): Available {
  const facts = chooser?.selectedOptions[0]?.dataset ?? {};
  return {
    patterns: facts.patterns === "yes",
    forecast: facts.forecast === "yes",
    plan: root?.dataset.plan === "yes",
  };
}

/** Underline the part of the page that is being read. */
function markSection(): void {
  const links = new Map([...document.querySelectorAll<HTMLAnchorElement>("nav.parts a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-40% 0px -55% 0px" },
  );
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) watcher.observe(section);
  }
}

function report(error: unknown): void {
  console.warn(error instanceof Error ? error.message : String(error));
}

void start();
