/* What the page shows, from the JSON block #granpipe-data:
 *
 * title
 * colours     of the classes, as #rrggbb
 * labels      class names, sorted; '' for photographs without class
 * totals      photographs found, for each label
 * zones       offsets from UTC; '' for times without one
 * cameras     names
 * splits       of a dataset: train, validation, test; '' for none; empty where nobody asked
 * groups      names of the groups that have several photographs
 * points      [lat, lon, label index, source, taken at as YYYYMMDDhhmmss, zone index,
 *             camera index, altitude in metres, direction in degrees, thumbnail as base64 JPEG,
 *             split index, group index, metres to the nearest training photograph,
 *             1 where the direction is from true north, 2 from magnetic, accuracy in metres],
 *             sorted by source; null or a missing end is unknown
 * missing     [source, label index, verdict, detail] of the photographs without position
 * reasons     verdict -> what it means
 * links       what comes before a source in a link to it, or null for no links
 * exports     links to what else was written beside the page, percent-encoded
 * picture     longer side of the thumbnails in pixels, or 0
 * bounds      [[south, west], [north, east]]; east exceeds 180 across the antimeridian; or null
 * outliers    indices of the points outside the bounds
 * digits      decimals that positions were rounded to, or null
 * overlay     [name, kind: 0 area, 1 line, 2 place; parts apart by ; and their lines by blanks;
 *             of fields the declared crop and the number of its colour, -1 for none], which
 *             granpipe.mapping.overlay writes
 * conflicts   [point, field, declared crop] of photographs whose class is another one
 * land        outlines of the world, as granpipe.mapping.land writes them, or null
 */

export const data = {
  title: '', colours: ['#000'], labels: [], totals: [], zones: [], cameras: [], splits: [],
  groups: [], points: [], missing: [], reasons: {}, links: null, exports: [], picture: 0,
  bounds: null, outliers: [], overlay: [], conflicts: [], digits: null, land: null,
  ...JSON.parse(document.getElementById('granpipe-data').textContent),
};
export const points = data.points;
export const labels = Uint32Array.from(points, (point) => point[2]);
export const splits = Uint8Array.from(points, (point) => point[10] ?? 0);
export const UNDATED = -1e7;
export const days = Int32Array.from(points, (point) => dayOf(point[4])); // since 1970

let source = '';
for (const point of points) {
  const [kept, rest] = point[3]; // kept: the length shared with the source before
  point[3] = source = source.slice(0, kept) + rest;
}

function dayOf(digits) {
  if (!digits) return UNDATED;
  const [year, month, day] = [1e10, 1e8, 1e6].map((unit) => Math.floor(digits / unit));
  return new Date(0).setUTCFullYear(year, month % 100 - 1, day % 100) / 864e5;
}

export function takenAt(i) {
  const [, , , , digits, zone] = points[i];
  if (!digits) return '';
  const parts = /(....)(..)(..)(..)(..)(..)/;
  const text = String(digits).padStart(14, '0').replace(parts, '$1-$2-$3 $4:$5:$6');
  return text + data.zones[zone];
}
