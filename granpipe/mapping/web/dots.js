/* A dot for each photograph, in the colour and shape of its class, and a ring for each stack. */

import { points } from './data.js';
import { onFilter } from './filter.js';
import { KINDS, kinds } from './legend.js';
import { Painting } from './painting.js';
import { layerPoint, map, placing } from './place.js';
import { countKinds, gather, membersOf } from './stacks.js';
import { DOT, SYMBOL, colourOf, onTheme, symbol, themed } from './symbols.js';

export const FAN = 6 * DOT; // radius of what shows where a camera looked
const EQUATOR = 40075016.686 / 256; // metres a pixel at zoom 0
// The photograph in the popup, those that it pages through, and how many dots are in the picture.
export const state = { opened: -1, pile: [], drawn: 0 };
const pictures = Array.from({ length: KINDS }, (_, kind) => symbol(kind));
const counts = new Uint32Array(KINDS);
let stacks = [];

function paintDots(context, bounds) {
  stacks = gather(placing(), bounds, map.getPixelOrigin());
  state.drawn = stacks.reduce((sum, { count }) => sum + count, 0);
  for (const stack of stacks) if (stack.count === 1) paintDot(context, stack.front, stack);
  const rings = stacks.filter(({ count }) => count > 1).sort((a, b) => a.count - b.count);
  const colours = { text: themed('text'), paper: themed('paper'), edge: '#1c2320' };
  Object.assign(context, { textAlign: 'center', textBaseline: 'middle' });
  for (const stack of rings) paintStack(context, stack, colours);
  if (state.opened >= 0) paintOpened(context, state.opened);
}

function paintDot(context, i, { x, y }) {
  context.drawImage(pictures[kinds()[i]], x - SYMBOL / 2, y - SYMBOL / 2, SYMBOL, SYMBOL);
}

function disc(context, { x, y }, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

// A ring of the classes' shares around the count.
function paintStack(context, stack, { text, paper, edge }) {
  const { x, y, count, radius } = stack;
  disc(context, stack, radius + 1, edge);
  let start = -Math.PI / 2;
  countKinds(stack, kinds(), counts).forEach((share, kind) => {
    if (share === 0) return;
    const end = start + share / count * 2 * Math.PI;
    context.fillStyle = colourOf(kind);
    context.beginPath();
    context.moveTo(x, y);
    context.arc(x, y, radius, start, end);
    context.fill();
    start = end;
  });
  disc(context, stack, radius - 3, paper);
  context.fillStyle = text;
  context.font = `bold ${count < 100 ? 10 : 9}px system-ui, sans-serif`;
  context.fillText(short(count), x, y + 0.5);
}

const short = (count) => (count < 1000 ? count : count < 1e4 ? `${Math.floor(count / 100) / 10}k`
  : `${Math.floor(count / 1000)}k`);

// How far off a photograph may be, as a circle around it.
function paintAccuracy(context, i, { x, y }) {
  const [lat, , , , , , , , , , , , , , accuracy] = points[i];
  if (typeof accuracy !== 'number') return;
  const scale = 2 ** map.getZoom() / (EQUATOR * Math.cos(lat / 180 * Math.PI)); // pixels a metre
  context.beginPath();
  context.arc(x, y, accuracy * scale, 0, 2 * Math.PI);
  Object.assign(context, {
    fillStyle: 'rgb(86 180 233 / 20%)', strokeStyle: 'rgb(28 35 32 / 85%)', lineWidth: 1,
  });
  context.fill();
  context.stroke();
}

// The photograph in the popup: a ring, and a fan for the way its camera looked.
function paintOpened(context, i) {
  const { x, y } = layerPoint(i);
  paintAccuracy(context, i, { x, y });
  const direction = points[i][8];
  Object.assign(context, {
    fillStyle: 'rgb(255 255 255 / 80%)', strokeStyle: '#1c2320', lineWidth: 1,
  });
  context.beginPath();
  context.arc(x, y, DOT + 4, 0, 2 * Math.PI);
  if (typeof direction === 'number') {
    const ahead = (direction / 180 - 0.5) * Math.PI;
    context.moveTo(x, y);
    context.arc(x, y, FAN, ahead - 0.4, ahead + 0.4);
    context.closePath();
  }
  context.fill();
  context.stroke();
  paintDot(context, i, { x, y });
}

// Where dots and rings are in the last picture, in layer pixels, and their radii.
export const symbols = () => stacks;

// The stack whose symbol lies within some pixels of a place, the nearest.
export function stackAt({ x, y }, slack) {
  let found = null;
  let least = Infinity;
  for (const stack of stacks) {
    const away = Math.hypot(stack.x - x, stack.y - y);
    if (away <= stack.radius + slack && away < least) [found, least] = [stack, away];
  }
  return found;
}

export function stackOf(i) {
  const at = layerPoint(i);
  const near = stacks.filter(({ x, y }) => Math.hypot(x - at.x, y - at.y) < 3 * SYMBOL);
  return near.find((stack) => membersOf(stack).includes(i)) ?? null;
}

export const dots = new Painting(paintDots);
onFilter('filter', () => dots.repaint());
onTheme(() => dots.repaint());
