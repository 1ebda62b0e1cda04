/* Areas, lines and places that somebody laid over the map: below the dots, above the tiles. */

import { numbers, worldX, worldY } from './countries.js';
import { data } from './data.js';
import { areaOf, areaText, lengthOf } from './measures.js';
import { Painting } from './painting.js';
import { map } from './place.js';
import { colourOf, onTheme } from './symbols.js';
import { button, distance, element, growingList, name, number, part, visible } from './text.js';

const UNITS = 1e6; // to a degree, as granpipe.mapping.overlay writes them
const [AREA, , PLACE] = [0, 1, 2];
const NAME = 'bold 12px system-ui, sans-serif';

function lineOf(text) {
  const steps = numbers(text);
  const places = [];
  for (let k = 0, lon = 0, lat = 0; k < steps.length; k += 2) {
    lon += steps[k];
    lat += steps[k + 1];
    places.push([lat / UNITS, lon / UNITS]);
  }
  return places;
}

function shapeOf([name, kind, text, crop, colour]) {
  const title = crop ? `${name}: ${crop}` : name;
  const parts = text.split(';').map((one) => one.split(' ').map(lineOf));
  const box = L.latLngBounds(parts.flat(2));
  return { title, kind, parts, box, colour: colour >= 0 ? colourOf(colour) : null };
}

const shapes = data.overlay.map(shapeOf);
const state = { isShown: true };

// Each shape lies on the copy of the world that is nearest to the middle of the view.
function placingOf({ box }) {
  const scale = 2 ** map.getZoom();
  const world = 256 * scale;
  const origin = map.getPixelOrigin();
  const at = worldX(box.getCenter().lng) * scale;
  const dx = Math.round((map.getPixelBounds().getCenter().x - at) / world) * world - origin.x;
  return ([lat, lon]) => [worldX(lon) * scale + dx, worldY(lat) * scale - origin.y];
}

function isVisible({ box }, place, { min, max }) {
  const [left, bottom] = place([box.getSouth(), box.getWest()]);
  const [right, top] = place([box.getNorth(), box.getEast()]);
  return right >= min.x && left <= max.x && bottom >= min.y && top <= max.y;
}

function trace(context, { kind, parts }, place) {
  context.beginPath();
  for (const line of parts.flat()) {
    line.map(place).forEach(([x, y], k) => {
      if (kind === PLACE) {
        context.moveTo(x + 5, y);
        context.arc(x, y, 5, 0, 2 * Math.PI);
      } else {
        context[k ? 'lineTo' : 'moveTo'](x, y);
      }
    });
    if (kind === AREA) context.closePath();
  }
}

function paintName(context, { title, box }, place) {
  const [left, bottom] = place([box.getSouth(), box.getWest()]);
  const [right, top] = place([box.getNorth(), box.getEast()]);
  const text = visible(title);
  if (context.measureText(text).width > right - left || bottom - top < 14) return;
  context.strokeText(text, (left + right) / 2, (top + bottom) / 2);
  context.fillText(text, (left + right) / 2, (top + bottom) / 2);
}

function paint(context, bounds) {
  if (!state.isShown) return;
  const seen = shapes.map((shape) => [shape, placingOf(shape)])
    .filter(([shape, place]) => isVisible(shape, place, bounds));
  context.lineJoin = 'round';
  for (const [shape, place] of seen) {
    trace(context, shape, place);
    context.fillStyle = shape.colour ? `${shape.colour}59` : 'rgb(255 255 255 / 12%)';
    if (shape.kind === AREA) context.fill('evenodd');
    // Light on dark: seen on satellite images, streets and outlines in both themes.
    for (const [strokeStyle, lineWidth] of [['rgb(28 35 32 / 85%)', 4], [shape.colour ?? '#ffd84d', 2]]) {
      Object.assign(context, { strokeStyle, lineWidth }).stroke();
    }
  }
  Object.assign(context, {
    font: NAME, textAlign: 'center', textBaseline: 'middle', fillStyle: '#fff',
    strokeStyle: 'rgb(28 35 32 / 85%)', lineWidth: 3,
  });
  for (const [shape, place] of seen) if (shape.title) paintName(context, shape, place);
}

function surrounds(ring, [x, y]) {
  let inside = false;
  ring.forEach(([ax, ay], k) => {
    const [bx, by] = ring[(k || ring.length) - 1];
    if (ay > y !== by > y && (y - ay) / (by - ay) * (bx - ax) + ax > x) inside = !inside;
  });
  return inside;
}

// The smallest area around a place of the screen, in layer pixels.
function areaAt({ x, y }) {
  const around = shapes.filter((shape) => {
    const place = placingOf(shape);
    if (shape.kind !== AREA || !isVisible(shape, place, { min: { x, y }, max: { x, y } })) {
      return false;
    }
    const rings = shape.parts.flat();
    return rings.filter((ring) => surrounds(ring.map(place), [x, y])).length % 2 === 1;
  });
  return around.sort((a, b) => sizeOf(a) - sizeOf(b))[0];
}

const sizeOf = ({ parts }) => parts.reduce((sum, [outer, ...holes]) => {
  return sum + areaOf(outer) - holes.reduce((inner, hole) => inner + areaOf(hole), 0);
}, 0);

function measureText(shape) {
  if (shape.kind === AREA) return areaText(sizeOf(shape));
  if (shape.kind === PLACE) return '';
  return distance(shape.parts.flat().reduce((sum, line) => sum + lengthOf(line), 0));
}

const titleOf = ({ title }) => (title ? name(title) : '(no name)');

function show(shape, at) {
  const content = element('div', {}, element('strong', {}, titleOf(shape)), ` ${measureText(shape)}`);
  L.popup().setLatLng(at).setContent(content).openOn(map);
}

const painting = new Painting(paint, { pane: 'parcels' });

function row(shape) {
  const size = element('span', { class: 'number' }, measureText(shape));
  const swatch = shape.colour ? element('span', { class: 'swatch' }) : '';
  if (swatch) swatch.style.background = shape.colour;
  return button({ class: 'row' }, [swatch, titleOf(shape), size], () => {
    map.fitBounds(shape.box, { padding: [40, 40], maxZoom: 17, animate: false });
    show(shape, shape.box.getCenter());
  });
}

// Open the area around a place of the map, if there is one.
export function openArea({ layerPoint, latlng }) {
  const shape = state.isShown && areaAt(layerPoint);
  if (shape) show(shape, latlng);
}

export function showOverlay() {
  if (shapes.length === 0) return;
  map.createPane('parcels').style.zIndex = 300;
  painting.addTo(map);
  onTheme(() => painting.repaint());
  const section = part('overlay');
  section.hidden = false;
  section.querySelector('.count').textContent = number(shapes.length);
  section.addEventListener('toggle', () => {
    section.querySelector('.rows').append(...growingList(shapes, row));
  }, { once: true });
  part('show-overlay').addEventListener('change', ({ target }) => {
    state.isShown = target.checked;
    painting.repaint();
  });
}
