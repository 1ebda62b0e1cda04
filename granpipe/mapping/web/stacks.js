/* Stacks of photographs whose dots would hide each other. */

import { points } from './data.js';
import { shown } from './filter.js';
import { DOT } from './symbols.js';

const HIDDEN = DOT + 1; // pixels between two dots of which one hides the other
const NONE = -1;

const next = new Int32Array(points.length); // the next photograph of the same stack

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

const order = shuffled(points.length);

// Square cells over some bounds, which stay with the ground when the map is dragged.
function cells({ min, max }, origin, size) {
  const left = min.x - L.Util.wrapNum(min.x + origin.x, [0, size]);
  const top = min.y - L.Util.wrapNum(min.y + origin.y, [0, size]);
  const columns = Math.ceil((max.x - left) / size) + 3; // and one on each side
  const first = new Int32Array(columns * (Math.ceil((max.y - top) / size) + 3)).fill(NONE);
  const at = (x, y) => (Math.floor((y - top) / size) + 1) * columns + Math.floor((x - left) / size) + 1;
  const around = [-columns, 0, columns].flatMap((row) => [row - 1, row, row + 1]);
  around.sort((a, b) => Math.abs(a) - Math.abs(b)); // its own cell first
  return { first, at, around };
}

export class Stack {
  constructor(i, x, y) {
    Object.assign(this, { front: i, last: i, x, y, count: 1, beside: null });
    next[i] = NONE;
  }

  add(i) {
    next[this.last] = i;
    next[i] = NONE;
    this.last = i;
    this.count++;
  }

  absorb(other) {
    next[this.last] = other.front;
    this.last = other.last;
    this.count += other.count;
    other.count = 0;
  }

  * members() {
    for (let i = this.front; i !== NONE; i = next[i]) yield i;
  }

  get radius() {
    return this.count === 1 ? DOT : this.count < 100 ? 10 : this.count < 1000 ? 12 : 14;
  }
}

// Photographs whose dots lie upon each other, by the first of them in the shuffled order.
function piled(place, bounds, origin) {
  const { first, at, around } = cells(bounds, origin, HIDDEN);
  const piles = [];
  const { min, max } = bounds;
  for (const i of order) {
    if (!shown[i]) continue;
    const x = place.x(i);
    const y = place.y(i);
    if (x < min.x || x > max.x || y < min.y || y > max.y) continue;
    const cell = at(x, y);
    const near = around.find((step) => {
      const pile = piles[first[cell + step]];
      return pile && (pile.x - x) ** 2 + (pile.y - y) ** 2 <= HIDDEN ** 2;
    });
    if (near !== undefined) piles[first[cell + near]].add(i);
    else first[cell] = piles.push(new Stack(i, x, y)) - 1;
  }
  return piles;
}

// A stack's ring is larger than a dot, and hides more: it takes that in.
export function gather(place, bounds, origin) {
  const piles = piled(place, bounds, origin);
  const { first, at, around } = cells(bounds, origin, 2 * 14);
  piles.forEach((pile, k) => {
    const cell = at(pile.x, pile.y);
    pile.beside = first[cell];
    first[cell] = k;
  });
  const large = piles.filter(({ count }) => count > 1).sort((a, b) => b.count - a.count);
  for (const stack of large) {
    if (stack.count === 0) continue;
    const cell = at(stack.x, stack.y);
    for (const step of around) {
      for (let k = first[cell + step]; k !== NONE; k = piles[k].beside) {
        const pile = piles[k];
        if (pile.count === 0 || pile === stack) continue;
        const reach = stack.radius + pile.radius - (pile.count > 1 ? 0 : 3);
        if ((pile.x - stack.x) ** 2 + (pile.y - stack.y) ** 2 < reach ** 2) stack.absorb(pile);
      }
    }
  }
  return piles.filter(({ count }) => count > 0);
}
