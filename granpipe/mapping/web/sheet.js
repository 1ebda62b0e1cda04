/* A contact sheet of the photographs of a large stack, to pick one from. */

import { mixOf, thumbnail } from './card.js';
import { labels, points } from './data.js';
import { symbol } from './symbols.js';
import { button, element, growingList, labelName, name, number, visible } from './text.js';

const ROWS = 60; // photographs that the sheet grows by
const MOST = 6; // classes that are named

export function mixList(members) {
  const mix = mixOf(members);
  const lines = mix.slice(0, MOST).map(([label, count]) => {
    return element('div', {}, `${number(count)} `, labelName(label));
  });
  const rest = mix.slice(MOST).reduce((sum, [, count]) => sum + count, 0);
  if (rest > 0) lines.push(element('div', {}, `${number(rest)} of other classes`));
  return lines;
}

function tile(i, pick) {
  const node = button({ class: 'tile' }, [thumbnail(i) ?? '', symbol(labels[i])], () => pick(i));
  node.append(element('span', { class: 'caption' }, name(points[i][3].replace(/^.*\//, ''))));
  node.setAttribute('aria-label', visible(points[i][3]));
  return node;
}

export function sheet(members, pick) {
  const [list, more] = growingList(members, (i) => tile(i, pick), ROWS);
  list.className = 'tiles';
  const heading = element('p', { class: 'many' }, `${number(members.length)} photographs here`);
  const mix = element('div', { class: 'mix' }, ...mixList(members));
  const rows = element('div', { class: 'rows' }, list, more);
  return element('div', { class: 'sheet' }, heading, mix, rows);
}
