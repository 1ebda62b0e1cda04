/* When the photographs were taken: a histogram by class, and a brush that filters all the rest. */

import { UNDATED, days, labels } from './data.js';
import { filter, hasSplit, isHit, isInView, onFilter, refine } from './filter.js';
import { KINDS, kinds } from './legend.js';
import { colourOf, onTheme, ratio, themed } from './symbols.js';
import { dayText, number, part } from './text.js';

const HEIGHT = 64;
const MOST = 60; // bars

const dated = days.filter((day) => day !== UNDATED).sort();
const undated = days.length - dated.length;
const starts = startsOf(dated[0], dated[dated.length - 1]); // of each bar, and of one more
const bars = starts.length - 1;
const barOf = Int16Array.from(days, (day) => (day === UNDATED ? -1 : barAt(day)));
const brush = { from: 0, to: bars - 1 };
let frame = 0;

// Days, weeks, months or years, so that there are no more than MOST.
function startsOf(first, last) {
  if (first === undefined) return [0];
  const run = (from, step) => {
    const found = [from];
    while (found[found.length - 1] <= last) found.push(found[found.length - 1] + step);
    return found;
  };
  if (last - first < MOST) return run(first, 1);
  if (last - first < 7 * (MOST - 1)) return run(first - (first + 3) % 7, 7); // Mondays
  const monthOf = (day) => {
    const date = new Date(day * 864e5);
    return date.getUTCFullYear() * 12 + date.getUTCMonth();
  };
  const dayOfMonth = (month) => {
    return new Date(0).setUTCFullYear(Math.floor(month / 12), month % 12) / 864e5;
  };
  const [from, to] = [monthOf(first), monthOf(last)];
  const step = to - from < MOST ? 1 : 12 * Math.ceil((to - from + 12) / 12 / MOST);
  const found = [];
  for (let month = from - from % step; ; month += step) {
    found.push(dayOfMonth(month));
    if (month > to) return found;
  }
}

function barAt(day) {
  let [low, high] = [0, bars - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= day) low = middle;
    else high = middle - 1;
  }
  return low;
}

// What the other filters leave, in each bar for each kind.
function counted() {
  const kind = kinds();
  const counts = Array.from({ length: bars }, () => new Uint32Array(KINDS));
  for (let i = 0; i < days.length; i++) {
    if (barOf[i] < 0 || !filter.classes[labels[i]]) continue;
    if (!hasSplit(i) || !isInView(i) || !isHit(i)) continue;
    counts[barOf[i]][kind[i]]++;
  }
  return counts;
}

function draw() {
  frame = 0;
  const canvas = part('histogram');
  const width = canvas.clientWidth;
  if (width === 0) return;
  Object.assign(canvas, { width: width * ratio, height: HEIGHT * ratio });
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  const counts = counted();
  const highest = Math.max(1, ...counts.map((bar) => bar.reduce((sum, n) => sum + n, 0)));
  const wide = width / bars;
  counts.forEach((bar, k) => {
    let y = HEIGHT;
    context.globalAlpha = k >= brush.from && k <= brush.to ? 1 : 0.25;
    bar.forEach((count, kind) => {
      const high = count / highest * (HEIGHT - 6);
      context.fillStyle = colourOf(kind);
      context.fillRect(k * wide, y -= high, Math.max(1, wide - 1), high);
    });
  });
  context.globalAlpha = 1;
  context.fillStyle = themed('edge');
  context.fillRect(0, HEIGHT - 1, width, 1);
  if (filter.days) drawBrush(context, brush.from * wide, (brush.to + 1) * wide);
}

function drawBrush(context, left, right) {
  context.strokeStyle = themed('text');
  context.strokeRect(left + 0.5, 0.5, right - left - 1, HEIGHT - 1);
}

// A frame is enough, however often something changes.
const redraw = () => { frame ||= requestAnimationFrame(draw); };

function choose(one, other) {
  [brush.from, brush.to] = one < other ? [one, other] : [other, one];
  const all = brush.from === 0 && brush.to === bars - 1;
  refine({ days: all ? null : [starts[brush.from], starts[brush.to + 1] - 1] });
}

function follow() {
  if (filter.days) {
    [brush.from, brush.to] = filter.days.map((day) => barAt(day));
  } else {
    Object.assign(brush, { from: 0, to: bars - 1 });
  }
  const [first, last] = filter.days ?? [dated[0], dated[dated.length - 1]];
  const left = filter.days && undated ? `; ${number(undated)} without a date are left out` : '';
  const missing = !filter.days && undated ? `; ${number(undated)} without a date` : '';
  part('span').textContent = `${dayText(first)} to ${dayText(last)}${left}${missing}`;
  part('from').value = brush.from;
  part('to').value = brush.to;
  part('from').setAttribute('aria-valuetext', dayText(first));
  part('to').setAttribute('aria-valuetext', dayText(last));
  part('all-days').disabled = filter.days === null;
  redraw();
}

function brushWithPointer(canvas) {
  let start = null;
  let asked = 0;
  const bar = ({ offsetX }) => {
    const at = Math.floor(offsetX / canvas.clientWidth * bars);
    return Math.min(bars - 1, Math.max(0, at));
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    start = bar(event);
    choose(start, start);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (start === null) return;
    const end = bar(event);
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => choose(start, end));
  });
  canvas.addEventListener('lostpointercapture', () => { start = null; });
}

export function fillDays() {
  part('days').hidden = bars < 2;
  if (bars < 2) return;
  brushWithPointer(part('histogram'));
  part('days').style.setProperty('--bars', bars);
  for (const id of ['from', 'to']) {
    part(id).max = bars - 1;
    part(id).addEventListener('input', () => choose(+part('from').value, +part('to').value));
  }
  part('all-days').addEventListener('click', () => refine({ days: null }));
  part('days').addEventListener('toggle', redraw);
  new ResizeObserver(redraw).observe(part('histogram'));
  onTheme(redraw);
  onFilter('view', follow);
  follow();
}
