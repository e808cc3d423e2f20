// Explore: one question, kept in the address; map, charts, tables and counts are its answers.
import "maplibre-gl/dist/maplibre-gl.css";
import "../fonts.css";
import "./explore.css";
import { areas as readAreas } from "../api";
import { savedViews } from "../saved";
import { element, thousands } from "../text";
import { watchTheme } from "../theme";
import { ask, type Cells, type Counts, type Facts, type Place, type Rows } from "./answers";
import { drawRhythm, drawTimes, numbers } from "./charts";
import { Clock } from "./clock";
import { Draw } from "./draw";
import { ExploreMap } from "./map";
import { Panel } from "./panel";
import { dateOf, dayOf, filtersOf, type Layer, type Question, readQuestion, writeQuestion } from "./state";
import { copyMap, inWords, writePaper } from "./paper";
import { links, picture } from "./take";

const root = document.querySelector<HTMLElement>("#explore")!;
const part = (name: string) => root.querySelector<HTMLElement>(`[data-part="${name}"]`)!;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

class Explore {
  private question = readQuestion();
  private counts: Counts | null = null;
  private map: ExploreMap | null = null;
  private draw: Draw | null = null;
  private starting: Promise<void> = Promise.resolve();
  private readonly panel: Panel;
  private readonly clock: Clock;
  private running: AbortController | null = null;
  private page = 1;

  constructor(
    private readonly facts: Facts,
    private readonly cells: Cells,
  ) {
    this.panel = new Panel(facts, (some) => void this.change(some), (place) => this.go(place));
    this.clock = new Clock(facts, (some, how) => this.change(some, how));
    part("streets-choice").hidden = !facts.streets;
    if (!facts.streets && this.question.layer === "streets") this.question.layer = "places";
    this.listen();
  }

  async start(): Promise<void> {
    if (!location.search.includes("layer=") && !this.facts.exact) this.question.layer = "grid";
    this.starting = this.startMap();
    await this.refresh();
  }

  private async startMap(): Promise<void> {
    const canvas = root.querySelector<HTMLElement>("#explore-canvas")!;
    try {
      const known = await readAreas();
      if (!known) throw new Error("There is no study area yet.");
      await Promise.allSettled([document.fonts.load('400 16px "Source Sans"')]);
      this.map = await ExploreMap.start(canvas, known, this.cells, this.facts, this.question.view);
      this.draw = new Draw(this.map, (some) => void this.change(some));
      this.draw.show(this.question);
      this.listenToMap(this.map);
    } catch {
      canvas.replaceChildren(element("p", { class: "map-message" }, "The map needs WebGL, which this browser does not offer. The tables below hold the same counts."));
    }
  }

  repaint(): void {
    this.map?.repaint();
    if (this.counts) this.showCharts(this.counts);
  }

  async change(some: Partial<Question>, { entry = true }: { entry?: boolean } = {}): Promise<void> {
    this.question = { ...this.question, ...some };
    writeQuestion(this.question, { entry });
    this.page = 1;
    await this.refresh();
  }

  async restore(): Promise<void> {
    this.question = readQuestion();
    const { view } = this.question;
    if (view) this.map?.map.jumpTo({ center: [view[1], view[0]], zoom: view[2] });
    await this.refresh();
  }

  /** Ask the question; an older one that is still being answered is given up. */
  private async refresh(): Promise<void> {
    this.running?.abort();
    const turn = new AbortController();
    this.running = turn;
    root.dataset.state = "loading";
    root.setAttribute("aria-busy", "true");
    const query = filtersOf(this.question);
    this.clock.show(this.question);
    this.draw?.show(this.question);
    this.showWeekdays();
    try {
      const counts = await ask<Counts>(`counts${query ? `?${query}` : ""}`, turn.signal);
      if (turn.signal.aborted) return;
      this.counts = counts;
      this.show(counts, query);
      await Promise.all([this.showOnMap(query, counts, turn.signal), this.showIncidents(turn.signal)]);
      if (turn.signal.aborted) return;
      part("legend").replaceChildren(...(this.map?.legend() ?? []));
      part("error").hidden = true;
      root.dataset.state = "idle";
    } catch (error) {
      if (turn.signal.aborted) return;
      this.clock.stop();
      part("error").hidden = false;
      part("error").textContent = error instanceof Error ? error.message : String(error);
      root.dataset.state = "failed";
      root.querySelector("#count")!.textContent = "This question cannot be answered.";
    } finally {
      if (!turn.signal.aborted) root.setAttribute("aria-busy", "false");
    }
  }

  /** Charts and tables do not wait for the map to start. */
  private async showOnMap(query: string, counts: Counts, signal: AbortSignal): Promise<void> {
    await this.starting;
    if (!signal.aborted) await this.map?.show(query, counts, this.question, signal);
  }

