/* The popup, which pages through the photographs whose dots cover each other, and the tooltip. */

import { data, labels, points } from './data.js';
import { DOT, dots, layerPoint, map, on, state } from './dots.js';
import { switchClasses, whereabouts, within } from './dots.js';
import { button, compass, element, labelName, name, number } from './text.js';
import { photographLink, positionText } from './text.js';

const width = Math.min(320, window.innerWidth - 90);
const popup = L.popup({
  minWidth: width,
  maxWidth: width,
  autoPanPaddingTopLeft: [52, 48], // clear of the zoom and layer buttons
});
const tooltip = L.tooltip({ direction: 'top', offset: [0, -DOT] });
let returnTo = null; // what had the focus before the popup

export let pile = []; // the photographs that the popup pages through

function facts(i) {
  const [lat, lon, label, , taken, , camera, altitude, direction] = points[i];
  const list = element('dl');
  const add = (term, value) => list.append(element('dt', {}, term), element('dd', {}, value));
  add('Class', labelName(label));
  if (taken) add('Taken', name(taken));
  if (data.cameras[camera]) add('Camera', name(data.cameras[camera]));
  if (typeof altitude === 'number') add('Altitude', `${altitude} m`);
  if (typeof direction === 'number') add('Looking', compass(direction));
  add('Position', positionText(lat, lon) + (data.digits === null ? '' : ' (rounded)'));
  return list;
}

function card(i) {
  const [, , , source, , , , , , thumbnail] = points[i];
  const text = element('div', {}, photographLink(source), facts(i));
  const node = element('div', { class: 'card' }, text);
  if (thumbnail) {
    const image = element('img', { src: `data:image/jpeg;base64,${thumbnail}`, alt: '' });
    image.addEventListener('load', keepInView);
    node.prepend(image);
  }
  return node;
}

// popup.update() would take the content out and put it back, and so drop the focus.
function keepInView() {
  if (popup.isOpen()) popup.setLatLng(popup.getLatLng());
}

function pager(turn) {
  return element('div', { class: 'pager buttons' },
    button({ 'aria-label': 'Previous photograph here' }, ['‹'], () => turn(-1)),
    element('span', { role: 'status' }),
    button({ 'aria-label': 'Next photograph here' }, ['›'], () => turn(1)));
}

function pages(first) {
  const body = element('div', { class: 'popup', tabindex: -1 }, element('div'));
  if (pile.length > 1) body.append(pager((by) => turn(by)));
  let page = pile.indexOf(first);
  const turn = (by) => {
    page = (page + by + pile.length) % pile.length;
    state.opened = pile[page];
    body.firstChild.replaceWith(card(state.opened));
    const count = body.querySelector('.pager span');
    if (count) count.textContent = `${number(page + 1)} of ${number(pile.length)} here`;
    dots.repaint();
    keepInView();
  };
  body.addEventListener('keydown', ({ key }) => {
    if (key === 'ArrowLeft') turn(-1);
    if (key === 'ArrowRight') turn(1);
    if (key === 'Escape') map.closePopup();
  });
  turn(0);
  return body;
}

export function open(i) {
  if (!on[labels[i]]) switchClasses((label) => on[label] || label === labels[i]);
  const place = whereabouts(i);
  if (!map.getBounds().contains(place)) map.setView(place, map.getZoom(), { animate: false });
  if (!popup.isOpen()) returnTo = document.activeElement;
  pile = within(2 * DOT, layerPoint(i));
  const body = pages(i);
  popup.setContent(body).setLatLng(whereabouts(i)).openOn(map);
  body.focus({ preventScroll: true });
}

// Open the next photograph of a class switched on, or the previous one.
function step(by) {
  let i = state.opened < 0 && by < 0 ? points.length : state.opened;
  do i += by; while (i >= 0 && i < points.length && !on[labels[i]]);
  if (i >= 0 && i < points.length) open(i);
}

// How many photographs of which classes lie under the pointer.
function hover(nearest) {
  map.getContainer().classList.toggle('over-dot', nearest !== undefined);
  if (nearest === undefined) return tooltip.remove();
  const counts = new Map();
  for (const i of within(2 * DOT, layerPoint(nearest))) {
    counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
  }
  const line = ([label, count]) => element('div', {}, `${number(count)} `, labelName(label));
  const content = element('div', {}, ...Array.from(counts, line));
  return tooltip.setContent(content).setLatLng(whereabouts(nearest)).addTo(map);
}

export function openPopups() {
  const radius = matchMedia('(pointer: coarse)').matches ? 3 * DOT : 1.5 * DOT;
  map.on('click', ({ layerPoint: at }) => {
    const [nearest] = within(radius, at);
    if (nearest !== undefined) open(nearest);
  });
  map.on('mousemove', ({ layerPoint: at }) => hover(within(radius, at)[0]));
  map.on('mouseout', () => hover());
  map.on('popupopen', () => tooltip.remove());
  map.on('popupclose', () => {
    state.opened = -1;
    pile = [];
    dots.repaint();
    returnTo?.focus({ preventScroll: true });
  });
  map.on('classes', () => {
    if (state.opened >= 0 && !on[labels[state.opened]]) map.closePopup();
  });
  map.getContainer().addEventListener('keydown', ({ key, ctrlKey, metaKey, altKey }) => {
    const by = { n: 1, p: -1 }[key.toLowerCase()];
    if (by && !ctrlKey && !metaKey && !altKey) step(by);
  });
}
