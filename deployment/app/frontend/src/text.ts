// Numbers and markup as text.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

export const thousands = (value: number) => whole.format(value);

/** As many digits as a count bears: 1,182 or 3.4 or 0.07. */
export function count(value: number): string {
  if (value >= 100) return whole.format(value);
  return value >= 1 ? value.toFixed(1) : value.toFixed(2);
}

export const percent = (share: number, digits = 0) => `${(share * 100).toFixed(digits)} %`;

/** A chance that is nearly nothing is not written as nothing. */
export const chance = (share: number) => (share < 0.005 ? "< 1 %" : percent(share));

/** A number for a legend: no digits that say nothing. */
export const tick = (value: number) => (value >= 1000 ? whole.format(value) : String(Number(value.toPrecision(3))));

export function q(value: number): string {
  if (value < 0.0001) return "< 0.0001";
  return value.toPrecision(2);
}

type Child = Node | string | null | undefined;

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svgElement(name: string, attributes: Record<string, string> = {}, ...children: Node[]): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