  private show(counts: Counts, query: string): void {
    const shown = `${thousands(counts.total)} ${counts.total === 1 ? "incident" : "incidents"}`;
    const { from, until } = counts.filters;
    root.querySelector("#count")!.textContent = `${counts.exact ? "" : "About "}${shown}, ${from} to ${dateOf(dayOf(until) - 1)}`;
    part("before").textContent = before(counts);
    part("rule").hidden = !counts.rule;
    part("rule").textContent = counts.rule ?? "";
    this.panel.show(this.question, counts);
    this.showCharts(counts);
    this.showTables(counts);
    part("take").replaceChildren(...links(query, () => this.picture()));
    writePaper(part("paper"), this.question, this.facts, counts);
    for (const input of root.querySelectorAll<HTMLInputElement>('input[name="layer"]')) input.checked = input.value === this.question.layer;
    document.title = `${shown} · Explore · ${this.facts.title}`;
  }

  private showCharts(counts: Counts): void {
    drawTimes(counts);
    drawRhythm(counts, this.question.hours, (hours) => void this.change({ hours }));
  }

  /** Set when the question changes, not when its answer comes: days may have been pressed in between. */
  private showWeekdays(): void {
    for (const button of part("weekdays").querySelectorAll("button")) {
      const day = Number(button.dataset.day);
      button.setAttribute("aria-pressed", String(this.question.hours.some((hour) => Math.floor(hour / 24) === day)));
    }
  }

  private showTables(counts: Counts): void {
    const { areas } = this.facts;
    const chosen = new Set(this.question.area);
    const order = areas.map((one) => ({ ...one, n: counts.areas[one.slug] ?? 0 })).sort((a, b) => b.n - a.n);
    const rows = order.map((one) => [one.name, thousands(one.n), chosen.size === 0 || chosen.has(one.slug) ? "" : "not chosen"]);
    numbers("areas", "Incidents by neighbourhood, all other filters kept", ["Neighbourhood", "Incidents", ""], rows);
    const features = this.cells.features;
    const cells = counts.cells.index.map((id, i) => ({ cell: features[id], n: counts.cells.counts[i]! })).sort((a, b) => b.n - a.n).slice(0, 200);
    const told = cells.map(({ cell, n }) => [cell?.properties.cell ?? "outside the grid", cell?.properties.name ?? "", thousands(n)]);
    numbers("cells", `Cells with the most incidents, ${thousands(cells.length)} of ${thousands(counts.cells.index.length)}`, ["Cell", "Neighbourhood", "Incidents"], told);
  }

  private async showIncidents(signal?: AbortSignal): Promise<void> {
    const details = part("incidents") as HTMLDetailsElement;
    if (!details.open) return;
    const query = filtersOf(this.question);
    const found = await ask<Rows>(`incidents?size=50&page=${this.page}${query ? `&${query}` : ""}`, signal);
    const pages = Math.max(1, Math.ceil(found.total / found.size));
    const unit = this.facts.exact ? "incidents" : "cells and weeks";
    numbers("incidents", `${thousands(found.total)} ${unit}, the last first`, found.columns.map((name) => name.replaceAll("_", " ")), found.rows.map((row) => row.map((cell) => String(cell).replace("T", " "))));
    part("page").textContent = `Page ${thousands(found.page)} of ${thousands(pages)}`;
    for (const button of details.querySelectorAll<HTMLButtonElement>("[data-page]")) {
      const next = this.page + Number(button.dataset.page);
      button.disabled = next < 1 || next > pages;
    }
  }

  private go(place: Place): void {
    this.map?.go(place.box);
    part("detail").replaceChildren(
      element("h3", {}, place.name),
      element("p", { class: "remark" }, place.kind),
      this.button(place.area ? "Only this neighbourhood" : "Around it", () =>
        void this.change(place.area ? { area: [place.area] } : { near: [...place.at, Number(root.querySelector<HTMLInputElement>('[name="metres"]')!.value)], polygon: [] }),
      ),
    );
  }

  private button(text: string, heard: () => void): HTMLButtonElement {
    const made = element("button", { type: "button", class: "quiet" }, text);
    made.addEventListener("click", heard);
    return made;
  }

  private picture(): void {
    const canvas = this.map?.map.getCanvas();
    if (!canvas || !this.counts) return;
    picture(canvas, this.facts, this.counts, inWords(this.question, this.facts, this.counts).map(([term, words]) => `${term}: ${words}`).join(" · "));
  }

  /** Paper has its own colours and width: the map is drawn again before it is copied. */
  private print(): void {
    if (!this.counts || !this.map) return;
    writePaper(part("paper"), this.question, this.facts, this.counts);
    this.map.map.redraw();
    copyMap(this.map.map.getCanvas(), root.querySelector<HTMLCanvasElement>("#paper-map")!);
  }

