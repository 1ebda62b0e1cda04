/* The part of the world that the map shows: at first, after a change of size, and on paper. */

import { data, points } from './data.js';
import { indicesOf, isFiltered, shown } from './filter.js';
import { map } from './place.js';

let isFitted = false; // until somebody moves the map
let isFitting = false;
const root = document.documentElement;

export const fitted = () => isFitted;

// The smallest window that holds photographs, cut open at their widest gap in longitude.
function windowOf(members) {
  const lats = members.map((i) => points[i][0]).sort((a, b) => a - b);
  const lons = members.map((i) => points[i][1]).sort((a, b) => a - b);
  let cut = 0;
  let widest = lons[0] + 360 - lons[lons.length - 1];
  for (let k = 1; k < lons.length; k++) {
    if (lons[k] - lons[k - 1] > widest) [cut, widest] = [k, lons[k] - lons[k - 1]];
  }
  const west = lons[cut];
  return [[lats[0], west], [lats[lats.length - 1], west + 360 - widest]];
}

function target() {
  if (!isFiltered()) return data.bounds;
  const far = new Set(data.outliers);
  const all = indicesOf(shown);
  const near = all.filter((i) => !far.has(i));
  const members = near.length > 0 ? near : all;
  return members.length > 0 ? windowOf(members) : data.bounds;
}

export function fit() {
  isFitting = true;
  const bounds = target();
  if (bounds) map.fitBounds(bounds, { padding: [34, 34], maxZoom: 17, animate: false });
  else map.setView([20, 0], 2, { animate: false });
  isFitting = false;
  isFitted = true;
}

function resize() {
  map.invalidateSize({ animate: false });
  if (isFitted) fit();
}

function print() {
  const wasFitted = isFitted;
  const bounds = map.getBounds();
  const [middle, zoom] = [map.getCenter(), map.getZoom()];
  root.classList.add('printing'); // page.css gives the map the size of the paper
  map.invalidateSize({ animate: false });
  if (wasFitted) fit();
  else map.fitBounds(bounds, { animate: false });
  addEventListener('afterprint', () => {
    root.classList.remove('printing');
    map.invalidateSize({ animate: false });
    if (wasFitted) fit();
    else map.setView(middle, zoom, { animate: false });
  }, { once: true });
}

export function keepFitting() {
  map.on('movestart', () => { isFitted &&= isFitting; });
  addEventListener('beforeprint', print);
  new ResizeObserver(() => {
    if (!root.classList.contains('printing')) resize();
  }).observe(map.getContainer());
}
