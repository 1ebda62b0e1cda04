/* The popup of a photograph or a stack, and the tooltip. */

import { card } from './card.js';
import { data, points } from './data.js';
import { onFilter, reveal, shown } from './filter.js';
import { viewer } from './lists.js';
import { FAN, dots, stackAt, stackOf, state } from './dots.js';
import { openArea } from './overlay.js';
import { map, whereabouts } from './place.js';
import { ruler } from './ruler.js';
import { mixList, sheet } from './sheet.js';
import { membersOf } from './stacks.js';
import { DOT } from './symbols.js';
import { button, element, number, part, visible } from './text.js';

const PAGED = 12; // photographs that are paged through; more make a contact sheet
const NEAR = 12; // zoom that a place without photographs is shown at, or nearer
const CLOSE = 15; // zoom that a photograph from a list is shown at, or nearer
const APART = 1e-5; // degrees that come apart at the nearest zoom

const isTouched = matchMedia('(pointer: coarse)').matches;
// Clear of the zoom and layer buttons.
const popup = L.popup({ autoPanPaddingTopLeft: isTouched ? [62, 72] : [52, 56] });
const tooltip = L.tooltip({ direction: 'top', offset: [0, -DOT] });
let returnTo = null; // what had the focus before the popup
let last = -1; // the photograph that was opened last

// popup.update() would take the content out and put it back, and so drop the focus.
function keepInView() {
  if (popup.isOpen()) popup.setLatLng(popup.getLatLng());
}

function boundsOf(members) {
  return members.reduce((box, i) => box.extend(whereabouts(i)), L.latLngBounds([]));
}

// A button that zooms in until the photographs of the pile come apart, if they ever do.
function zoomer() {
  const box = boundsOf(state.pile);
  const apart = Math.max(box.getNorth() - box.getSouth(), box.getEast() - box.getWest());
  if (apart < APART || map.getZoom() === map.getMaxZoom()) return '';
  return button({ class: 'more' }, ['Zoom in'], () => {
    map.closePopup();
    map.fitBounds(box, { padding: [40, 40], animate: false });
  });
}

function pager(turn, back) {
  const many = state.pile.length;
  const all = many > PAGED ? button({}, [`All ${number(many)}`], back) : '';
  return element('div', { class: 'pager buttons' },
    button({ 'aria-label': 'Previous photograph here' }, ['‹'], () => turn(-1)),
    element('span', { role: 'status' }),
    all,
    zoomer(),
    button({ 'aria-label': 'Next photograph here' }, ['›'], () => turn(1)));
}

// The fan of where the camera looked is between the dot and the popup where it looks up.
function lift(i) {
  const direction = points[i][8];
  if (typeof direction !== 'number') return 0;
  const off = Math.abs((direction + 180) % 360 - 180) / 180 * Math.PI; // from north
  return Math.max(0, Math.cos(Math.max(0, off - 0.4))) * FAN;
}

function frame(content) {
  content.tabIndex = -1;
  content.classList.add('popup');
  content.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') map.closePopup();
  });
  // Leaflet takes a click on what the click itself removed for one on the map.
  content.addEventListener('click', (event) => event.stopPropagation());
  return content;
}

function show(content, i, title) {
  state.opened = i;
  popup.options.offset = L.point(0, 7 - (i < 0 ? 14 : lift(i)));
  popup.setContent(content);
  if (!popup.isOpen()) popup.openOn(map);
  const dialog = popup.getElement();
  dialog.setAttribute('role', 'dialog');
  dialog.setAttribute('aria-label', visible(title));
  content.focus({ preventScroll: true });
  dots.repaint();
}

function showSheet(front) {
  const content = frame(sheet(state.pile, showCard));
  content.querySelector('.many').append(' ', zoomer());
  popup.setLatLng(whereabouts(front));
  show(content, -1, `${number(state.pile.length)} photographs`);
}

