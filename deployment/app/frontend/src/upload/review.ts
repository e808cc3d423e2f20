// One upload: its mapping, what would become of its rows, and the city that is made of it.
import { element, thousands } from "../text";
import { ask } from "../server";
import type { Mapping, Preview, Upload } from "./answers";
import { PreviewMap } from "./map";

const WAIT = 400;
const LOOK = 1200;

export function start(root: HTMLElement, upload: string): { repaint: () => void } {
  const review = new Review(root, upload);
  void review.begin();
  return { repaint: () => review.map.repaint() };
}

class Review {
  readonly map = new PreviewMap(document.querySelector<HTMLElement>("#preview-canvas")!);
  private readonly address: string;
  private readonly form: HTMLFormElement;
  private formats: string[] = [];
  private timer = 0;
  private looking: AbortController | null = null;

  constructor(private readonly root: HTMLElement, upload: string) {
    this.address = `/api/uploads/${upload}`;
    this.form = this.part<HTMLFormElement>("form");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", (event) => this.changed(event.target as HTMLElement));
    this.part("confirm").addEventListener("click", () => void this.confirm());
    this.part("delete").addEventListener("click", () => void this.remove());
    this.part("cancel").addEventListener("click", () => void this.cancel());
  }

  private part<T extends HTMLElement = HTMLElement>(name: string): T {
    return this.root.querySelector<T>(`[data-part="${name}"]`)!;
  }

  async begin(): Promise<void> {
    this.chooseZone();
    if (this.root.dataset.atWork === "yes" || this.root.dataset.made === "yes") void this.follow();
    await this.look(null);
  }

  /** The reader's own zone is the likeliest. */
  private chooseZone(): void {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const zones = this.part<HTMLSelectElement>("zones");
    if ([...zones.options].some((one) => one.value === own)) zones.value = own;
  }

  private changed(field: HTMLElement): void {
    const name = (field as HTMLSelectElement).name;
    if (name === "title") return;
    // One way to say when, and one to say where.
    const apart: Record<string, string[]> = { occurred_from: ["date", "time"], date: ["occurred_from"], longitude: ["x", "y"], x: ["longitude", "latitude"] };
    if ((field as HTMLSelectElement).value) for (const other of apart[name] ?? []) this.field(other).value = "";
    this.marks();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.look(this.mapping()), WAIT);
  }

  /** Say beside the columns that lack which are needed; one of two ways is enough. */
  private marks(): void {
    const instead: Record<string, string> = { occurred_from: "date", longitude: "x", latitude: "y" };
    for (const mark of this.form.querySelectorAll<HTMLElement>("[data-needed]")) {
      const name = mark.dataset.needed ?? "";
      mark.hidden = Boolean(this.field(name).value || this.field(instead[name] ?? name).value);
    }
  }

  private field(name: string): HTMLSelectElement {
    return this.form.elements.namedItem(name) as HTMLSelectElement;
  }

  private mapping(): Mapping {
    const said: Mapping = {};
    for (const [name, value] of new FormData(this.form)) {
      const text = String(value).trim();
      if (name === "title" || name === "order") said[name] = text;
      else if (name === "crs") said[name] = text || "EPSG:4326";
      else if (name !== "swap") said[name] = text || null;
    }
    said.swap = (this.form.elements.namedItem("swap") as HTMLInputElement).checked;
    return said;
  }

  private async look(mapping: Mapping | null): Promise<void> {
    this.looking?.abort();
    const own = new AbortController();
    this.looking = own;
    this.busy(true);
    try {
      const body = mapping ? { mapping } : { timezone: this.field("timezone").value };
      const found = await ask<Preview>(`${this.address}/preview`, { method: "POST", body, signal: own.signal });
      if (mapping === null && found.columns) this.fill(found);
      if (own.signal.aborted) return;
      await this.show(found);
    } catch (error) {
      if (!own.signal.aborted) this.words(String((error as Error).message), true);
    }
    if (this.looking === own) this.busy(false);
  }

  private busy(now: boolean): void {
    this.part("preview").setAttribute("aria-busy", String(now));
    this.root.dataset.state = now ? "looking" : "ready";
    if (now) {
      this.words("Looking at the file …", false);
      this.part<HTMLButtonElement>("confirm").disabled = true;
    }
  }

  private words(text: string, bad: boolean): void {
    const place = this.part("words");
    place.textContent = text;
    place.classList.toggle("bad", bad);
  }

  private fill(found: Preview): void {
    for (const select of this.form.querySelectorAll<HTMLSelectElement>("select[data-column]")) {
      const guess = found.mapping?.[select.name] ?? "";
      select.replaceChildren(element("option", { value: "" }, "not in the file"), ...(found.columns ?? []).map((name) => element("option", { value: name }, name)));
      select.value = String(guess);
      if (guess) select.closest("details")?.setAttribute("open", "");
    }
    this.marks();
  }

  private async show(found: Preview): Promise<void> {
    this.formats = found.time_formats ?? [];
    this.rows(found);
    const kept = found.kept ?? 0;
    const read = thousands(found.rows_read ?? 0);
    if (found.problem) this.words(found.problem, true);
    else this.words(`${thousands(kept)} of ${found.whole ? `all ${read}` : `the first ${read}`} rows can be used.`, false);
    this.part("advice").replaceChildren(...(found.advice ?? []).map((one) => element("li", {}, one)));
    this.part("advice").hidden = !found.advice?.length;
    this.part("account").replaceChildren(...account(found));
    this.part<HTMLButtonElement>("confirm").disabled = Boolean(found.problem) || kept === 0;
    if (found.map && kept) {
      const some = found.map.every > 1 ? `, every ${found.map.every}th shown` : "";
      this.part("map-note").textContent = `${thousands(kept)} places${some}, and the study area drawn around them (${thousands(found.area_km2 ?? 0)} km²).`;
      await this.map.show(found.map);
    }
  }

  private rows(found: Preview): void {
    const names = found.rows?.names ?? [];
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
    const body = (found.rows?.values ?? []).map((row) => element("tr", {}, ...row.map((value) => element("td", {}, value ?? "–"))));
    const left = Object.entries(found.left_out ?? {}).map(([name, why]) => `${name} (${why})`);
    const told = left.length ? `Left out, since they look personal: ${left.join(", ")}.` : "No column looks personal.";
    this.part("rows").replaceChildren(element("table", { class: "compact" }, element("caption", {}, told), element("thead", {}, head), element("tbody", {}, ...body)));
  }

  // -- the city ---------------------------------------------------------------------------------------------------------

  private async confirm(): Promise<void> {
    this.problem("");
    this.part<HTMLButtonElement>("confirm").disabled = true;
    try {
      const body = { mapping: this.mapping(), time_formats: this.formats };
      await ask<Upload>(`${this.address}/city`, { method: "POST", body });
      this.part("making").hidden = false;
      this.part("making").scrollIntoView({ block: "center" });
      await this.follow();
    } catch (error) {
      this.problem((error as Error).message);
    }
    this.part<HTMLButtonElement>("confirm").disabled = false;
  }

  private async follow(): Promise<void> {
    for (;;) {
      const told = await ask<Upload>(this.address).catch(() => null);
      // A server that starts again does not end the work.
      if (told) this.progress(told);
      if (told && (!told.job || told.job.over)) return;
      await new Promise((go) => window.setTimeout(go, LOOK));
    }
  }

  private progress(told: Upload): void {
    const job = told.job;
    const bar = this.part<HTMLProgressElement>("job-bar");
    const over = !job || job.over;
    const words = !job ? "" : over ? ended(job.state, job.sentence) : `Step ${job.step} of ${job.steps}: ${job.task || "starting"}`;
    if (this.part("job").textContent !== words) this.part("job").textContent = words;
    bar.hidden = over;
    if (job && job.total) {
      bar.max = job.total;
      bar.value = job.done ?? 0;
    } else bar.removeAttribute("value");
    this.part("cancel").hidden = over;
    this.part("made").hidden = told.city === null;
    this.part("command").textContent = told.command ?? "";
    this.root.dataset.made = told.city === null ? "no" : "yes";
  }

  private async cancel(): Promise<void> {
    await ask<Upload>(`${this.address}/cancel`, { method: "POST", body: {} }).then((told) => this.progress(told), (error: Error) => this.problem(error.message));
  }

  private async remove(): Promise<void> {
    if (!window.confirm("Delete this upload and everything made of it?")) return;
    await ask(this.address, { method: "DELETE" }).then(() => location.assign("/upload"), (error: Error) => this.problem(error.message));
  }

  private problem(text: string): void {
    this.part("problem").textContent = text;
    this.part("problem").hidden = !text;
  }
}

