/* The names of countries, below the tiles and clear of the dots and rings. */

import { countries } from './countries.js';
import { symbols } from './dots.js';
import { onFilter } from './filter.js';
import { FINEST, copies } from './land.js';
import { Painting } from './painting.js';
import { map } from './place.js';
import { onTheme, themed } from './symbols.js';

const NAME = '12px system-ui, sans-serif';
const HIGH = 16; // pixels that a line of text takes
const SHIFTS = [0, -1, 1, -2, 2, -3, 3].map((lines) => lines * HIGH);

// Whether text around a place would touch a dot, a ring or another name.
function isTaken(x, y, half, taken) {
  return taken.some(([ox, oy, other]) => {
    return Math.abs(oy - y) < HIGH && Math.abs(ox - x) < other + half + 8;
  }) || symbols().some((one) => {
    return Math.abs(one.y - y) < one.radius + HIGH / 2 && Math.abs(one.x - x) < one.radius + half + 2;
  });
}

function paintNames(context, bounds) {
  if (!countries() || map.getZoom() > FINEST) return;
  const taken = [];
  Object.assign(context, {
    font: NAME, textAlign: 'center', textBaseline: 'middle', fillStyle: themed('country'),
    strokeStyle: themed('land'), lineWidth: 3,
  });
  const places = copies(bounds);
  for (const { text, x, y, width } of countries().labels) {
    for (const { scale, dx, dy } of places) {
      const [px, py] = [x * scale + dx, y * scale + dy];
      if (!bounds.contains([px, py])) continue;
      if (width * scale < 24) return; // the others have less room
      const half = context.measureText(text).width / 2;
      if (2 * half + 6 > width * scale) continue;
      const reach = width * scale / 3; // not into the neighbour's
      const isFree = (by) => Math.abs(by) <= reach && !isTaken(px, py + by, half, taken);
      const shift = SHIFTS.find(isFree);
      if (shift === undefined) continue;
      taken.push([px, py + shift, half]);
      context.strokeText(text, px, py + shift);
      context.fillText(text, px, py + shift);
    }
  }
}

export const names = new Painting(paintNames, { pane: 'ground' });
onFilter('filter', () => names.repaint());
onTheme(() => names.repaint());
