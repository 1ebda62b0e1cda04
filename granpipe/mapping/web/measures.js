/* Lengths and areas on the ellipsoid of WGS 84. */

import { number } from './text.js';

const AXIS = 6378137; // metres
const FLATTENING = 1 / 298.257223563;
const E2 = FLATTENING * (2 - FLATTENING);
const radians = (degrees) => degrees * Math.PI / 180;
const square = (value) => value * value;

// Metres between two places [lat, lon], by Lambert's formula for long lines.
function between([south, west], [north, east]) {
  const [one, other] = [south, north].map((lat) => {
    return Math.atan((1 - FLATTENING) * Math.tan(radians(lat)));
  });
  const half = square(Math.sin((other - one) / 2))
    + Math.cos(one) * Math.cos(other) * square(Math.sin(radians(east - west) / 2));
  if (half === 0) return 0;
  const angle = 2 * Math.asin(Math.min(1, Math.sqrt(half)));
  const [middle, apart] = [(one + other) / 2, (other - one) / 2];
  const x = (angle - Math.sin(angle)) * square(Math.sin(middle) * Math.cos(apart)) / (1 - half);
  const y = (angle + Math.sin(angle)) * square(Math.cos(middle) * Math.sin(apart)) / half;
  return AXIS * (angle - FLATTENING / 2 * ((1 - half > 1e-9 ? x : 0) + y));
}

// Metres along places.
export function lengthOf(places) {
  return places.reduce((sum, place, k) => sum + (k ? between(places[k - 1], place) : 0), 0);
}

// Square metres between the equator and a parallel, for each radian of longitude.
function strip(lat) {
  const sine = Math.sin(radians(lat));
  const e = Math.sqrt(E2);
  return AXIS ** 2 * (1 - E2) / 2 * (sine / (1 - E2 * sine ** 2) + Math.atanh(e * sine) / e);
}

// Square metres that a ring of places surrounds.
export function areaOf(ring) {
  const sum = ring.reduce((total, [lat, lon], k) => {
    const [before, west] = ring[(k || ring.length) - 1];
    const turn = ((lon - west + 540) % 360 + 360) % 360 - 180;
    return total + radians(turn) * (strip(before) + strip(lat)) / 2;
  }, 0);
  return Math.abs(sum);
}

export function areaText(area) {
  if (area < 1e3) return `${number(Math.round(area))} m²`;
  if (area < 1e7) return `${number(Number((area / 1e4).toPrecision(3)))} ha`;
  return `${number(Number((area / 1e6).toPrecision(3)))} km²`;
}
