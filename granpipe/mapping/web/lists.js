/* Lists of photographs on and off the map. */

import { card } from './card.js';
import { data, labels, points, takenAt } from './data.js';
import { indicesOf, onFilter, shown, viewed } from './filter.js';
import { symbol } from './symbols.js';
import { button, element, growingList, name, number, part } from './text.js';
import { photographLink, positionText } from './text.js';

export const viewer = { open: null }; // the map's way to open a photograph, once there is a map

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

let texts = null; // what the search looks at, once somebody searches
let listed = null; // what the search lists
const buttons = new Map(); // of the search, by photograph: the focus returns to one after its popup

function foundButton(i) {
  if (!buttons.has(i)) buttons.set(i, photographButton(i));
  return buttons.get(i);
}

function textOf([lat, lon, label, source, , , camera], i) {
  const parts = [source, data.labels[label], takenAt(i), data.cameras[camera]];
  return [...parts, `${lat},${lon}`, positionText(lat, lon)].join(' ').toLowerCase();
}

function found() {
  const words = part('query').value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return indicesOf(viewed);
  texts ??= points.map(textOf);
  return indicesOf(shown).filter((i) => words.every((word) => texts[i].includes(word)));
}

function search() {
  const isEmpty = part('query').value.trim() === '';
  const hits = isEmpty || part('find').open ? found() : [];
  part('find').querySelector('.count').textContent = number(hits.length);
  if (!part('find').open) return;
  if (String(hits) !== listed) {
    part('find').querySelector('.rows').replaceChildren(...growingList(hits, foundButton));
    listed = String(hits);
  }
  part('found').textContent = hits.length > 0 ? '' : isEmpty ? 'None in view.' : 'Nothing found.';
  part('save').hidden = !isEmpty || hits.length === 0;
}

function openFirst({ key }) {
  if (key === 'Enter') part('find').querySelector('.rows .row')?.click();
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

export function fillLists() {
  part('find').hidden = points.length === 0;
  part('find').addEventListener('toggle', search);
  part('query').addEventListener('input', search);
  part('query').addEventListener('keydown', openFirst);
  onFilter('calm', search);
  fillSection('outliers', data.outliers.length, (rows) => {
    rows.append(...growingList(data.outliers, photographButton));
  });
  fillSection('missing', data.missing.length, fillMissing);
  part('missing').open = points.length === 0;
}
