/* What the map shows, from the JSON block #granpipe-data:
 *
 * title
 * labels      class names, sorted; '' for photographs without class
 * totals      photographs found, for each label
 * zones       offsets from UTC; '' for times without one
 * cameras     names
 * points      [lat, lon, label index, source, taken at as YYYYMMDDhhmmss, zone index,
 *             camera index, altitude in metres, direction in degrees, thumbnail as base64 JPEG],
 *             sorted by source; null or a missing end is unknown
 * missing     [source, label index, verdict, detail] of the photographs without position
 * reasons     verdict -> what it means
 * links       what stands before a source in a link to it, or null for no links
 * bounds      [[south, west], [north, east]]; east exceeds 180 across the antimeridian; or null
 * outliers    indices of the points outside the bounds
 * digits      decimals that positions were rounded to, or null
 */

export const data = {
  title: '', labels: [], totals: [], zones: [], cameras: [], points: [], missing: [], reasons: {},
  links: null, bounds: null, outliers: [], digits: null,
  ...JSON.parse(document.getElementById('granpipe-data').textContent),
};
export const { points } = data;
export const labels = Uint32Array.from(points, (point) => point[2]);

let source = '';
for (const point of points) {
  const [kept, rest] = point[3]; // kept: the length shared with the source before
  point[3] = source = source.slice(0, kept) + rest;
  if (point[4]) point[4] = time(point[4]) + data.zones[point[5]];
}

function time(digits) {
  const parts = /(....)(..)(..)(..)(..)(..)/;
  return String(digits).padStart(14, '0').replace(parts, '$1-$2-$3 $4:$5:$6');
}
