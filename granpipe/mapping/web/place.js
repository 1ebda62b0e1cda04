/* The map, which folium made, and where photographs lie on it. */

import { worldX, worldY } from './countries.js';
import { points } from './data.js';
import { look } from './filter.js';

export const map = chart; // folium's

const xs = Float64Array.from(points, ([, lon]) => worldX(lon)); // in pixels at zoom 0
const ys = Float64Array.from(points, ([lat]) => worldY(lat));

/* Where photographs lie in Leaflet's layer pixels, each on the copy of the world that is nearest to
 * the middle of the view: so both sides of the antimeridian lie side by side. */
export function placing() {
  const scale = 2 ** map.getZoom();
  const world = 256 * scale;
  const origin = map.getPixelOrigin();
  const middle = map.getPixelBounds().getCenter().x;
  return {
    x(i) {
      const x = xs[i] * scale;
      return x + Math.round((middle - x) / world) * world - origin.x;
    },
    y: (i) => ys[i] * scale - origin.y,
  };
}

export function layerPoint(i) {
  const place = placing();
  return L.point(place.x(i), place.y(i));
}

export const whereabouts = (i) => map.layerPointToLatLng(layerPoint(i));

// Tell the legend and the lists what the view holds.
export function lookAround() {
  const place = placing();
  const min = map.containerPointToLayerPoint([0, 0]);
  const max = map.containerPointToLayerPoint(map.getSize());
  look((i) => {
    const x = place.x(i);
    const y = place.y(i);
    return x >= min.x && x <= max.x && y >= min.y && y <= max.y;
  });
}
