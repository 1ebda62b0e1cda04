/* Start the map, and let tests look in through window.granpipe:
 *
 * map         Leaflet's map
 * shown       photographs that the filter leaves
 * drawn       those of them in the last picture
 * open(i)     open the popup of photograph i
 * opened      the photograph in the popup, or -1
 * pile        the photographs that the popup pages through
 */

import { follow, keepAddress } from './address.js';
import { data } from './data.js';
import { dots, state } from './dots.js';
import { indicesOf, shown } from './filter.js';
import { fit, keepFitting } from './fit.js';
import { ground } from './grid.js';
import { names } from './names.js';
import { showOverlay } from './overlay.js';
import { lookAround, map } from './place.js';
import { open, openPopups } from './popup.js';
import { offerRuler } from './ruler.js';
import { element, part, positionText } from './text.js';

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
  const middle = () => show('Map centre', map.getCenter());
  map.on('mousemove', ({ latlng }) => show('Pointer', latlng));
  map.on('mouseout moveend', middle);
  middle();
}

// Tiles that do not come are said so; those that the page opens with give way to the outlines.
function warnAboutTiles() {
  const notice = box({ class: 'notice', role: 'status', hidden: '' });
  const warn = (text) => {
    notice.textContent = text;
    notice.hidden = !text;
  };
  const failed = 'No satellite or street images (offline?). The positions are still correct.';
  const refused = 'OpenStreetMap may refuse pages opened from a file; Satellite does not.';
  const isRefused = (layer) => layer === streets && location.protocol === 'file:';
  let isUntried = map.hasLayer(satellite);
  map.on('baselayerchange', ({ layer }) => {
    isUntried = false;
    warn(isRefused(layer) ? refused : '');
  });
  for (const layer of [satellite, streets]) {
    layer.on('tileerror', () => {
      if (isUntried) map.removeLayer(satellite).addLayer(plain);
      warn(isRefused(layer) ? refused : failed);
    });
  }
  satellite.on('tileload', () => {
    isUntried = false;
    warn('');
  });
}

map.getContainer().setAttribute('role', 'region');
map.getContainer().setAttribute('aria-label', 'Map: N and P open the next and previous photograph');
if (data.land) map.attributionControl.addAttribution('Outlines: Natural Earth');
map.attributionControl.setPrefix('<a href="https://leafletjs.com">Leaflet</a>');
fit();
ground.addTo(map);
showOverlay();
dots.addTo(map);
names.addTo(map); // after the dots, which it keeps clear of
keepFitting();
map.on('moveend', lookAround);
openPopups();
offerRuler();
follow();
lookAround();
keepAddress();
showPosition();
warnAboutTiles();
part('fit').addEventListener('click', fit);

window.granpipe = {
  map,
  open,
  get shown() { return indicesOf(shown).length; },
  get drawn() { return state.drawn; },
  get opened() { return state.opened; },
  get pile() { return state.pile; },
};
