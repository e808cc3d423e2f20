// The map with its panel: layer switches, legend, details and table, kept in step with the address.
import type { Map as MapLibre, MapMouseEvent } from "maplibre-gl";
import * as api from "./api";
import { boundsOf, makeMap, padding, paintBasemap, styled } from "./basemap";
import { type Detail, find, table } from "./features";
import { legend } from "./legend";
import { CLICKABLE, ResultLayers } from "./map_layers";
import { palette } from "./palette";
import { readState, type State, writeState } from "./state";
import { element, thousands } from "./text";
import { isDark, still } from "./theme";
import type { Areas, LayerName, Loaded, OverlayName, SurfaceName } from "./types";

const NOTHING: Loaded = { density: null, gi_star: null, clusters: null, forecast: null, plan: null };
const STEP = 20;

export class Atlas {
  private results: Loaded = NOTHING;
  private state: State = readState();
  private rows = STEP;
  private loading = 0;

  private constructor(
    private readonly root: HTMLElement,
    private readonly canvas: HTMLElement,
    private readonly map: MapLibre,
    private readonly areas: Areas,
    private readonly layers: ResultLayers,
  ) {
    this.listen();
  }

  /** Start the map; resolves when it can take layers, null where there is nothing to show. */
  static async start(root: HTMLElement): Promise<Atlas | null> {
    const canvas = root.querySelector<HTMLElement>("#map-canvas");
    const [areas] = await Promise.all([api.areas(), fonts()]);
    if (!canvas || !areas) return null;
    const colours = palette(isDark());
    const map = makeMap(canvas, areas, colours, readState().view);
    await styled(map);
    return new Atlas(root, canvas, map, areas, new ResultLayers(map, colours));
  }

  async open(category: string, has: api.Available): Promise<void> {
    this.loading += 1;
    const turn = this.loading;
    this.root.dataset.state = "loading";
    const results = await api.layersOf(category, has);
    if (turn !== this.loading) return;
    this.results = results;
    await this.layers.load(results);
    if (turn !== this.loading) return;
    this.state = { ...readState(), category };
    this.rows = STEP;
    this.update();
    this.root.dataset.category = category;
    this.map.once("idle", () => {
      this.root.dataset.state = "idle";
    });
    this.map.triggerRepaint();
  }

  repaint(): void {
    const colours = palette(isDark());
    paintBasemap(this.map, colours);
    this.layers.repaint(colours, this.results);
    this.update();
  }

  /** Take the address as it is now, after going back or forward. */
  restore(): void {
    this.state = readState();
    const { view } = this.state;
    if (view) this.map.jumpTo({ center: [view.longitude, view.latitude], zoom: view.zoom });
    else this.map.fitBounds(boundsOf(this.areas), { padding: padding(this.canvas), animate: false });
    this.update();
  }

  private get surface(): SurfaceName {
    const wanted = this.state.surface;
    if (wanted === "none" || (wanted && this.results[wanted])) return wanted;
    return (["forecast", "gi_star", "density"] as const).find((name) => this.results[name]) ?? "none";
  }

  private get overlays(): OverlayName[] {
    const wanted = this.state.overlays ?? ["plan"];
    return wanted.filter((name) => this.results[name]);
  }

  private update(): void {
    const { surface, overlays, results } = this;
    this.layers.show(surface, overlays);
    for (const input of this.inputs("surface")) {
      input.checked = input.value === surface;
      input.disabled = input.value !== "none" && !results[input.value as Exclude<SurfaceName, "none">];
    }
    for (const input of this.inputs("overlay")) {
      input.checked = overlays.includes(input.value as OverlayName);
      input.disabled = !results[input.value as OverlayName];
    }
    this.part("legend").replaceChildren(...legend(results, surface, overlays, palette(isDark())));
    const told = surface === "none" ? null : results[surface]?.facts;
    this.part("sentence").textContent = told?.sentence ?? "";
    this.showDetail(this.state.at ? find(results, this.state.at) : null);
    this.showTable();
    this.root.dataset.surface = surface;
    this.root.dataset.overlays = overlays.join(",");
  }

