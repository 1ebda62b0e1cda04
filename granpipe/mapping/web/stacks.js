/* Stacks of photographs whose dots would hide each other. */

import { points } from './data.js';
import { shown } from './filter.js';
import { DOT } from './symbols.js';

const HIDDEN = DOT + 1; // pixels between two dots of which one hides the other
const LARGEST = 15; // radius of a stack's ring
const NONE = -1;
const KEY = 2 ** 24; // more photographs than a page can hold

// A stack is known by its first photograph. Arrays, because 100,000 objects take 50 ms.
const many = points.length;
const [next, last, count, beside] = [0, 1, 2, 3].map(() => new Int32Array(many));
const [xs, ys] = [0, 1].map(() => new Float64Array(many));

// Classes follow each other in the file; taken in that order, the last would hide the others.
function shuffled(length) {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const order = shuffled(many);

// Square cells over some bounds, which stay with the ground when the map is dragged.
function cells({ min, max }, origin, size) {
  const left = min.x - L.Util.wrapNum(min.x + origin.x, [0, size]) - size;
  const top = min.y - L.Util.wrapNum(min.y + origin.y, [0, size]) - size;
  const columns = Math.ceil((max.x - left) / size) + 2;
  const first = new Int32Array(columns * (Math.ceil((max.y - top) / size) + 2)).fill(NONE);
  const at = (x, y) => Math.floor((y - top) / size) * columns + Math.floor((x - left) / size);
  const around = [-columns, 0, columns].flatMap((row) => [row - 1, row, row + 1]);
  around.sort((a, b) => Math.abs(a) - Math.abs(b)); // its own cell first
  return { first, at, around };
}

const away = (i, x, y) => (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
const radiusOf = (size) => (size === 1 ? DOT : size < 100 ? 10 : size < 1000 ? 13 : LARGEST);

function join(stack, i) {
  next[last[stack]] = i;
  last[stack] = last[i];
  count[stack] += count[i];
  count[i] = 0;
}

// Photographs whose dots lie upon each other, by the first of them in the shuffled order.
function piled(place, bounds, origin) {
  const { first, at, around } = cells(bounds, origin, HIDDEN);
  const { min, max } = bounds;
  const fronts = [];
  for (const i of order) {
    if (!shown[i]) continue;
    const x = place.x(i);
    const y = place.y(i);
    if (x < min.x || x > max.x || y < min.y || y > max.y) continue;
    [next[i], last[i], count[i], xs[i], ys[i]] = [NONE, i, 1, x, y];
    const cell = at(x, y);
    let k = 0;
    for (; k < 9; k++) {
      const front = first[cell + around[k]];
      if (front !== NONE && away(front, x, y) <= HIDDEN ** 2) {
        join(front, i);
        break;
      }
    }
    if (k === 9) fronts.push(first[cell] = i);
  }
  return fronts;
}

function largestFirst(fronts) {
  const keys = Float64Array.from(fronts.filter((i) => count[i] > 1), (i) => i - count[i] * KEY);
  return Array.from(keys.sort(), (key) => (key % KEY + KEY) % KEY);
}

// A stack's ring is larger than a dot, and hides more: it takes that in.
function merge(fronts, bounds, origin) {
  const { first, at, around } = cells(bounds, origin, 2 * LARGEST);
  for (const i of fronts) {
    const cell = at(xs[i], ys[i]);
    [beside[i], first[cell]] = [first[cell], i];
  }
  for (const stack of largestFirst(fronts)) {
    if (count[stack] === 0) continue;
    const cell = at(xs[stack], ys[stack]);
    for (const step of around) {
      for (let i = first[cell + step]; i !== NONE; i = beside[i]) {
        if (count[i] === 0 || i === stack) continue;
        const reach = radiusOf(count[stack]) + radiusOf(count[i]) - (count[i] > 1 ? 0 : 3);
        if (away(i, xs[stack], ys[stack]) < reach ** 2) join(stack, i);
      }
    }
  }
}

/* The stacks within some bounds, in layer pixels: the photograph in front, its place, how many
 * there are and the radius of the symbol. Dots that hide no others are stacks of one. */
export function gather(place, bounds, origin) {
  const fronts = piled(place, bounds, origin);
  merge(fronts, bounds, origin);
  return fronts.filter((i) => count[i] > 0).map((i) => {
    return { front: i, x: xs[i], y: ys[i], count: count[i], radius: radiusOf(count[i]) };
  });
}

// The photographs of a stack of the last gathering.
export function membersOf({ front }) {
  const members = [];
  for (let i = front; i !== NONE; i = next[i]) members.push(i);
  return members;
}

// How many of each kind they are.
export function countKinds({ front }, kinds, counts) {
  counts.fill(0);
  for (let i = front; i !== NONE; i = next[i]) counts[kinds[i]]++;
  return counts;
}
