/* A ruler: clicks on the map measure a way and, from three places on, the area that they surround. */

import { areaOf, areaText, lengthOf } from './measures.js';
import { Painting } from './painting.js';
import { map } from './place.js';
import { onTheme, themed } from './symbols.js';
import { button, distance, element } from './text.js';

export const ruler = { isOn: false };
let places = []; // [lat, lon]

const line = new Painting((context) => {
  const xy = places.map((place) => map.latLngToLayerPoint(place));
  const trace = () => {
    context.beginPath();
    xy.forEach(({ x, y }) => context.lineTo(x, y));
  };
  trace();
  context.closePath();
  Object.assign(context, { fillStyle: 'rgb(0 114 178 / 18%)', lineJoin: 'round' });
  if (xy.length > 2) context.fill();
  trace();
  for (const [strokeStyle, lineWidth] of [[themed('paper'), 6], ['#0072b2', 3]]) {
    Object.assign(context, { strokeStyle, lineWidth }).stroke();
  }
  for (const { x, y } of xy) {
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: '#0072b2', strokeStyle: themed('paper'), lineWidth: 2 });
    context.fill();
    context.stroke();
  }
});

const result = element('span', { role: 'status' });

function reading() {
  if (places.length < 2) return places.length ? 'Click the next place.' : 'Click the first place.';
  const area = places.length > 2 ? `; area ${areaText(areaOf(places))}` : '';
  return `Length ${distance(lengthOf(places))}${area}`;
}

function measure(to) {
  places = to;
  result.textContent = reading();
  line.repaint();
}

const add = ({ lat, lng }) => measure([...places, [lat, lng]]);

function fields() {
  const node = element('div', { class: 'ruler buttons', role: 'group', 'aria-label': 'Ruler' }, result,
    button({}, ['Add centre'], () => add(map.getCenter())),
    button({}, ['Undo'], () => measure(places.slice(0, -1))),
    button({}, ['Close'], () => turn(false)));
  L.DomEvent.disableClickPropagation(node);
  return node;
}

const bar = L.control({ position: 'bottomleft' });
bar.onAdd = fields;
const knob = button({ 'aria-label': 'Measure distance and area', title: 'Measure' }, ['⟷'], () => {
  turn(!ruler.isOn);
});

function turn(isOn) {
  ruler.isOn = isOn;
  knob.setAttribute('aria-pressed', isOn);
  map.getContainer().classList.toggle('measuring', isOn);
  map.doubleClickZoom[isOn ? 'disable' : 'enable']();
  if (isOn) {
    map.closePopup();
    bar.addTo(map);
    line.addTo(map);
  } else {
    bar.remove();
    line.remove();
    knob.focus({ preventScroll: true });
  }
  measure([]);
}

export function offerRuler() {
  const control = L.control({ position: 'topleft' });
  control.onAdd = () => {
    const node = element('div', { class: 'leaflet-bar' }, knob);
    L.DomEvent.disableClickPropagation(node);
    return node;
  };
  knob.setAttribute('aria-pressed', 'false');
  control.addTo(map);
  map.on('click', ({ latlng }) => { if (ruler.isOn) add(latlng); });
  map.getContainer().addEventListener('keydown', ({ key }) => {
    if (key === 'Escape' && ruler.isOn) turn(false);
  });
  onTheme(() => line.repaint());
}