  private listen(): void {
    for (const input of root.querySelectorAll<HTMLInputElement>('input[name="layer"]')) {
      input.addEventListener("change", () => void this.change({ layer: input.value as Layer }));
    }
    part("reset").addEventListener("click", () => void this.change({ offence: [], area: [], polygon: [], near: null, hours: [], discovery: "", from: "", until: "" }));
    const details = part("incidents") as HTMLDetailsElement;
    details.addEventListener("toggle", () => void this.showIncidents().catch(() => undefined));
    for (const button of details.querySelectorAll<HTMLButtonElement>("[data-page]")) {
      button.addEventListener("click", () => {
        this.page += Number(button.dataset.page);
        void this.showIncidents().catch(() => undefined);
      });
    }
    this.listenToHours();
    addEventListener("beforeprint", () => this.print());
    addEventListener("popstate", () => void this.restore());
    let width = innerWidth;
    addEventListener("resize", () => {
      if (Math.abs(innerWidth - width) > 4 && this.counts) this.showCharts(this.counts);
      width = innerWidth;
    });
  }

  private listenToHours(): void {
    const days = DAYS.map((name, day) => {
      const made = element("button", { type: "button", "data-day": String(day), "aria-pressed": "false" }, name);
      made.addEventListener("click", () => made.setAttribute("aria-pressed", String(made.getAttribute("aria-pressed") !== "true")));
      return made;
    });
    part("weekdays").replaceChildren(...days);
    const value = (name: string) => Number(root.querySelector<HTMLInputElement>(`[name="${name}"]`)!.value);
    part("hours-apply").addEventListener("click", () => {
      const picked = days.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => Number(one.dataset.day));
      const [low, high] = [value("hour-from"), value("hour-to")];
      const wanted = picked.length ? picked : [0, 1, 2, 3, 4, 5, 6];
      // An interval over midnight, such as 22 to 6, belongs to the evening's day and the next morning.
      const length = high > low ? high - low : high - low + 24;
      const hours = wanted.flatMap((day) => Array.from({ length }, (_, i) => (day * 24 + low + i) % 168));
      void this.change({ hours: [...new Set(hours)].sort((a, b) => a - b) });
    });
    part("hours-clear").addEventListener("click", () => void this.change({ hours: [] }));
  }

  private listenToMap(explore: ExploreMap): void {
    const { map } = explore;
    const detail = (point: { x: number; y: number }) => {
      const found = explore.pick(point);
      const lines = found?.lines.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]) ?? [];
      part("detail").replaceChildren(...(found ? [element("h3", {}, found.title), element("dl", {}, ...lines)] : []));
    };
    explore.onClick((event) => {
      if (this.draw?.mode) this.draw.add([event.lngLat.lng, event.lngLat.lat]);
      else detail(event.point);
    });
    map.on("moveend", (event) => {
      if (!(event as { originalEvent?: unknown }).originalEvent) return;
      const { lng, lat } = map.getCenter();
      this.question = { ...this.question, view: [lat, lng, map.getZoom()] };
      writeQuestion(this.question, { entry: false });
    });
    const keys = map.getCanvas();
    keys.setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom, Enter reads the place in the middle.");
    keys.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !this.draw?.mode) detail(map.project(map.getCenter()));
    });
    root.querySelector("#whole-city")!.addEventListener("click", () => {
      this.question = { ...this.question, view: null };
      writeQuestion(this.question, { entry: false });
      explore.whole();
    });
  }
}

const signed = (percent: number) => (percent > 0 ? `+${percent}` : percent < 0 ? `−${-percent}` : "±0");

function before(counts: Counts): string {
  if (!counts.before) return "";
  const change = counts.total - counts.before.total;
  const share = counts.before.total ? ` (${signed(Math.round((100 * change) / counts.before.total))} %)` : "";
  return `${thousands(counts.before.total)} in the ${dayOf(counts.before.until) - dayOf(counts.before.from)} days before${share}`;
}

async function start(): Promise<void> {
  let explore: Explore | null = null;
  watchTheme(() => explore?.repaint());
  try {
    // The areas are for the map, which asks for them again and finds them there.
    const [facts, cells] = await Promise.all([ask<Facts>("facts"), ask<Cells>("cells"), readAreas().catch(() => null)]);
    explore = new Explore(facts, cells);
    if (facts.exact) void savedViews(root.querySelector("[data-saved]"));
    await explore.start();
  } catch (error) {
    part("error").hidden = false;
    part("error").textContent = error instanceof Error ? error.message : String(error);
    root.querySelector("#count")!.textContent = "Nothing to explore yet.";
    root.dataset.state = "failed";
    root.setAttribute("aria-busy", "false");
  }
  document.documentElement.dataset.ready = "yes";
}

void start();