  private showDetail(detail: Detail | null): void {
    this.layers.select(detail?.shape ?? null);
    const place = this.part("detail");
    if (!detail) {
      place.replaceChildren(element("p", { class: "hint" }, place.dataset.hint ?? ""), this.topList());
      return;
    }
    const close = element("button", { type: "button", class: "quiet", "aria-label": "Close the details" }, "Close");
    close.addEventListener("click", () => this.select(null));
    const lines = detail.lines.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]);
    place.replaceChildren(
      element("div", { class: "detail-head" }, element("p", { class: "eyebrow" }, detail.kind), close),
      element("h3", {}, detail.title),
      element("dl", {}, ...lines),
      ...(detail.text ? [element("p", { class: "remark" }, detail.text)] : []),
    );
    const at = this.state.at ?? "";
    if (at.startsWith("forecast:")) void this.explain(place, at);
  }

  /** Add why here and why now to the details of a forecast cell, once the server has told it. */
  private async explain(place: HTMLElement, at: string): Promise<void> {
    const told = await api.explained(this.root.dataset.category ?? this.state.category ?? "", at.slice("forecast:".length));
    const [one] = told?.cells ?? [];
    if (!one || this.state.at !== at || place.querySelector(".why")) return;
    const head = told!.champion ? "Why here, why now" : `Why here, why now (by ${told!.model!.toLowerCase()})`;
    place.append(element("div", { class: "why" }, element("h4", {}, head), element("p", {}, one.sentence)));
  }

  /** The first places of what is shown, for those who want the answer without searching for it. */
  private topList(): HTMLElement {
    const shown = this.shownLayer;
    const made = shown ? table(this.results, shown) : null;
    const items = (made?.rows ?? []).slice(0, 5).map((row) => {
      const button = element("button", { type: "button", class: "link" }, row.name);
      button.addEventListener("click", () => this.select(row.at, { move: true }));
      return element("li", {}, button, element("span", {}, row.cells[shown === "plan" ? 1 : 0] ?? ""));
    });
    return element("ol", { class: "top-list", "aria-label": made?.caption ?? "Places" }, ...items);
  }

  private get shownLayer(): LayerName | undefined {
    return this.surface === "none" ? this.overlays[0] : this.surface;
  }

  private showTable(): void {
    const place = this.part("table");
    const chooser = this.root.querySelector<HTMLSelectElement>("#table-layer")!;
    for (const option of chooser.options) option.disabled = !this.results[option.value as LayerName];
    const wanted = chooser.value as LayerName;
    const shown = this.results[wanted] && chooser.dataset.chosen ? wanted : this.shownLayer;
    if (shown) chooser.value = shown;
    const made = shown ? table(this.results, shown) : null;
    if (!made) {
      place.replaceChildren(element("p", { class: "hint" }, "No layer is shown."));
      return;
    }
    const rows = made.rows.slice(0, this.rows).map((row) => {
      const button = element("button", { type: "button", class: "link", "data-at": row.at }, row.name);
      button.addEventListener("click", () => this.select(row.at, { move: true }));
      const mark: Record<string, string> = row.at === this.state.at ? { class: "selected" } : {};
      return element("tr", mark, element("th", { scope: "row" }, button), ...row.cells.map((text) => element("td", {}, text)));
    });
    const head = made.columns.map((text) => element("th", { scope: "col" }, text));
    const told = `Showing ${thousands(rows.length)} of ${thousands(made.total)}`;
    const more = element("button", { type: "button", class: "quiet" }, `Show ${STEP * 2} more`);
    more.addEventListener("click", () => {
      this.rows += STEP * 2;
      this.showTable();
    });
    place.replaceChildren(
      element(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": made.caption },
        element("table", { class: "numbers" }, element("caption", {}, made.caption), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
      ),
      element("p", { class: "more" }, element("span", { role: "status" }, told), rows.length < made.rows.length ? more : null),
    );
  }

  private select(at: string | null, { move = false } = {}): void {
    this.state = { ...this.state, at };
    writeState(this.state, { entry: false });
    const detail = at ? find(this.results, at) : null;
    this.showDetail(detail);
    for (const row of this.root.querySelectorAll("tr.selected")) row.classList.remove("selected");
    if (at) this.root.querySelector(`[data-at="${CSS.escape(at)}"]`)?.closest("tr")?.classList.add("selected");
    if (!detail || !move) return;
    this.canvas.scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
    const zoom = Math.max(this.map.getZoom(), 12.5);
    this.map.easeTo({ center: detail.centre, zoom, duration: still() ? 0 : 600 });
  }

  private listen(): void {
    const { map, canvas } = this;
    for (const input of [...this.inputs("surface"), ...this.inputs("overlay")]) {
      input.addEventListener("change", () => this.choose());
    }
    const chooser = this.root.querySelector<HTMLSelectElement>("#table-layer")!;
    chooser.addEventListener("change", () => {
      chooser.dataset.chosen = "yes";
      this.rows = STEP;
      this.showTable();
    });
    map.on("click", (event: MapMouseEvent) => this.select(this.hit(event.point)));
    map.on("mousemove", (event: MapMouseEvent) => {
      map.getCanvas().style.cursor = this.hit(event.point) ? "pointer" : "";
    });
    map.on("moveend", (event) => {
      if (!(event as { originalEvent?: unknown }).originalEvent) return;
      const { lng: longitude, lat: latitude } = map.getCenter();
      this.state = { ...this.state, view: { longitude, latitude, zoom: map.getZoom() } };
      writeState(this.state, { entry: false });
    });
    // With the keyboard: arrows move the map under the cross, Enter reads what lies there.
    const keys = map.getCanvas();
    keys.setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom, Enter reads the place in the middle.");
    keys.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.select(this.hit(map.project(map.getCenter())));
      if (event.key === "Escape") this.select(null);
    });
    this.root.querySelector("#whole-city")?.addEventListener("click", () => {
      this.state = { ...this.state, view: null };
      writeState(this.state, { entry: false });
      map.fitBounds(boundsOf(this.areas), { padding: padding(canvas), animate: !still() });
    });
    let seen = { center: map.getCenter(), zoom: map.getZoom() };
    addEventListener("beforeprint", () => {
      seen = { center: map.getCenter(), zoom: map.getZoom() };
      map.resize();
      map.fitBounds(boundsOf(this.areas), { padding: 8, animate: false });
      map.redraw();
    });
    addEventListener("afterprint", () => {
      map.resize();
      map.jumpTo(seen);
    });
  }

  private choose(): void {
    const surface = this.inputs("surface").find((input) => input.checked)?.value as SurfaceName;
    const overlays = this.inputs("overlay").filter((input) => input.checked).map((input) => input.value as OverlayName);
    this.state = { ...this.state, surface, overlays };
    delete this.root.querySelector<HTMLSelectElement>("#table-layer")!.dataset.chosen;
    this.rows = STEP;
    writeState(this.state, { entry: true });
    this.root.dataset.state = "loading";
    this.update();
    this.map.once("idle", () => {
      this.root.dataset.state = "idle";
    });
    this.map.triggerRepaint();
  }

  private hit(point: { x: number; y: number }): string | null {
    const seen = CLICKABLE.filter(([, id]) => this.map.getLayer(id));
    for (const [name, id] of seen) {
      const found = this.map.queryRenderedFeatures([point.x, point.y], { layers: [id] })[0];
      if (!found) continue;
      const facts = found.properties;
      return `${name}:${name === "plan" ? (facts.first ?? facts.rank) : name === "clusters" ? facts.cluster : facts.cell}`;
    }
    return null;
  }

  private inputs(name: string): HTMLInputElement[] {
    return [...this.root.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)];
  }

  private part(name: string): HTMLElement {
    return this.root.querySelector<HTMLElement>(`[data-map="${name}"]`)!;
  }
}

/** Names on the map are drawn from the page's font: it must be there first. */
async function fonts(): Promise<void> {
  await Promise.allSettled([document.fonts.load('400 16px "Source Sans"'), document.fonts.load('400 16px "Source Sans"', "ő")]);
}
