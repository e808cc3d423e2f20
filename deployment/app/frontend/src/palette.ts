// Colours of the map: cividis for quantities, Okabe-Ito hues for kinds. On light ground dark means more, on dark
// ground bright means more.

const LIGHT_LAND = "#fbfaf7";

const CIVIDIS = [
  "#00224e", "#0a2f63", "#233e6c", "#3a4c6c", "#4e5a6d", "#61686f", "#757575", "#888579", "#9c9577", "#b2a671",
  "#c8b866", "#dfcb55", "#f3de43", "#fee838",
];

export interface Palette {
  ground: string;
  land: string;
  line: string;
  boundary: string;
  label: string;
  halo: string;
  cluster: string;
  plan: string;
  planText: string;
  selected: string;
  hot: string[];
  ramp: (count: number) => string[];
}

function ramp(count: number, dark: boolean): string[] {
  const ordered = dark ? CIVIDIS : [...CIVIDIS].reverse();
  const [first, last] = dark ? [2, CIVIDIS.length - 1] : [0, CIVIDIS.length - 1];
  return Array.from({ length: count }, (_, i) => {
    const position = count === 1 ? last : first + ((last - first) * i) / (count - 1);
    const below = ordered[Math.floor(position)]!;
    const colour = mix(below, ordered[Math.ceil(position)]!, position - Math.floor(position));
    // On light ground the first classes fade into the paper, so that little does not shout.
    return dark ? colour : mix(colour, LIGHT_LAND, Math.max(0, 0.42 - (0.75 * i) / count));
  });
}

function mix(colour: string, ground: string, share: number): string {
  const part = (text: string, at: number) => Number.parseInt(text.slice(at, at + 2), 16);
  const channels = [1, 3, 5].map((at) => Math.round(part(colour, at) * (1 - share) + part(ground, at) * share));
  return `#${channels.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

const LIGHT: Palette = {
  ground: "#eceae4",
  land: LIGHT_LAND,
  line: "#a8a498",
  boundary: "#5d5a52",
  label: "#26282c",
  halo: "rgba(255,255,255,0.92)",
  cluster: "#b0447f",
  plan: "#00785a",
  planText: "#ffffff",
  selected: "#111318",
  hot: ["#f6b98a", "#e58335", "#c14f00", "#7a2e00"],
  ramp: (count) => ramp(count, false),
};

const DARK: Palette = {
  ground: "#0e1116",
  land: "#1b2028",
  line: "#525a68",
  boundary: "#9aa3b2",
  label: "#eef0f3",
  halo: "rgba(14,17,22,0.88)",
  cluster: "#e39cc3",
  plan: "#2fc59a",
  planText: "#06130f",
  selected: "#ffffff",
  hot: ["#6b3413", "#a9541a", "#e0772a", "#ffb678"],
  ramp: (count) => ramp(count, true),
};

/** The ramp without steps, for charts. */
export function shade(dark: boolean): (position: number) => string {
  const colours = ramp(48, dark);
  return (position) => colours[Math.round(Math.min(1, Math.max(0, position)) * 47)]!;
}

export const palette = (dark: boolean): Palette => (dark ? DARK : LIGHT);
