/* Tables of what is in view: classes by country, and by split. Their empty cells say where to go. */

import { splitName } from './card.js';
import { countries, countryName, countryOf } from './countries.js';
import { data, labels, points, splits } from './data.js';
import { indicesOf, onFilter, viewed } from './filter.js';
import { symbol } from './symbols.js';
import { element, labelName, name, number, part } from './text.js';

const MOST = 12; // countries
const OTHERS = -2;
const ONE_PLACE = 50; // kilometres
const KM = 111.2; // to a degree

// Whether all photographs of a class lie so near to each other that they show one place only.
function isOnePlace(label) {
  let first = null;
  const box = [0, 0, 0, 0];
  for (let i = 0; i < points.length; i++) {
    if (labels[i] !== label) continue;
    const [lat, lon] = points[i];
    first ??= [lat, lon];
    const north = lat - first[0];
    const east = (((lon - first[1] + 540) % 360) - 180) * Math.cos(first[0] * Math.PI / 180);
    [box[0], box[1]] = [Math.min(box[0], north), Math.max(box[1], north)];
    [box[2], box[3]] = [Math.min(box[2], east), Math.max(box[3], east)];
  }
  return first !== null && Math.hypot(box[1] - box[0], box[3] - box[2]) * KM <= ONE_PLACE;
}

let places = null; // whether each class has one place only, once somebody asks
const onePlace = () => (places ??= data.labels.map((_, label) => isOnePlace(label)));

// Counts for each class and column, and the columns in their order.
function crossed(members, columnOf) {
  const counts = data.labels.map(() => new Map());
  const totals = new Map();
  for (const i of members) {
    const column = columnOf(i);
    const row = counts[labels[i]];
    row.set(column, (row.get(column) ?? 0) + 1);
    totals.set(column, (totals.get(column) ?? 0) + 1);
  }
  return { counts, totals };
}

function byCountry(members) {
  const { counts, totals } = crossed(members, countryOf);
  const order = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a) || a - b);
  const rest = order.splice(MOST);
  for (const row of rest.length ? counts : []) {
    row.set(OTHERS, rest.reduce((sum, country) => sum + (row.get(country) ?? 0), 0));
  }
  if (rest.length) order.push(OTHERS);
  const title = (country) => (country === OTHERS ? `${rest.length} others` : countryName(country));
  return table('Class by country', counts, order, title);
}

function bySplit(members) {
  const { counts } = crossed(members, (i) => splits[i]);
  return table('Class by split', counts, [...data.splits.keys()], splitName);
}

function table(caption, counts, columns, title) {
  const head = columns.map((column) => {
    return element('th', { scope: 'col' }, element('span', {}, name(title(column))));
  });
  const rows = counts.map((row, label) => {
    const heading = element('th', { scope: 'row' }, symbol(label), labelName(label));
    if (onePlace()[label]) heading.append(element('span', { class: 'note' }, 'one place only'));
    const cells = columns.map((column) => cell(row.get(column) ?? 0));
    return element('tr', {}, heading, ...cells);
  });
  return element('table', {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Class'), ...head)),
    element('tbody', {}, ...rows));
}

const cell = (count) => element('td', count ? {} : { class: 'empty' }, number(count));

function update() {
  if (!part('table').open) return;
  const members = indicesOf(viewed);
  const tables = countries() ? [byCountry(members)] : [];
  if (data.splits.length > 0) tables.push(bySplit(members));
  part('tables').replaceChildren(...tables);
}

export function fillTable() {
  part('table').hidden = points.length === 0;
  part('table').addEventListener('toggle', update);
  onFilter('calm', update);
}
