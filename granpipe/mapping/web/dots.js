/* One dot per photograph on a canvas, in the colour and shape of its class, and a grid below. */

import { data, labels, points } from './data.js';
import { degrees, element, longitude } from './text.js';

export const DOT = 6; // radius in CSS pixels
const SYMBOL = 20; // side of a dot's picture, which has an outline
const CELL = 4;
// Okabe and Ito's eight, told apart with every kind of colour blindness.
const COLOURS = [
  '#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7', '#000000',
];
// Then the shape changes: corners, 0 for a circle, and turns of the first corner from the top.
const SHAPES = [[0, 0], [4, 1 / 8], [3, 0], [4, 0], [3, 1 / 2]];

export const map = chart; // folium's
export const on = data.labels.map(() => true); // the classes switched on
export const state = { opened: -1, drawn: 0 }; // the photograph in the popup; dots in the picture
const ratio = window.devicePixelRatio || 1;

const worldX = new Float64Array(points.length); // in pixels at zoom 0
const worldY = new Float64Array(points.length);
points.forEach(([lat, lon], i) => {
  ({ x: worldX[i], y: worldY[i] } = L.CRS.EPSG3857.latLngToPoint(L.latLng(lat, lon), 0));
});

/* Where photographs lie in Leaflet's layer pixels, each on the copy of the world that is nearest to
 * the middle of the view: so both sides of the antimeridian lie side by side. */
function placing() {
  const scale = 2 ** map.getZoom();
  const world = 256 * scale;
  const origin = map.getPixelOrigin();
  const middle = map.getPixelBounds().getCenter().x;
  return {
    x(i) {
      const x = worldX[i] * scale;
      return x + Math.round((middle - x) / world) * world - origin.x;
    },
    y: (i) => worldY[i] * scale - origin.y,
  };
}

export function layerPoint(i) {
  const place = placing();
  return L.point(place.x(i), place.y(i));
}

export const whereabouts = (i) => map.layerPointToLatLng(layerPoint(i));

// The photographs of the classes switched on within a radius, the nearest first.
export function within(radius, { x, y }) {
  const place = placing();
  const found = [];
  for (let i = 0; i < points.length; i++) {
    const distance = Math.hypot(place.x(i) - x, place.y(i) - y);
    if (distance <= radius && on[labels[i]]) found.push([distance, i]);
  }
  return found.sort(([a, i], [b, j]) => a - b || i - j).map(([, i]) => i);
}

export function symbol(label) {
  const canvas = element('canvas', { width: SYMBOL * ratio, height: SYMBOL * ratio });
  canvas.style.width = `${SYMBOL}px`;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.translate(SYMBOL / 2, SYMBOL / 2);
  const shape = outline(...SHAPES[Math.floor(label / COLOURS.length) % SHAPES.length]);
  context.lineJoin = 'round';
  for (const [colour, width] of [['rgb(0 0 0 / 60%)', 3.5], ['#fff', 2]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width }).stroke(shape);
  }
  context.fillStyle = COLOURS[label % COLOURS.length];
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

const symbols = data.labels.map((_, label) => symbol(label));

// Classes follow each other in the file; painted in that order, the last would hide the others.
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

// One dot in each CELL of pixels: more would hide each other, and 100,000 take 0.7 s.
function paintDots(context, { min, max }) {
  const place = placing();
  const origin = map.getPixelOrigin();
  // Cells stay with the ground, or dots would flicker when the map is dragged.
  const left = min.x - L.Util.wrapNum(min.x + origin.x, [0, CELL]);
  const top = min.y - L.Util.wrapNum(min.y + origin.y, [0, CELL]);
  const columns = Math.ceil((max.x - left) / CELL) + 1;
  const taken = new Uint8Array(columns * (Math.ceil((max.y - top) / CELL) + 1));
  state.drawn = 0;
  for (const i of order) {
    if (!on[labels[i]]) continue;
    const x = place.x(i);
    const y = place.y(i);
    if (x < min.x || x > max.x || y < min.y || y > max.y) continue;
    state.drawn++;
    const cell = Math.floor((y - top) / CELL) * columns + Math.floor((x - left) / CELL);
    if (!taken[cell]) paintDot(context, i, x, y);
    taken[cell] = 1;
  }
  if (state.opened >= 0) paintOpened(context, state.opened);
}

