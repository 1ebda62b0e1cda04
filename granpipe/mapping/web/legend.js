/* The legends that switch classes and splits, with numbers of what is shown and found. */

import { splitName } from './card.js';
import { data, labels, splits } from './data.js';
import { filter, onFilter, refine, viewed } from './filter.js';
import { symbol } from './symbols.js';
import { button, element, labelName, name, number, part } from './text.js';

const SPLITS = 5; // the first split's symbol; the first classes have those before

// What the colours and symbols of the map mean: kinds, which are classes or splits.
const paint = { bySplit: false };
const splitKinds = splits.map((split) => split + SPLITS);
export const kinds = () => (paint.bySplit ? splitKinds : labels);
export const KINDS = Math.max(data.labels.length, data.splits.length + SPLITS);

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
  const { classes, splits: chosen } = filter;
  update(part('legend'), classes, counted(labels, classes.length), data.totals);
  update(part('split-legend'), chosen, counted(splits, chosen.length), totalsOfSplits);
}

const totalsOfSplits = data.splits.map(() => 0);
if (data.splits.length) splits.forEach((split) => { totalsOfSplits[split]++; });

export function fillLegends() {
  const flip = (key) => (index) => {
    refine({ [key]: (other) => filter[key][other] !== (other === index) });
  };
  fill(part('legend'), 0, data.labels.map((_, label) => labelName(label)), flip('classes'));
  const splitNames = data.splits.map((_, split) => name(splitName(split)));
  fill(part('split-legend'), SPLITS, splitNames, flip('splits'));
  part('classes').hidden = data.labels.length === 0;
  part('splits').hidden = data.splits.length === 0;
  part('all').addEventListener('click', () => refine({ classes: () => true }));
  part('none').addEventListener('click', () => refine({ classes: () => false }));
  part('by-split').addEventListener('change', ({ target }) => {
    paint.bySplit = target.checked;
    document.body.classList.toggle('by-split', paint.bySplit);
    refine({});
  });
  onFilter('view', updateAll);
  updateAll();
}
