/* Land and borders, below the tiles. */

import { countries } from './countries.js';
import { map } from './place.js';
import { themed } from './symbols.js';

export const FINEST = 11; // the zoom beyond which the outlines would say more than they know

// The copies of the world that the canvas shows, and how each is placed on it.
export function copies({ min, max }) {
  const scale = 2 ** map.getZoom();
  const origin = map.getPixelOrigin();
  const world = 256 * scale;
  const found = [];
  // A ring may begin on one copy and end on the next.
  const last = Math.floor((max.x + origin.x) / world) + 1;
  for (let k = Math.floor((min.x + origin.x) / world) - 1; k <= last; k++) {
    found.push({ scale, dx: k * world - origin.x, dy: -origin.y });
  }
  return found;
}

function isVisible([left, top, right, bottom], { scale, dx, dy }, { min, max }) {
  return right * scale + dx >= min.x && left * scale + dx <= max.x
    && bottom * scale + dy >= min.y && top * scale + dy <= max.y;
}

function trace(context, xy, { scale, dx, dy }, isLine = false) {
  context.moveTo(xy[0] * scale + dx, xy[1] * scale + dy);
  for (let k = 2; k < xy.length; k += 2) {
    // Some islands are cut in two along the date line, where no coast is.
    const isCut = isLine && xy[k] === xy[k - 2] && xy[k] % 256 === 0;
    context[isCut ? 'moveTo' : 'lineTo'](xy[k] * scale + dx, xy[k + 1] * scale + dy);
  }
}

function paintLines(context, bounds, places, { isBorder, colour, width }) {
  Object.assign(context, { strokeStyle: colour, lineWidth: width, lineJoin: 'round' });
  context.beginPath();
  for (const { xy, box, uses } of countries().arcs) {
    if (uses > 1 !== isBorder) continue;
    for (const place of places) if (isVisible(box, place, bounds)) trace(context, xy, place, true);
  }
  context.stroke();
}

export function paintLand(context, bounds) {
  if (!countries() || map.getZoom() > FINEST) return;
  const places = copies(bounds);
  const { min, max } = bounds;
  context.fillStyle = themed('sea');
  context.fillRect(min.x, min.y, max.x - min.x, max.y - min.y);
  context.beginPath();
  for (const { xy, box } of countries().rings) {
    for (const place of places) {
      if (!isVisible(box, place, bounds)) continue;
      trace(context, xy, place);
      context.closePath();
    }
  }
  context.fillStyle = themed('land');
  context.fill('evenodd');
  paintLines(context, bounds, places, { isBorder: true, colour: themed('border'), width: 1 });
  paintLines(context, bounds, places, { isBorder: false, colour: themed('coast'), width: 1 });
}
