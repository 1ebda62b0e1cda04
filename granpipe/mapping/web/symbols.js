/* The dots' colours and shapes, and the colours of what else is painted, by the system's theme. */

import { data } from './data.js';
import { element } from './text.js';

export const DOT = 6; // radius in CSS pixels
export const SYMBOL = 20; // side of a dot's picture, which has an outline
export const ratio = window.devicePixelRatio || 1;
// Corners, 0 for a circle, and turns of the first corner from the top. Five shapes and eight
// colours: no two of forty classes share both, and neighbours share neither.
const SHAPES = [[0, 0], [4, 1 / 8], [3, 0], [4, 0], [3, 1 / 2]];

export const colourOf = (kind) => data.colours[kind % data.colours.length];

export function symbol(kind) {
  const canvas = element('canvas', {
    width: SYMBOL * ratio, height: SYMBOL * ratio, 'aria-hidden': true,
  });
  canvas.style.width = `${SYMBOL}px`;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.translate(SYMBOL / 2, SYMBOL / 2);
  const shape = outline(...SHAPES[kind % SHAPES.length]);
  context.lineJoin = 'round';
  for (const [colour, width] of [['rgb(255 255 255 / 85%)', 5], ['#1c2320', 2.5]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width }).stroke(shape);
  }
  context.fillStyle = colourOf(kind);
  context.fill(shape);
  return canvas;
}

function outline(corners, turn) {
  const path = new Path2D();
  if (corners === 0) path.arc(0, 0, DOT, 0, 2 * Math.PI);
  for (let corner = 0; corner < corners; corner++) {
    const angle = 2 * Math.PI * (corner / corners + turn - 0.25);
    path.lineTo(1.2 * DOT * Math.cos(angle), 1.2 * DOT * Math.sin(angle));
  }
  path.closePath();
  return path;
}

const dark = matchMedia('(prefers-color-scheme: dark)');

// The value of a property of page.css, where both themes are.
export function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
}

export const onTheme = (act) => dark.addEventListener('change', act);
