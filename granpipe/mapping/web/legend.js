/* The legends that switch classes and sides, with numbers of what is shown and found. */

import { sideName } from './card.js';
import { data, labels, sides } from './data.js';
import { filter, onFilter, refine, viewed } from './filter.js';
import { symbol } from './symbols.js';
import { button, element, labelName, name, number, part } from './text.js';

const SIDES = 5; // the first side's symbol; the first classes have those before

// What the colours and symbols of the map mean: kinds, which are classes or sides.
const paint = { bySide: false };
const sideKinds = sides.map((side) => side + SIDES);
export const kinds = () => (paint.bySide ? sideKinds : labels);
export const KINDS = Math.max(data.labels.length, data.sides.length + SIDES);

function counted(indices, length) {
  const counts = new Uint32Array(length);
  for (let i = 0; i < indices.length; i++) counts[indices[i]] += viewed[i];
  return counts;
}

function fill(list, first, names, flip) {
  list.append(...names.map((label, index) => {
    const box = element('span', { class: 'box', 'aria-hidden': 'true' });
    const children = [box, symbol(first + index), label, element('span', { class: 'number' })];
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
  const flip = (key) => (index) => {
    refine({ [key]: (other) => filter[key][other] !== (other === index) });
  };
  fill(part('legend'), 0, data.labels.map((_, label) => labelName(label)), flip('classes'));
  const sideNames = data.sides.map((_, side) => name(sideName(side)));
  fill(part('side-legend'), SIDES, sideNames, flip('sides'));
  part('classes').hidden = data.labels.length === 0;
  part('sides').hidden = data.sides.length === 0;
  part('all').addEventListener('click', () => refine({ classes: () => true }));
  part('none').addEventListener('click', () => refine({ classes: () => false }));
  part('by-side').addEventListener('change', ({ target }) => {
    paint.bySide = target.checked;
    document.body.classList.toggle('by-side', paint.bySide);
    refine({});
  });
  onFilter('view', updateAll);
  updateAll();
}
