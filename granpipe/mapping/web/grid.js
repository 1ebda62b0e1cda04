/* The ground below the tiles: land, and a grid of degrees with its numbers. */

import { paintLand } from './land.js';
import { Painting } from './painting.js';
import { map } from './place.js';
import { onTheme, themed } from './symbols.js';
import { degrees, longitude } from './text.js';

function paintGrid(context, { min, max }) {
  const [{ lat: north, lng: west }, { lat: south, lng: east }] = [min, max].map(
    (corner) => map.layerPointToLatLng(corner),
  );
  const step = roundStep((east - west) / (max.x - min.x) * 110);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  // Meridians are numbered below the choice of layers, and right of the buttons for zooming.
  const [box, buttons] = ['.leaflet-right', '.leaflet-left'].map(
    (side) => map.getContainer().querySelector(`.leaflet-top${side}`),
  );
  const edge = map.containerPointToLayerPoint([map.getSize().x - 4, box.offsetHeight + 12]);
  const first = map.containerPointToLayerPoint([buttons.offsetWidth, 0]).x;
  Object.assign(context, {
    strokeStyle: themed('grid'), fillStyle: themed('faint'), font: '11px system-ui, sans-serif',
    textAlign: 'right', textBaseline: 'alphabetic', lineWidth: 1,
  });
  context.beginPath();
  for (let k = Math.ceil(west / step); k * step <= east; k++) {
    const x = Math.round(map.latLngToLayerPoint([0, k * step]).x) + 0.5;
    context.moveTo(x, min.y);
    context.lineTo(x, max.y);
    const number = longitude(k * step, digits);
    const start = x - 3 - context.measureText(number).width;
    if (start > first && x <= edge.x + 4) context.fillText(number, x - 3, edge.y);
  }
  for (let k = Math.ceil(south / step); k * step <= north; k++) {
    const y = Math.round(map.latLngToLayerPoint([k * step, 0]).y) + 0.5;
    context.moveTo(min.x, y);
    context.lineTo(max.x, y);
    if (y > edge.y + 12) context.fillText(degrees(k * step, digits, 'NS'), edge.x, y - 3);
  }
  context.stroke();
}

// The next round number of degrees: 90, 45, 30, 20, 10, 5, 2, 1, 0.5, ...
function roundStep(atLeast) {
  if (atLeast > 20) return [30, 45].find((step) => step >= atLeast) ?? 90;
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= atLeast);
}

// Below the tiles: it shows wherever none arrive.
map.createPane('ground').style.zIndex = 100;

export const ground = new Painting((context, bounds) => {
  paintLand(context, bounds);
  paintGrid(context, bounds);
}, { pane: 'ground' });

onTheme(() => ground.repaint());
