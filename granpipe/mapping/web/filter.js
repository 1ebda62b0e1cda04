/* Which photographs are shown: by class, split, day and search; and which the map's view holds. */

import { data, days, labels, points, splits } from './data.js';
import { matching } from './search.js';

const CALM = 150; // milliseconds without a change after which lists and tables follow

export const filter = {
  classes: data.labels.map(() => true),
  splits: data.splits.map(() => true),
  days: null, // first and last, since 1970
  query: '',
};
export const shown = new Uint8Array(points.length).fill(1);
export const viewed = new Uint8Array(points.length).fill(1);
const listeners = { filter: [], view: [], calm: [] };
let isInside = () => true;
let isFound = null; // what the search finds, as a function of the index
let timer = 0;

/* `filter` comes at once when other photographs are shown, `view` also when others are in view, and
 * `calm` when no more changes follow. */
export const onFilter = (kind, act) => listeners[kind].push(act);

export const hasSplit = (i) => data.splits.length === 0 || filter.splits[splits[i]];

function isWithin(i) {
  return !filter.days || (days[i] >= filter.days[0] && days[i] <= filter.days[1]);
}

export function isFiltered() {
  return isFound !== null || filter.days !== null || [...filter.classes, ...filter.splits].includes(false);
}

// Whether a photograph is what somebody searches for.
export const isHit = (i) => isFound === null || isFound(i);

// Set part of the filter: classes and splits as functions of their index, days and query as they are.
export function refine({ classes, splits: chosen, days: span = filter.days, query = filter.query }) {
  if (classes) filter.classes = filter.classes.map((_, label) => classes(label));
  if (chosen) filter.splits = filter.splits.map((_, split) => chosen(split));
  filter.days = span;
  if (query !== filter.query) [filter.query, isFound] = [query, matching(query)];
  for (let i = 0; i < shown.length; i++) {
    shown[i] = filter.classes[labels[i]] && hasSplit(i) && isWithin(i) && isHit(i) ? 1 : 0;
  }
  listeners.filter.forEach((act) => act());
  look(isInside);
}

// Tell what the map's view holds.
export function look(inside) {
  isInside = inside;
  for (let i = 0; i < shown.length; i++) viewed[i] = shown[i] && inside(i) ? 1 : 0;
  listeners.view.forEach((act) => act());
  clearTimeout(timer);
  timer = setTimeout(() => listeners.calm.forEach((act) => act()), CALM);
}

export const isInView = (i) => isInside(i);

export function indicesOf(flags) {
  const found = [];
  for (let i = 0; i < flags.length; i++) if (flags[i]) found.push(i);
  return found;
}

// Show a photograph that some filter hides.
export function reveal(i) {
  if (shown[i]) return;
  refine({
    classes: (label) => filter.classes[label] || label === labels[i],
    splits: (split) => filter.splits[split] || split === splits[i],
    days: isWithin(i) ? filter.days : null,
    query: isHit(i) ? filter.query : '',
  });
}