function ended(state: string, sentence: string): string {
  return state === "done" ? `Done. ${sentence}` : `${state === "failed" ? "Failed" : "Cancelled"}. ${sentence}`;
}

function account(found: Preview): HTMLElement[] {
  if (found.kept === undefined) return [];
  const facts = element("dl", { class: "facts" });
  const fact = (name: string, value: string) => facts.append(element("dt", {}, name), element("dd", {}, value));
  if (found.first && found.last) fact("From, to", `${found.first.slice(0, 10)} – ${found.last.slice(0, 10)}`);
  fact("Times are read as", found.time_formats?.length ? found.time_formats.join("  or  ") : "ISO 8601");
  const kinds = most(found.categories).map(([name, count]) => `${name} ${thousands(count)}`);
  fact("Offences", kinds.length ? kinds.join(", ") : "none");
  for (const [what, count] of Object.entries(found.repairs ?? {})) fact("Repaired", `${what}: ${thousands(count)}`);
  const made: HTMLElement[] = [facts, element("h3", {}, "Rejected rows, by reason")];
  const reasons = most(found.rejected);
  if (!reasons.length) return [...made, element("p", { class: "remark" }, "None.")];
  const list = element("ul", { class: "reasons-list" });
  for (const [reason, count] of reasons) {
    const rows = found.rejected_rows?.[reason] ?? [];
    const told = rows.map((one) => element("li", {}, `Row ${thousands(one.row)}: ${Object.entries(one.values).map(([name, value]) => `${name} ${value ?? "–"}`).join(", ")}`));
    const box = element("details", {}, element("summary", {}, `${reason}: ${thousands(count)}`), element("ul", {}, ...told));
    list.append(element("li", {}, rows.length ? box : `${reason}: ${thousands(count)}`));
  }
  return [...made, list];
}

const most = (counts: Record<string, number> | undefined) => Object.entries(counts ?? {}).sort((a, b) => b[1] - a[1]);