function paintDot(context, i, x, y) {
  context.drawImage(symbols[labels[i]], x - SYMBOL / 2, y - SYMBOL / 2, SYMBOL, SYMBOL);
}

// The photograph in the popup: a ring, and a fan for the way its camera looked.
function paintOpened(context, i) {
  const { x, y } = layerPoint(i);
  const direction = points[i][8];
  Object.assign(context, { fillStyle: 'rgb(255 255 255 / 75%)', strokeStyle: '#000' });
  context.beginPath();
  context.arc(x, y, DOT + 4, 0, 2 * Math.PI);
  if (typeof direction === 'number') {
    const ahead = (direction / 180 - 0.5) * Math.PI;
    context.moveTo(x, y);
    context.arc(x, y, 6 * DOT, ahead - 0.4, ahead + 0.4);
    context.closePath();
  }
  context.fill();
  context.stroke();
  paintDot(context, i, x, y);
}

function paintGrid(context, { min, max }) {
  const [{ lat: north, lng: west }, { lat: south, lng: east }] = [min, max].map(
    (corner) => map.layerPointToLatLng(corner),
  );
  const step = roundStep((east - west) / (max.x - min.x) * 110);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const edge = map.containerPointToLayerPoint([map.getSize().x - 4, 12]);
  Object.assign(context, { strokeStyle: '#c3cabf', fillStyle: '#55605a', font: '11px sans-serif' });
  context.textAlign = 'right';
  context.beginPath();
  for (let k = Math.ceil(west / step); k * step <= east; k++) {
    const x = Math.round(map.latLngToLayerPoint([0, k * step]).x) + 0.5;
    context.moveTo(x, min.y);
    context.lineTo(x, max.y);
    context.fillText(longitude(k * step, digits), x - 3, edge.y);
  }
  for (let k = Math.ceil(south / step); k * step <= north; k++) {
    const y = Math.round(map.latLngToLayerPoint([k * step, 0]).y) + 0.5;
    context.moveTo(min.x, y);
    context.lineTo(max.x, y);
    context.fillText(degrees(k * step, digits, 'NS'), edge.x, y - 3);
  }
  context.stroke();
}

// The next round number of degrees: 90, 45, 30, 20, 10, 5, 2, 1, 0.5, ...
function roundStep(atLeast) {
  if (atLeast > 20) return [30, 45].find((step) => step >= atLeast) ?? 90;
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= atLeast);
}

const Painting = L.Renderer.extend({
  initialize(paint, options) {
    L.Renderer.prototype.initialize.call(this, { padding: 0.2, ...options });
    this.paint = paint;
  },
  _initContainer() {
    this._container = document.createElement('canvas');
  },
  _destroyContainer() {
    this._container.remove();
  },
  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const { x, y } = this._bounds.getSize();
    L.DomUtil.setPosition(this._container, this._bounds.min);
    Object.assign(this._container, { width: x * ratio, height: y * ratio });
    Object.assign(this._container.style, { width: `${x}px`, height: `${y}px` });
    this.repaint();
  },
  repaint() {
    const context = this._container.getContext('2d');
    const { min } = this._bounds;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this._container.width, this._container.height);
    context.setTransform(ratio, 0, 0, ratio, -min.x * ratio, -min.y * ratio);
    this.paint(context, this._bounds);
  },
});

export const dots = new Painting(paintDots);
// Below the tiles: it shows wherever none arrive.
map.createPane('grid').style.zIndex = 100;
export const grid = new Painting(paintGrid, { pane: 'grid' });

export function switchClasses(isOn) {
  on.forEach((_, label) => { on[label] = isOn(label); });
  dots.repaint();
  map.fire('classes');
}
