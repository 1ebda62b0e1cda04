/* Lists of photographs on and off the map. */

import { card } from './card.js';
import { data, labels, points } from './data.js';
import { filter, indicesOf, onFilter, refine, shown, viewed } from './filter.js';
import { placeOf } from './search.js';
import { symbol } from './symbols.js';
import { button, element, growingList, name, number, part } from './text.js';
import { labelName, photographLink } from './text.js';

// The map's ways to open a photograph and to show a place, once there is a map.
export const viewer = { open: null, show: null };

function fillSection(id, count, fill) {
  const section = part(id);
  section.hidden = count === 0;
  section.querySelector('.count').textContent = number(count);
  section.addEventListener('toggle', () => fill(section.querySelector('.rows')), { once: true });
}

function photographButton(i) {
  const node = button({ class: 'row' }, [symbol(labels[i]), name(points[i][3])], () => {
    if (viewer.open) viewer.open(i, { near: true });
    else if (node.nextSibling) node.nextSibling.remove();
    else node.after(card(i));
  });
  return node;
}

let listed = null; // what the search lists
const buttons = new Map(); // of the search, by photograph: the focus returns to one after its popup

function foundButton(i) {
  if (!buttons.has(i)) buttons.set(i, photographButton(i));
  return buttons.get(i);
}

// What the list has: all that a search finds, or else what is in view.
export const listedNow = () => indicesOf(filter.query.trim() ? shown : viewed);

function update() {
  const isEmpty = filter.query.trim() === '';
  const hits = listedNow();
  part('find').querySelector('.count').textContent = number(hits.length);
  part('find').querySelector('.which').textContent = isEmpty ? 'in view' : 'found';
  if (!part('find').open) return;
  if (String(hits) !== listed) {
    part('find').querySelector('.rows').replaceChildren(...growingList(hits, foundButton));
    listed = String(hits);
  }
  part('found').textContent = isEmpty ? (hits.length > 0 ? '' : 'No photographs in view.') : outcome(hits);
  part('save').disabled = hits.length === 0;
}

function outcome(hits) {
  const place = placeOf(filter.query);
  if (hits.length === 0) return place ? 'No photograph there; press Enter to show the place.' : 'Nothing found.';
  const away = hits.filter((i) => !viewed[i]).length;
  const beyond = away ? `; ${number(away)} of them not in view` : '';
  return `${number(hits.length)} found${beyond}.`;
}

function search() {
  if (part('query').value !== filter.query) refine({ query: part('query').value });
  update();
}

function openFirst({ key }) {
  if (key !== 'Enter') return;
  const first = part('find').querySelector('.rows .row');
  const place = placeOf(part('query').value);
  if (first) first.click();
  else if (place) viewer.show?.(place);
}

function fillMissing(rows) {
  const groups = new Map();
  for (const row of data.missing) {
    const verdict = row[2];
    groups.set(verdict, groups.get(verdict) ?? []);
    groups.get(verdict).push(row);
  }
  groups.forEach((group, verdict) => rows.append(missingGroup(verdict, group)));
}

function missingGroup(verdict, group) {
  const summary = element('summary', {}, name(verdict), ` ${number(group.length)}`);
  const node = element('details', {}, summary);
  const reason = data.reasons[verdict];
  if (reason) node.append(element('p', { class: 'hint' }, reason));
  const fill = () => node.append(...growingList(group, missingRow));
  node.addEventListener('toggle', fill, { once: true });
  node.open = points.length === 0;
  return node;
}

function missingRow([source, , , detail]) {
  const row = element('div', {}, photographLink(source));
  if (detail) row.append(element('div', { class: 'hint' }, name(detail)));
  return row;
}

function conflictRow([i, field, crop]) {
  const told = [labelName(labels[i]), ', but field ', name(field), ' is declared as ', name(crop)];
  return element('div', {}, photographButton(i), element('div', { class: 'hint' }, ...told));
}

export function fillLists() {
  part('find').hidden = points.length === 0;
  part('find').addEventListener('toggle', update);
  part('query').addEventListener('input', search);
  part('query').addEventListener('keydown', openFirst);
  onFilter('calm', update);
  onFilter('filter', () => {
    if (part('query').value !== filter.query) part('query').value = filter.query;
  });
  fillSection('outliers', data.outliers.length, (rows) => {
    rows.append(...growingList(data.outliers, photographButton));
  });
  fillSection('conflicts', data.conflicts.length, (rows) => {
    rows.append(...growingList(data.conflicts, conflictRow));
  });
  fillSection('missing', data.missing.length, fillMissing);
  part('missing').open = points.length === 0;
}
