/* What a search finds: words in all that is known of a photograph, or coordinates. */

import { data, points, takenAt } from './data.js';
import { positionText } from './text.js';

// A hemisphere, degrees, minutes and seconds, of which most may be missing: 48.2, N 48° 12.5', 11 E.
const NUMBER = '(\\d+(?:\\.\\d+)?)';
const COORDINATE = `([NSEW]?)\\s*([-+\u2212]?)${NUMBER}\\s*(°?)\\s*(?:${NUMBER}\\s*['\u2032\u2019]\\s*`
  + `(?:${NUMBER}\\s*(?:["\u2033\u201d]|''|\u2019\u2019)\\s*)?)?([NSEW]?)`;
const PAIR = new RegExp(`^\\s*${COORDINATE}\\s*([,;\\s])\\s*${COORDINATE}\\s*$`, 'i');

// Degrees, the size of the last digit that was written, and the hemisphere; null if there is none.
function coordinate([before, sign, degrees, mark, minutes, seconds, after]) {
  const side = (before || after || '').toUpperCase();
  const parts = [degrees, minutes, seconds].filter((part) => part !== undefined);
  const value = parts.reduce((sum, part, k) => sum + part / 60 ** k, 0);
  const last = parts[parts.length - 1];
  const unit = 10 ** -(last.split('.')[1] ?? '').length / 60 ** (parts.length - 1);
  const isLess = /[-\u2212]/.test(sign) !== /[SW]/.test(side);
  if ((before && after) || (side && sign) || minutes >= 60 || seconds >= 60) return null;
  return { value: isLess ? -value : value, unit, side, isPlain: !side && !mark && !/\./.test(last) };
}

/* The place that a search names, as { lat, lon, unit }, latitude first unless the hemispheres say
 * otherwise; null if it names none. The unit is the size in degrees of the last digit. */
export function placeOf(query) {
  const found = PAIR.exec(query);
  if (!found) return null;
  const [one, other] = [coordinate(found.slice(1, 8)), coordinate(found.slice(9, 16))];
  // "12 34" is more likely part of a name.
  if (!one || !other || (one.isPlain && other.isPlain && !/[,;]/.test(found[8]))) return null;
  const isTurned = /[EW]/.test(one.side) || /[NS]/.test(other.side);
  const [lat, lon] = isTurned ? [other, one] : [one, other];
  if (/[EW]/.test(lat.side) || /[NS]/.test(lon.side)) return null;
  if (Math.abs(lat.value) > 90 || Math.abs(lon.value) > 180) return null;
  return { lat: lat.value, lon: lon.value, unit: Math.max(lat.unit, lon.unit) };
}

function isNear([lat, lon], place) {
  const reach = place.unit * 1.001; // sums of fractions are not exact
  const east = Math.abs(((lon - place.lon + 540) % 360 + 360) % 360 - 180);
  return Math.abs(lat - place.lat) <= reach && east <= reach;
}

let texts = null; // what the search looks at, once somebody searches

function textOf([lat, lon, label, source, , , camera], i) {
  const parts = [source, data.labels[label], takenAt(i), data.cameras[camera]];
  return [...parts, `${lat},${lon}`, positionText(lat, lon)].join(' ').toLowerCase();
}

// Whether each photograph matches a search, as a function of its index; null for an empty search.
export function matching(query) {
  const place = placeOf(query);
  if (place) return (i) => isNear(points[i], place);
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  texts ??= points.map(textOf);
  return (i) => words.every((word) => texts[i].includes(word));
}
