// The filters: tree of offences, neighbourhoods, discovery, search, each with the counts that could be had.
import { element, thousands } from "../text";
import type { Counts, Facts, Place } from "./answers";
import { ask } from "./answers";
import type { Question } from "./state";

const part = (name: string) => document.querySelector<HTMLElement>(`[data-part="${name}"]`)!;

export class Panel {
  constructor(
    private readonly facts: Facts,
    private readonly change: (some: Partial<Question>) => void,
    private readonly go: (place: Place) => void,
  ) {
    this.build();
  }

  private build(): void {
    const { facts } = this;
    const tree = facts.categories.map((one) => {
      const head = this.box("offence", one.slug, sentence(one.name));
      if (one.offences.length < 2) return element("div", { class: "branch" }, head);
      const inner = one.offences.map((other) => this.box("offence", other.slug, sentence(other.name)));
      const more = element("details", {}, element("summary", {}, "finer", element("span", { class: "visually-hidden" }, ` offences of ${one.name}`)), ...inner);
      return element("div", { class: "branch" }, head, more);
    });
    part("offences").replaceChildren(...tree);
    part("areas").replaceChildren(...facts.areas.map((one) => this.box("area", one.slug, one.name)));
    part("found-by").hidden = !facts.exact;
    // What the records cannot tell is not offered.
    part("rhythm").hidden = !facts.exact || !facts.days_known;
    for (const days of ["7", "28"]) document.querySelector<HTMLElement>(`[data-preset="${days}"]`)!.hidden = !facts.days_known;
    for (const name of ["areas-choice", "areas-table", "areas-filter"]) part(name).hidden = facts.areas.length === 0;
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name="discovery"]')) {
      input.addEventListener("change", () => this.change({ discovery: input.value }));
    }
    const search = document.querySelector<HTMLInputElement>('input[name="q"]')!;
    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => void this.search(search.value), 250);
    });
    part("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  show(question: Question, counts: Counts): void {
    for (const [name, chosen, told] of [["offence", question.offence, counts.offences], ["area", question.area, counts.areas]] as const) {
      const picked = new Set(chosen);
      for (const input of document.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)) {
        input.checked = picked.has(input.value);
        const n = told[input.value] ?? 0;
        input.parentElement!.querySelector("output")!.textContent = thousands(n);
        input.parentElement!.classList.toggle("nothing", n === 0);
        const outer = input.closest("details");
        if (input.checked && outer) outer.open = true;
      }
    }
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name="discovery"]')) input.checked = input.value === question.discovery;
    if (question.polygon.length || question.near) document.querySelector<HTMLDetailsElement>("details.shape")!.open = true;
  }

  private box(name: "offence" | "area", value: string, text: string): HTMLElement {
    const input = element("input", { type: "checkbox", name, value });
    input.addEventListener("change", () => {
      if (input.checked && name === "offence") this.alone(input);
      const chosen = [...document.querySelectorAll<HTMLInputElement>(`input[name="${name}"]:checked`)].map((one) => one.value).sort();
      this.change({ [name]: chosen });
    });
    return element("label", { class: "line" }, input, element("span", {}, text), element("output", {}, ""));
  }

  /** A category and its finer offences are not chosen together: the wider would hide the finer. */
  private alone(chosen: HTMLInputElement): void {
    const category = chosen.value.split(".")[0]!;
    for (const other of document.querySelectorAll<HTMLInputElement>('input[name="offence"]:checked')) {
      if (other === chosen || other.value.split(".")[0] !== category) continue;
      if (chosen.value === category || other.value === category) other.checked = false;
    }
  }

  private async search(text: string): Promise<void> {
    const list = part("found");
    if (text.trim().length < 2) {
      list.replaceChildren();
      return;
    }
    const { places } = await ask<{ places: Place[] }>(`search?q=${encodeURIComponent(text.trim())}`).catch(() => ({ places: [] as Place[] }));
    const items = places.map((place) => {
      const button = element("button", { type: "button", class: "link" }, place.name);
      button.addEventListener("click", () => this.go(place));
      return element("li", {}, button, element("span", { class: "remark" }, place.kind));
    });
    list.replaceChildren(...(items.length ? items : [element("li", { class: "remark" }, "Nothing of that name.")]));
  }
}

const sentence = (text: string) => (text === text.toUpperCase() ? text[0]! + text.slice(1).toLowerCase() : text[0]!.toUpperCase() + text.slice(1));
