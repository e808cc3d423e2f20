// Shapes: drawn with the mouse or the keyboard, pasted as text, or a distance around a point.
import type { ExploreMap } from "./map";
import { crosses, type Question, readCorners } from "./state";

const hint = document.querySelector<HTMLElement>('[data-part="draw-hint"]')!;
const CROSSED = "The sides of this shape cross each other: take a corner back with the backspace key, or start again.";
const corners = () => document.querySelector<HTMLTextAreaElement>('[name="corners"]')!;
const metres = () => document.querySelector<HTMLInputElement>('[name="metres"]')!;

export class Draw {
  mode: "polygon" | "near" | null = null;
  private points: [number, number][] = [];

  constructor(
    private readonly map: ExploreMap,
    private readonly change: (some: Partial<Question>) => void,
  ) {
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-draw]")) {
      button.addEventListener("click", () => this.press(button.dataset.draw!));
    }
    metres().addEventListener("change", () => {
      const near = this.around;
      if (near) this.near([near[0], near[1]]);
    });
    this.map.map.getCanvas().addEventListener("keydown", (event) => {
      if (!this.mode) return;
      if (event.key === "Escape") this.stop("Nothing was changed.");
      if (event.key === "Backspace") this.map.sketch((this.points = this.points.slice(0, -1)));
      if (event.key === " ") {
        event.preventDefault();
        this.add(this.map.map.getCenter().toArray() as [number, number]);
      }
      if (event.key === "Enter") this.finish();
    });
    this.map.map.on("dblclick", (event) => {
      if (!this.mode) return;
      event.preventDefault();
      this.finish();
    });
  }

  private around: [number, number, number] | null = null;

  show(question: Question): void {
    this.around = question.near;
    if (question.near) metres().value = String(question.near[2]);
    corners().value = question.polygon.map(([x, y]) => `${x},${y}`).join("; ");
  }

  /** A click on the map while drawing. */
  add(at: [number, number]): void {
    if (this.mode === "near") {
      this.near(at);
      this.stop("");
      return;
    }
    const last = this.points.at(-1);
    if (last && last[0] === at[0] && last[1] === at[1]) return;
    this.points = [...this.points, at];
    this.map.sketch(this.points);
    hint.textContent = `${this.points.length} ${this.points.length === 1 ? "corner" : "corners"}. ${this.points.length > 2 ? "Double click or Enter ends the shape." : ""}`;
  }

  private near([longitude, latitude]: [number, number]): void {
    const distance = Math.min(50_000, Math.max(1, Number(metres().value) || 500));
    this.change({ near: [Number(longitude.toFixed(6)), Number(latitude.toFixed(6)), distance], polygon: [] });
  }

  private press(what: string): void {
    if (what === "none") {
      this.stop("");
      this.change({ polygon: [], near: null });
    } else if (what === "middle") {
      this.near(this.map.map.getCenter().toArray() as [number, number]);
    } else if (what === "paste") {
      const read = readCorners(corners().value);
      if (read.length < 3) hint.textContent = "At least three corners are needed: longitude,latitude; longitude,latitude; …";
      else if (read.length > 500) hint.textContent = `A shape may have 500 corners, this one has ${read.length}.`;
      else if (crosses(read)) hint.textContent = CROSSED;
      else this.change({ polygon: read, near: null });
    } else {
      this.mode = what as "polygon" | "near";
      this.points = [];
      this.map.map.doubleClickZoom.disable();
      const canvas = this.map.map.getCanvas();
      canvas.focus({ preventScroll: true });
      canvas.scrollIntoView({ block: "center", behavior: "instant" });
      hint.textContent = this.mode === "near" ? "Click on the map, or move it with the arrow keys and press the space bar." : "Click corner by corner, or move the map and press the space bar for each; double click or Enter ends, Escape stops.";
    }
  }

  private finish(): void {
    if (this.mode === "polygon" && this.points.length > 2) {
      if (crosses(this.points)) {
        hint.textContent = CROSSED;
        return;
      }
      const polygon = this.points.map(([x, y]) => [Number(x.toFixed(6)), Number(y.toFixed(6))] as [number, number]);
      this.stop("");
      this.change({ polygon, near: null });
    } else {
      hint.textContent = "At least three corners are needed.";
    }
  }

  private stop(told: string): void {
    this.mode = null;
    this.points = [];
    this.map.sketch([]);
    hint.textContent = told;
    setTimeout(() => this.map.map.doubleClickZoom.enable(), 300);
  }
}
