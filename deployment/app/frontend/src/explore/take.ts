// Downloads of what is on the screen: files made by the server, and a picture of the map with its question inside.
import { element, thousands } from "../text";
import type { Counts, Facts } from "./answers";

const FILES = [["csv", "CSV"], ["geojson", "GeoJSON"], ["gpkg", "GeoPackage"], ["parquet", "GeoParquet"]] as const;

export function links(query: string, picture: () => void): HTMLElement[] {
  const made: HTMLElement[] = FILES.map(([ending, name]) =>
    element("a", { href: `/api/explore/download.${ending}${query ? `?${query}` : ""}`, download: "" }, name),
  );
  const button = element("button", { type: "button", class: "link", "data-take": "png" }, "Picture (PNG)");
  button.addEventListener("click", picture);
  const paper = element("button", { type: "button", class: "link", "data-take": "paper" }, "Print or PDF");
  paper.addEventListener("click", () => print());
  const address = element("code", {}, `${location.origin}/ogc`);
  return [element("span", {}, "Download"), ...made, button, paper, element("span", { class: "connect" }, "QGIS (OGC API Features): ", address)];
}

export function picture(map: HTMLCanvasElement, facts: Facts, counts: Counts, told: string): void {
  const ratio = map.width / Math.max(1, map.clientWidth);
  const [pad, head] = [16 * ratio, 64 * ratio];
  const made = document.createElement("canvas");
  made.width = map.width;
  made.height = map.height + head + 34 * ratio;
  const pen = made.getContext("2d")!;
  const style = getComputedStyle(document.body);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(map, 0, head);
  pen.fillStyle = style.color;
  pen.font = `600 ${19 * ratio}px "Source Sans", sans-serif`;
  pen.fillText(`${facts.title}: ${thousands(counts.total)} incidents`, pad, 28 * ratio, made.width - 2 * pad);
  pen.font = `400 ${13 * ratio}px "Source Sans", sans-serif`;
  pen.fillText(told, pad, 50 * ratio, made.width - 2 * pad);
  const made_at = new Date().toISOString().slice(0, 16).replace("T", " ");
  pen.fillText(`Made ${made_at} UTC with crimepatterns.${counts.rule ? ` ${counts.rule}` : ""}`, pad, made.height - 12 * ratio, made.width - 2 * pad);
  made.toBlob((file) => {
    if (!file) return;
    const address = URL.createObjectURL(file);
    const link = element("a", { href: address, download: `${facts.city}-${counts.filters.from}-${counts.filters.until}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }, "image/png");
}
