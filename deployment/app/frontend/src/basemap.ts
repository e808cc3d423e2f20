// The map without a tile server: ground, neighbourhoods and their names, all from our own geometry.
import { type LngLatBoundsLike, Map as MapLibre, NavigationControl, prewarm, ScaleControl, setWorkerUrl } from "maplibre-gl";
import type { StyleSpecification } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { Palette } from "./palette";
import { still } from "./theme";
import type { Areas } from "./types";
import type { View } from "./state";

setWorkerUrl(workerUrl);
// Workers start while the page still asks for its data.
prewarm();

const LABEL_FONT = ["Source Sans"];

export function makeMap(container: HTMLElement, areas: Areas, colours: Palette, view: View | null): MapLibre {
  const map = new MapLibre({
    container,
    style: style(areas, colours),
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxZoom: 17,
    fadeDuration: still() ? 0 : 200,
    canvasContextAttributes: { preserveDrawingBuffer: true },
    ...(view
      ? { center: [view.longitude, view.latitude] as [number, number], zoom: view.zoom }
      : { bounds: boundsOf(areas), fitBoundsOptions: { padding: padding(container) } }),
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new ScaleControl({ maxWidth: 110, unit: "metric" }), "bottom-left");
  return map;
}

/** Resolves when layers can be added, before anything is drawn: what is added at once is drawn with the first frame. */
export function styled(map: MapLibre): Promise<void> {
  return new Promise((ready) => void map.once("style.load", () => ready()));
}

export const boundsOf = (areas: Areas): LngLatBoundsLike => areas.bounds;

export function padding(container: HTMLElement): number {
  return Math.round(Math.min(container.clientWidth, container.clientHeight) * 0.05);
}

/** Repaint everything the basemap draws, after a change of theme. */
export function paintBasemap(map: MapLibre, colours: Palette): void {
  map.setPaintProperty("ground", "background-color", colours.ground);
  map.setPaintProperty("land", "fill-color", colours.land);
  map.setPaintProperty("neighbourhood-lines", "line-color", colours.line);
  map.setPaintProperty("boundary-line", "line-color", colours.boundary);
  map.setPaintProperty("names", "text-color", colours.label);
  map.setPaintProperty("names", "text-halo-color", colours.halo);
}

function style(areas: Areas, colours: Palette): StyleSpecification {
  return {
    version: 8,
    // No glyphs address: the browser draws names with the page's own font.
    sources: {
      boundary: { type: "geojson", data: areas.boundary },
      neighbourhoods: { type: "geojson", data: areas.neighbourhoods },
      names: { type: "geojson", data: areas.labels },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colours.ground } },
      { id: "land", type: "fill", source: "boundary", paint: { "fill-color": colours.land, "fill-antialias": false } },
      {
        id: "neighbourhood-lines",
        type: "line",
        source: "neighbourhoods",
        paint: {
          "line-color": colours.line,
          "line-width": ["interpolate", ["linear"], ["zoom"], 9, 0.5, 14, 1.4],
          "line-opacity": 0.75,
        },
      },
      {
        id: "boundary-line",
        type: "line",
        source: "boundary",
        layout: { "line-join": "round" },
        paint: { "line-color": colours.boundary, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 1, 14, 2.2] },
      },
      {
        id: "names",
        type: "symbol",
        source: "names",
        layout: {
          "text-field": ["get", "name"],
          "text-font": LABEL_FONT,
          "text-size": ["interpolate", ["linear"], ["zoom"], 9, 10.5, 12, 13, 15, 17],
          "text-max-width": 7,
          "text-line-height": 1.1,
          "text-padding": 5,
          "symbol-sort-key": ["-", 0, ["get", "km2"]],
        },
        paint: { "text-color": colours.label, "text-halo-color": colours.halo, "text-halo-width": 1.6 },
      },
    ],
  };
}
