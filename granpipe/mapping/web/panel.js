/* The panel beside the map, which needs no Leaflet. */

import { giveCredit } from './countries.js';
import { data, points } from './data.js';
import { fillDays } from './days.js';
import { refine } from './filter.js';
import { fillLegends } from './legend.js';
import { fillLists } from './lists.js';
import { offerCsv } from './save.js';
import { fillTable } from './table.js';
import { element, name, number, part, visible } from './text.js';

document.title = `${visible(data.title)} · map of photographs`;
part('title').replaceChildren(name(data.title));
part('summary').textContent = [
  `${number(points.length)} on the map, ${number(data.missing.length)} not`,
];
if (points.length === 0) { // then granpipe.mapping.page leaves the map out
  document.body.classList.add('unmapped');
  document.querySelector('main').replaceChildren(part('panel'));
  part('side').remove();
}
part('days').open = matchMedia('(min-width: 701px)').matches; // a phone's panel is low
fillLegends();
fillDays();
fillLists();
fillTable();
offerCsv();
giveCredit();
data.exports.forEach((href, k) => {
  const link = element('a', { href, download: '' }, name(decodeURIComponent(href.slice(2))));
  part('exports').append(k ? ', ' : '', link);
});
part('exports').hidden = data.exports.length === 0;
part('mailed').hidden = data.links === null || /^https?:/.test(data.links);
refine({});
if (window.L) part('no-leaflet')?.remove();
