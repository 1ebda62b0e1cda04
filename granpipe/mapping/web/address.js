/* The view, the filter and the opened photograph in the page's address, behind its #. */

import { data, points } from './data.js';
import { filter, onFilter, refine } from './filter.js';
import { fit, fitted } from './fit.js';
import { state } from './dots.js';
import { map } from './place.js';
import { open } from './popup.js';
import { element, part } from './text.js';

let written = '';

function say() {
  const { lat, lng } = map.getCenter();
  const parts = new URLSearchParams();
  if (!fitted()) parts.set('map', [map.getZoom(), lat.toFixed(5), lng.toFixed(5)].join('/'));
  const add = (key, names, isOn) => names.forEach((text, k) => isOn[k] || parts.append(key, text));
  add('off', data.labels, filter.classes);
  add('off-split', data.splits, filter.splits);
  if (filter.query.trim()) parts.set('find', filter.query);
  if (filter.days) parts.set('days', filter.days.join('/'));
  if (state.opened >= 0) parts.set('photo', points[state.opened][3]);
  const text = parts.toString().replaceAll('%2F', '/');
  written = text && `#${text}`;
  history.replaceState(null, '', location.href.replace(/#.*/, '') + written);
}

const finite = (text, count) => {
  const values = (text ?? '').split('/').map(Number);
  return values.length === count && values.every(Number.isFinite) ? values : null;
};

// Do as the address says, where it says something that this page knows.
export function follow() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const [off, offSplit] = ['off', 'off-split'].map((key) => new Set(parts.getAll(key)));
  const days = finite(parts.get('days'), 2);
  refine({
    classes: (label) => !off.has(data.labels[label]),
    splits: (split) => !offSplit.has(data.splits[split]),
    days: days && days.every((day) => Math.abs(day) < 1e7) ? days : null,
    query: (parts.get('find') ?? '').slice(0, 200),
  });
  const [zoom, lat, lng] = finite(parts.get('map'), 3) ?? [];
  if (Math.abs(lat) <= 90 && Math.abs(lng) <= 720) {
    map.setView([lat, lng], Math.round(zoom), { animate: false });
  } else {
    fit();
  }
  const i = parts.has('photo') ? points.findIndex((point) => point[3] === parts.get('photo')) : -1;
  if (i >= 0) open(i);
}

// Browsers give a page that was opened from a file no clipboard; the old way works everywhere.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element('textarea', { readonly: '', class: 'copying' });
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand('copy');
    field.remove();
    return isCopied;
  }
}

async function copyLink() {
  say();
  const isCopied = await copy(location.href);
  const reader = location.protocol === 'file:' ? 'whoever has this file there' : 'its readers';
  part('copied').textContent = isCopied ? `Copied: it shows ${reader} the same.`
    : 'The browser refused; copy the address above.';
  part('copy').focus();
}

export function keepAddress() {
  part('copy').addEventListener('click', copyLink);
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(say, 300); // browsers refuse many changes in a short time
  };
  map.on('moveend popupopen popupclose', soon);
  onFilter('filter', soon);
  addEventListener('hashchange', () => { if (location.hash !== written) follow(); });
}
