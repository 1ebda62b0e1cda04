/* The photographs of the list as a CSV file. */

import { data, points, splits, takenAt } from './data.js';
import { listedNow } from './lists.js';
import { element, part } from './text.js';

const COLUMNS = [
  'source', 'label', 'latitude', 'longitude', 'altitude', 'direction', 'taken_at', 'utc_offset',
  'camera',
];
const NORTHS = ['', 'true', 'magnetic'];
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/; // a spreadsheet would run it

// Bytes of a name that is no UTF-8 are written as \xff, as in granpipe's own table.
const written = (text) => text.replace(/[\udc80-\udcff]/gu, (sign) => {
  return `\\x${(sign.charCodeAt(0) - 0xdc00).toString(16)}`;
});

function cell(value) {
  if (typeof value === 'number') return String(value);
  const text = written(value ?? '').replace(FORMULA, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function row(i) {
  const [lat, lon, label, source, , zone, camera, altitude, direction, , , , , north] =
    points[i];
  const offset = data.zones[zone];
  const taken = takenAt(i).replace(' ', 'T').slice(0, 19);
  const cells = [
    source, data.labels[label], lat, lon, altitude, direction, taken, offset, data.cameras[camera],
  ];
  const split = data.splits.length ? [data.splits[splits[i]]] : [];
  return [...cells, ...split, NORTHS[north]];
}

function listAsCsv() {
  const split = data.splits.length ? ['split'] : [];
  const header = [...COLUMNS, ...split, 'direction_ref'];
  const rows = listedNow().map(row);
  return [header, ...rows].map((cells) => `${cells.map(cell).join(',')}\n`).join('');
}

export function offerCsv() {
  part('save').addEventListener('click', () => {
    const href = URL.createObjectURL(new Blob([listAsCsv()], { type: 'text/csv' }));
    element('a', { href, download: 'photographs.csv' }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  });
}
