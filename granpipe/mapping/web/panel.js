/* The panel: the legend that switches classes, and lists of photographs on and off the map. */

import { data, labels, points } from './data.js';
import { map, on, switchClasses, symbol } from './dots.js';
import { open } from './popup.js';
import { button, element, growingList, labelName, name, number } from './text.js';
import { photographLink, visible } from './text.js';

export const part = (id) => document.getElementById(id);

const located = data.labels.map(() => 0);
labels.forEach((label) => { located[label]++; });

export const shown = () => located.reduce((sum, count, label) => sum + (on[label] ? count : 0), 0);

function fillLegend() {
  part('legend').append(...data.labels.map((_, label) => {
    const children = [symbol(label), labelName(label), element('span', { class: 'number' })];
    const flip = () => switchClasses((other) => on[other] !== (other === label));
    return element('li', {}, button({}, children, flip));
  }));
}

function updateLegend() {
  part('legend').querySelectorAll('button').forEach((row, label) => {
    row.setAttribute('aria-pressed', on[label]);
    const count = number(on[label] ? located[label] : 0);
    row.lastChild.textContent = `${count} / ${number(data.totals[label])}`;
  });
}

function fillSection(id, count, fill) {
  const section = part(id);
  section.hidden = count === 0;
  section.querySelector('.count').textContent = number(count);
  section.addEventListener('toggle', () => fill(section.querySelector('.rows')), { once: true });
}

function photographButton(i) {
  return button({ class: 'row' }, [symbol(labels[i]), name(points[i][3])], () => open(i));
}

function search() {
  const words = part('query').value.toLowerCase().split(/\s+/);
  const found = [];
  points.forEach(([, , label, source, taken], i) => {
    const text = `${source} ${data.labels[label]} ${taken ?? ''}`.toLowerCase();
    if (words.every((word) => text.includes(word))) found.push(i);
  });
  part('find').querySelector('.count').textContent = number(found.length);
  part('find').querySelector('.rows').replaceChildren(...growingList(found, photographButton));
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
  return node;
}

function missingRow([source, , , detail]) {
  const row = element('div', {}, photographLink(source));
  if (detail) row.append(element('div', { class: 'hint' }, name(detail)));
  return row;
}

export function fillPanel() {
  document.title = `${visible(data.title)} · map of photographs`;
  part('title').replaceChildren(name(data.title));
  const counts = [points, data.missing].map((rows) => number(rows.length));
  part('summary').textContent = `${counts[0]} on the map, ${counts[1]} not`;
  part('waiting').remove();
  part('classes').hidden = data.labels.length === 0;
  fillLegend();
  updateLegend();
  map.on('classes', updateLegend);
  part('all').addEventListener('click', () => switchClasses(() => true));
  part('none').addEventListener('click', () => switchClasses(() => false));
  fillSection('find', points.length, search);
  part('query').addEventListener('input', search);
  fillSection('outliers', data.outliers.length, (rows) => {
    rows.append(...growingList(data.outliers, photographButton));
  });
  fillSection('missing', data.missing.length, fillMissing);
  part('missing').open = points.length === 0;
}
