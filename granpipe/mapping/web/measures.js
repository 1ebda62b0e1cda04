/* Lengths and areas on a sphere of the earth's mean radius: within half a percent of the truth. */

import { number } from './text.js';

const RADIUS = 6371008.8; // metres
const radians = (degrees) => degrees * Math.PI / 180;

// Metres along places [lat, lon], by the haversine formula.
export function lengthOf(places) {
  let sum = 0;
  for (let k = 1; k < places.length; k++) {
    const [[south, west], [north, east]] = [places[k - 1], places[k]];
    const half = Math.sin(radians(north - south) / 2) ** 2
      + Math.cos(radians(south)) * Math.cos(radians(north)) * Math.sin(radians(east - west) / 2) ** 2;
    sum += 2 * RADIUS * Math.asin(Math.min(1, Math.sqrt(half)));
  }
  return sum;
}

// Square metres that a ring of places [lat, lon] surrounds, between its parallels and the equator.
export function areaOf(ring) {
  const sum = ring.reduce((total, [lat, lon], k) => {
    const [before, west] = ring[(k || ring.length) - 1];
    const turn = ((lon - west + 540) % 360 + 360) % 360 - 180;
    return total + radians(turn) * (2 + Math.sin(radians(lat)) + Math.sin(radians(before)));
  }, 0);
  return Math.abs(sum) * RADIUS ** 2 / 2;
}

export function areaText(area) {
  if (area < 1e3) return `${number(Math.round(area))} m²`;
  if (area < 1e7) return `${number(Number((area / 1e4).toPrecision(3)))} ha`;
  return `${number(Number((area / 1e6).toPrecision(3)))} km²`;
}
