/* The legends that switch classes and sides, with numbers of what is shown and found. */

import { sideName } from './card.js';
import { data, labels, sides } from './data.js';
import { filter, onFilter, refine, viewed } from './filter.js';
import { symbol } from './symbols.js';
import { button, element, labelName, name, number, part } from './text.js';

// What the colours of the map stand for.
export const paint = { bySide: false };
export const kinds = () => (paint.bySide ? sides : labels);
export const kindName = (kind) => (paint.bySide ? name(sideName(kind)) : labelName(kind));

function counted(indices, length) {
  const counts = new Uint32Array(length);
  for (let i = 0; i < indices.length; i++) counts[indices[i]] += viewed[i];
  return counts;
}

function fill(list, names, flip) {
  list.append(...names.map((label, index) => {
    const children = [symbol(index), label, element('span', { class: 'number' })];
    return element('li', {}, button({}, children, () => flip(index)));
  }));
}

function update(list, isOn, counts, totals) {
  list.querySelectorAll('button').forEach((row, index) => {
    row.setAttribute('aria-pressed', isOn[index]);
    row.lastChild.textContent = `${number(counts[index])} / ${number(totals[index])}`;
  });
}

function updateAll() {
  const { classes, sides: chosen } = filter;
  update(part('legend'), classes, counted(labels, classes.length), data.totals);
  update(part('side-legend'), chosen, counted(sides, chosen.length), totalsOfSides);
}

const totalsOfSides = data.sides.map(() => 0);
if (data.sides.length) sides.forEach((side) => { totalsOfSides[side]++; });

export function fillLegends() {
  const flip = (key) => (index) => refine({ [key]: (other) => filter[key][other] !== (other === index) });
  fill(part('legend'), data.labels.map((_, label) => labelName(label)), flip('classes'));
  fill(part('side-legend'), data.sides.map((_, side) => name(sideName(side))), flip('sides'));
  part('classes').hidden = data.labels.length === 0;
  part('sides').hidden = data.sides.length === 0;
  part('all').addEventListener('click', () => refine({ classes: () => true }));
  part('none').addEventListener('click', () => refine({ classes: () => false }));
  part('by-side').addEventListener('change', ({ target }) => {
    paint.bySide = target.checked;
    refine({});
  });
  onFilter('change', updateAll);
  updateAll();
}
