/* Start the page, and let tests look in through window.granpipe:
 *
 * map         Leaflet's map
 * shown       photographs of the classes switched on
 * drawn       those of them in the last picture
 * open(i)     open the popup of photograph i
 * opened      the photograph in the popup, or -1
 * pile        the photographs that the popup pages through
 */

import { data } from './data.js';
import { dots, grid, map, state } from './dots.js';
import { fillPanel, part, shown } from './panel.js';
import { open, openPopups, pile } from './popup.js';
import { element, positionText } from './text.js';

function fit() {
  if (data.bounds) map.fitBounds(data.bounds, { padding: [30, 30], maxZoom: 17, animate: false });
  else map.setView([20, 0], 2);
}

function box(attributes) {
  const control = L.control({ position: 'bottomleft' });
  control.onAdd = () => element('div', attributes);
  return control.addTo(map).getContainer();
}

function showPosition() {
  const position = box({ class: 'position' });
  const show = (what, { lat, lng }) => {
    position.textContent = `${what} ${positionText(lat, lng, 5)}`;
  };
  const middle = () => show('Middle', map.getCenter());
  map.on('mousemove', ({ latlng }) => show('Pointer', latlng));
  map.on('mouseout moveend', middle);
  middle();
}

function warnAboutTiles() {
  const notice = box({ class: 'notice', role: 'status', hidden: '' });
  const warn = (text) => {
    notice.textContent = text;
    notice.hidden = !text;
  };
  const failed = 'Map tiles do not arrive. Positions, grid and scale hold without them.';
  const refused = 'OpenStreetMap may refuse pages opened from a file; Satellite does not.';
  const isRefused = (layer) => layer === streets && location.protocol === 'file:';
  map.on('baselayerchange', ({ layer }) => warn(isRefused(layer) ? refused : ''));
  for (const layer of [satellite, streets]) {
    layer.on('tileerror', () => warn(isRefused(layer) ? refused : failed));
  }
  satellite.on('tileload', () => warn(''));
}

fillPanel();
fit();
grid.addTo(map);
dots.addTo(map);
showPosition();
warnAboutTiles();
openPopups();
part('fit').addEventListener('click', fit);
map.getContainer().setAttribute('role', 'region');
map.getContainer().setAttribute('aria-label', 'Map: N and P open the next and previous photograph');
map.attributionControl.setPrefix('<a href="https://leafletjs.com">Leaflet</a>');
new ResizeObserver(() => map.invalidateSize()).observe(map.getContainer());

window.granpipe = {
  map,
  open,
  get shown() { return shown(); },
  get drawn() { return state.drawn; },
  get opened() { return state.opened; },
  get pile() { return pile; },
};
