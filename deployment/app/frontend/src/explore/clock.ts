// One clock for every layer: presets, dates, number of days, slider, play.
import type { Facts } from "./answers";
import { dateOf, dayOf, type Question } from "./state";

type Change = (some: Partial<Question>, how?: { entry: boolean }) => Promise<void>;

const field = <T extends HTMLElement>(name: string) => document.querySelector<T>(`[data-part="clock"] [name="${name}"]`)!;

export class Clock {
  private playing = false;
  private readonly first: number;
  private readonly end: number;
  private window: [number, number] = [0, 1];

  constructor(
    facts: Facts,
    private readonly change: Change,
  ) {
    [this.first, this.end] = [dayOf(facts.first), dayOf(facts.end)];
    this.listen();
  }

  show(question: Question): void {
    const from = question.from ? dayOf(question.from) : this.first;
    const until = question.until ? dayOf(question.until) : this.end;
    this.window = [from, until];
    const length = until - from;
    field<HTMLInputElement>("from").value = dateOf(from);
    field<HTMLInputElement>("to").value = dateOf(until - 1);
    field<HTMLInputElement>("days").value = String(length);
    const slide = field<HTMLInputElement>("slide");
    slide.min = String(this.first);
    slide.max = String(Math.max(this.first, this.end - length));
    slide.value = String(from);
    slide.disabled = length >= this.end - this.first;
    slide.setAttribute("aria-valuetext", `${dateOf(from)} to ${dateOf(until - 1)}`);
    const whole = from <= this.first && until >= this.end;
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-preset]")) {
      const [low, high] = this.preset(button.dataset.preset!);
      const current = button.dataset.preset === "all" ? whole : from === low && until === high;
      button.setAttribute("aria-pressed", String(current));
    }
    this.button.disabled = whole;
  }

  stop(): void {
    this.playing = false;
    this.button.textContent = "Play";
    this.button.setAttribute("aria-pressed", "false");
  }

  private get button(): HTMLButtonElement {
    return document.querySelector<HTMLButtonElement>("[data-play]")!;
  }

  private preset(name: string): [number, number] {
    if (name === "all") return [this.first, this.end];
    if (name === "year") return [Math.max(this.first, dayOf(`${dateOf(this.end - 1).slice(0, 4)}-01-01`)), this.end];
    return [this.end - Number(name), this.end];
  }

  private move(from: number, until: number, entry = true): Promise<void> {
    const whole = from <= this.first && until >= this.end;
    return this.change(whole ? { from: "", until: "" } : { from: dateOf(from), until: dateOf(until) }, { entry });
  }

  private listen(): void {
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-preset]")) {
      button.addEventListener("click", () => void this.move(...this.preset(button.dataset.preset!)));
    }
    const dates = () => {
      const [from, to] = [dayOf(field<HTMLInputElement>("from").value), dayOf(field<HTMLInputElement>("to").value)];
      if (Number.isFinite(from) && Number.isFinite(to) && to >= from) void this.move(from, to + 1);
    };
    field("from").addEventListener("change", dates);
    field("to").addEventListener("change", dates);
    field("days").addEventListener("change", () => {
      const days = Math.floor(Number(field<HTMLInputElement>("days").value));
      if (days >= 1) void this.move(Math.max(this.first, this.window[1] - days), this.window[1]);
    });
    field("slide").addEventListener("input", () => {
      const from = Number(field<HTMLInputElement>("slide").value);
      void this.move(from, from + (this.window[1] - this.window[0]), false);
    });
    this.button.addEventListener("click", () => (this.playing ? this.stop() : void this.play()));
    document.querySelector('[data-part="clock"]')!.addEventListener("submit", (event) => event.preventDefault());
  }

  private async play(): Promise<void> {
    this.playing = true;
    this.button.textContent = "Pause";
    this.button.setAttribute("aria-pressed", "true");
    const length = this.window[1] - this.window[0];
    const step = Math.max(1, Math.min(28, Math.round(length / 4)));
    if (this.window[1] + step > this.end) await this.move(this.first, this.first + length, false);
    while (this.playing && this.window[1] < this.end) {
      const pause = new Promise((ready) => setTimeout(ready, Number(field<HTMLSelectElement>("speed").value)));
      const from = Math.min(this.window[0] + step, this.end - length);
      await Promise.all([this.move(from, from + length, false), pause]);
    }
    this.stop();
  }
}
