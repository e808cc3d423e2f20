// Where the rows would fall.
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import { makeMap, paintBasemap, padding, styled } from "../basemap";
import { palette } from "../palette";
import { isDark } from "../theme";
import type { Areas } from "../types";
import type { Preview } from "./answers";

type Shown = NonNullable<Preview["map"]>;
const EMPTY = { type: "FeatureCollection" as const, features: [] };

export class PreviewMap {
  private map: MapLibre | null = null;

  constructor(private readonly canvas: HTMLElement) {}

  async show(found: Shown): Promise<void> {
    this.canvas.dataset.state = "loading";
    const areas = areasOf(found);
    if (!this.map) {
      this.canvas.replaceChildren();
      const map = makeMap(this.canvas, areas, palette(isDark()), null);
      await styled(map);
      map.addSource("points", { type: "geojson", data: EMPTY });
      map.addLayer({ id: "points", type: "circle", source: "points", paint: { "circle-radius": 3.2, "circle-opacity": 0.6, "circle-stroke-width": 0.6 } });
      map.getCanvas().setAttribute("aria-label", "Map of the places of the incidents in the file");
      this.map = map;
      this.repaint();
    }
    this.map.getSource<GeoJSONSource>("boundary")!.setData(areas.boundary);
    this.map.getSource<GeoJSONSource>("points")!.setData({
      type: "FeatureCollection",
      features: found.points.map((at) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: at } })),
    });
    this.map.fitBounds(found.bounds, { padding: padding(this.canvas), animate: false });
    await new Promise((ready) => this.map!.once("idle", ready));
    this.canvas.dataset.state = "idle";
  }

  repaint(): void {
    if (!this.map) return;
    const colours = palette(isDark());
    paintBasemap(this.map, colours);
    this.map.setPaintProperty("points", "circle-color", isDark() ? "#f3de43" : "#00224e");
    this.map.setPaintProperty("points", "circle-stroke-color", isDark() ? "#12151a" : "#ffffff");
  }
}

function areasOf(found: Shown): Areas {
  const outline = { type: "Feature" as const, properties: { name: "" }, geometry: found.outline };
  return { bounds: found.bounds, boundary: { type: "FeatureCollection", features: [outline] }, neighbourhoods: EMPTY, labels: EMPTY } as Areas;
}
