/* The outlines of land and countries, from the texts of data.land: lines and rings on a map in
 * Mercator's projection that is 256 wide, and the country of a place. */

import { data, points } from './data.js';
import { part } from './text.js';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VALUES = new Int8Array(128);
[...DIGITS].forEach((sign, value) => { VALUES[sign.charCodeAt(0)] = value; });
const SOUTH = 400; // below every map
const OFF_SHORE = 0.2; // of the 256: 30 km at the equator, less farther off
const NEAR = 50; // cells to a degree, in which places share their country

export const worldX = (lon) => (lon + 180) / 360 * 256;
export function worldY(lat) {
  const sine = Math.sin(Math.max(-85.06, Math.min(85.06, lat)) * Math.PI / 180);
  return 128 - Math.log((1 + sine) / (1 - sine)) * 64 / Math.PI;
}

export function numbers(text) {
  const found = [];
  for (let k = 0, number = 0, shift = 0; k < text.length; k++) {
    const value = VALUES[text.charCodeAt(k)];
    number += (value & 31) * 2 ** shift;
    shift += 5;
    if (value & 32) continue;
    found.push(number % 2 ? -(number + 1) / 2 : number / 2);
    number = shift = 0;
  }
  return found;
}

function line(text) {
  const steps = numbers(text);
  const xy = new Float64Array(steps.length);
  for (let k = 0, lon = 0, lat = 0; k < steps.length; k += 2) {
    lon += steps[k];
    lat += steps[k + 1];
    xy[k] = worldX(lon / data.land.units);
    xy[k + 1] = worldY(lat / data.land.units);
  }
  return { xy, box: boxOf(xy), uses: 0 };
}

function boxOf(xy) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let k = 0; k < xy.length; k += 2) {
    box[0] = Math.min(box[0], xy[k]);
    box[1] = Math.min(box[1], xy[k + 1]);
    box[2] = Math.max(box[2], xy[k]);
    box[3] = Math.max(box[3], xy[k + 1]);
  }
  return box;
}

// Arcs end to end. They go on beyond 180 degrees where a country does: so nothing is drawn from one
// edge of the map to the other.
function ring(arcs, text) {
  const [country, ...around] = numbers(text);
  const xy = [];
  for (const k of around) {
    const arc = arcs[k < 0 ? ~k : k];
    arc.uses++;
    const { length } = arc.xy;
    for (let m = xy.length ? 2 : 0; m < length; m += 2) {
      const at = k < 0 ? length - 2 - m : m;
      xy.push(arc.xy[at], arc.xy[at + 1]);
    }
  }
  const turns = xy[xy.length - 2] - xy[0];
  if (Math.abs(turns) > 128) xy.push(xy[xy.length - 2], SOUTH, xy[0], SOUTH); // around the pole
  return { country, xy: Float64Array.from(xy), box: boxOf(xy) };
}

function decode({ arcs: texts, rings, names, labels }) {
  const arcs = texts.split(' ').map(line);
  const places = numbers(labels).map((value) => value / data.land.units);
  const signs = names.map((text, k) => {
    const [lon, lat, width] = places.slice(3 * k, 3 * k + 3);
    return { text, x: worldX(lon), y: worldY(lat), width: width / 360 * 256 };
  });
  return {
    arcs,
    rings: rings.split(' ').map((text) => ring(arcs, text)),
    names,
    labels: signs.sort((a, b) => b.width - a.width),
  };
}

let decoded = null;
export const countries = () => (decoded ??= data.land && decode(data.land));

// The edges of a ring by the band of its height that they cross: most edges are far from a place.
function bandsOf({ xy, box: [, top, , bottom] }) {
  const bands = Array.from({ length: Math.ceil(xy.length / 16) }, () => []);
  const share = bands.length / (bottom - top);
  const band = (y) => Math.min(bands.length - 1, Math.floor((y - top) * share));
  for (let k = 0, m = xy.length - 2; k < xy.length; m = k, k += 2) {
    const [from, to] = [xy[k + 1], xy[m + 1]].map(band).sort((one, other) => one - other);
    for (let at = from; at <= to; at++) bands[at].push(k, m);
  }
  return { bands, band };
}

function surrounds(ring, x, y) {
  const { xy } = ring;
  const { bands, band } = (ring.index ??= bandsOf(ring));
  const edges = bands[band(y)] ?? [];
  let inside = false;
  for (let e = 0; e < edges.length; e += 2) {
    const k = edges[e];
    const m = edges[e + 1];
    if (xy[k + 1] > y === xy[m + 1] > y) continue;
    const at = xy[k] + (y - xy[k + 1]) / (xy[m + 1] - xy[k + 1]) * (xy[m] - xy[k]);
    if (at > x) inside = !inside;
  }
  return inside;
}

// In each of 64 by 64 cells the rings whose box touches it, with how far off their copy lies.
function cellsOf(rings) {
  const cells = Array.from({ length: 64 * 64 }, () => []);
  const cell = (value) => Math.max(0, Math.min(63, Math.floor(value / 4)));
  for (const ring of rings) {
    for (const shift of [-256, 0, 256]) {
      const [left, top, right, bottom] = ring.box.map((edge, k) => {
        return edge + (k % 2 ? 0 : shift) + (k < 2 ? -OFF_SHORE : OFF_SHORE);
      });
      if (right < 0 || left > 256) continue;
      for (let row = cell(top); row <= cell(bottom); row++) {
        for (let column = cell(left); column <= cell(right); column++) {
          cells[64 * row + column].push([ring, shift]);
        }
      }
    }
  }
  return (x, y) => cells[64 * cell(y) + cell(x)];
}

function candidates(x, y) {
  return (countries().around ??= cellsOf(countries().rings))(x, y);
}

function countryAround(x, y) {
  const inside = new Set();
  for (const [ring, shift] of candidates(x, y)) {
    if (surrounds(ring, x - shift, y) && !inside.delete(ring.country)) inside.add(ring.country);
  }
  return inside.size ? inside.values().next().value : -1;
}

function countryAshore(x, y) {
  let [nearest, least] = [-1, OFF_SHORE ** 2];
  for (const [{ country, xy }, shift] of candidates(x, y)) {
    for (let k = 0; k < xy.length; k += 2) {
      const away = (xy[k] + shift - x) ** 2 + (xy[k + 1] - y) ** 2;
      if (away < least) [nearest, least] = [country, away];
    }
  }
  return nearest;
}

// The country around a place, or else the nearest on shore; -1 at sea.
function countryAt(x, y) {
  const country = countryAround(x, y);
  return country < 0 ? countryAshore(x, y) : country;
}

const known = new Map(); // photographs of a field share their country

export function countryOf(i) {
  const [lat, lon] = points[i];
  const key = Math.round(lat * NEAR) * 1e6 + Math.round(lon * NEAR);
  if (!known.has(key)) known.set(key, countryAt(worldX(lon), worldY(lat)));
  return known.get(key);
}

export const countryName = (country) => (country < 0 ? 'at sea' : countries().names[country]);

export function giveCredit() {
  if (data.land) part('credit').textContent = `Outlines: ${data.land.credit}, public domain.`;
}
