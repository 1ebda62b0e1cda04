/* What is shown of one photograph, in the popup and, without Leaflet, in the list. */

import { data, labels, points, splits, takenAt } from './data.js';
import { compass, distance, element, labelName, name, photographLink } from './text.js';
import { positionText } from './text.js';

export const splitName = (split) => data.splits[split] || 'no split';

function facts(i) {
  const [lat, lon, label, , , , camera, altitude, direction, , , group, nearest, north, accuracy] = points[i];
  const list = element('dl');
  const add = (term, value) => list.append(element('dt', {}, term), element('dd', {}, value));
  add('Class', labelName(label));
  const taken = takenAt(i);
  if (taken) add('Taken', name(taken));
  if (data.cameras[camera]) add('Camera', name(data.cameras[camera]));
  if (typeof altitude === 'number') add('Altitude', `${altitude} m`);
  if (typeof direction === 'number') add('Looking', compass(direction, north));
  add('Position', positionText(lat, lon) + (data.digits === null ? '' : ' (rounded)'));
  if (typeof accuracy === 'number') add('Accuracy', `within ${distance(accuracy)}`);
  if (data.splits.length > 0) add('Split', name(splitName(splits[i])));
  if (typeof group === 'number') add('Group', name(data.groups[group]));
  if (typeof nearest === 'number') add('Training', `nearest ${distance(nearest)} away`);
  return list;
}

export function card(i, whenLoaded = () => {}) {
  const text = element('div', {}, photographLink(points[i][3]), facts(i));
  const node = element('div', { class: data.picture > 128 ? 'card large' : 'card' }, text);
  const picture = thumbnail(i);
  if (picture) {
    picture.addEventListener('load', whenLoaded);
    node.prepend(picture);
  }
  return node;
}

export function thumbnail(i) {
  const base64 = points[i][9];
  return base64 && element('img', { src: `data:image/jpeg;base64,${base64}`, alt: '' });
}

// How many photographs of which classes: [label, count], the most frequent first.
export function mixOf(members) {
  const counts = new Map();
  for (const i of members) counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || a - b);
}