function showCard(first) {
  const content = frame(element('div', {}, element('div')));
  let page = state.pile.indexOf(first);
  const turn = (by) => {
    page = (page + by + state.pile.length) % state.pile.length;
    last = state.opened = state.pile[page];
    content.firstChild.replaceWith(card(last, keepInView));
    const count = content.querySelector('.pager span');
    if (count) count.textContent = `${number(page + 1)} of ${number(state.pile.length)} here`;
  };
  const leaf = (by) => {
    turn(by);
    show(content, last, points[last][3]);
  };
  if (state.pile.length > 1) content.append(pager(leaf, () => showSheet(last)));
  content.addEventListener('keydown', ({ key }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by && state.pile.length > 1) leaf(by);
  });
  turn(0);
  popup.setLatLng(whereabouts(last));
  show(content, last, points[last][3]);
}

function prepare(members) {
  if (!popup.isOpen()) returnTo = document.activeElement;
  state.pile = members.sort((a, b) => a - b);
  const width = Math.min(Math.max(340, data.picture), map.getSize().x - (isTouched ? 98 : 88));
  Object.assign(popup.options, { minWidth: Math.min(300, width), maxWidth: width });
}

// Open a photograph; `near` zooms to it.
export function open(i, { near = false } = {}) {
  reveal(i);
  const place = whereabouts(i);
  const zoom = near ? Math.max(map.getZoom(), CLOSE) : map.getZoom();
  if (zoom !== map.getZoom() || !map.getBounds().contains(place)) {
    map.setView(place, zoom, { animate: false });
  }
  const stack = stackOf(i);
  prepare(stack ? membersOf(stack) : [i]);
  showCard(i);
}

function openStack(stack) {
  prepare(membersOf(stack));
  if (state.pile.length > PAGED) showSheet(stack.front);
  else showCard(stack.front);
}

// Open the next photograph that is shown, or the previous one.
function step(by) {
  let i = last < 0 && by < 0 ? points.length : last;
  do i += by; while (i >= 0 && i < points.length && !shown[i]);
  if (i >= 0 && i < points.length) open(i);
}

// How many photographs of which classes lie under the pointer.
function hover(stack) {
  map.getContainer().classList.toggle('over-dot', stack !== null);
  if (stack === null) return tooltip.remove();
  const content = element('div', {}, ...mixList(membersOf(stack)));
  return tooltip.setContent(content).setLatLng(whereabouts(stack.front)).addTo(map);
}

export function openPopups() {
  const slack = isTouched ? 2 * DOT : DOT / 2;
  viewer.open = open;
  viewer.show = ({ lat, lon }) => map.setView([lat, lon], Math.max(map.getZoom(), NEAR));
  map.on('click', ({ layerPoint: at, latlng }) => {
    const stack = ruler.isOn ? null : stackAt(at, slack);
    if (stack) openStack(stack);
    else if (!ruler.isOn) openArea({ layerPoint: at, latlng });
  });
  map.on('mousemove', ({ layerPoint: at }) => hover(ruler.isOn ? null : stackAt(at, slack)));
  map.on('mouseout', () => hover(null));
  map.on('popupopen', () => tooltip.remove());
  map.on('popupclose', ({ popup: closed }) => {
    if (closed !== popup) return;
    state.opened = -1;
    state.pile = [];
    dots.repaint();
    if (part('side').contains(document.activeElement)) return; // a filter took the popup away
    (returnTo?.isConnected ? returnTo : part('query')).focus({ preventScroll: true });
  });
  onFilter('filter', () => {
    if (popup.isOpen() && state.pile.some((i) => !shown[i])) map.closePopup();
  });
  map.getContainer().addEventListener('keydown', ({ key, ctrlKey, metaKey, altKey }) => {
    const by = { n: 1, p: -1 }[key.toLowerCase()];
    if (by && !ctrlKey && !metaKey && !altKey) step(by);
  });
}
