/* Elements and text. Names from files only ever become text nodes, never markup. */

import { data } from './data.js';

const ROWS = 200; // that a list grows by: browsers stall on 100,000

export const part = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.append(...children);
  return node;
}

export function button(attributes, children, act) {
  const node = element('button', { type: 'button', ...attributes }, ...children);
  node.addEventListener('click', act);
  return node;
}

// Control and direction characters would disguise a name: they show as escapes.
export const visible = (text) => text.replace(
  /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
  (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
);

export const name = (text) => element('bdi', {}, visible(text));
export const labelName = (label) => name(data.labels[label] || '(no class)');
export const number = (value) => value.toLocaleString('en');

export function photographLink(source) {
  if (data.links === null) return name(source);
  const href = data.links + Array.from(source, percent).join('');
  return element('a', { href, target: '_blank', rel: 'noopener' }, name(source));
}

// Python holds the bytes of a name that is no UTF-8 as U+DC80 to U+DCFF.
function percent(sign) {
  const code = sign.codePointAt(0);
  if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16)}`;
  return sign === '/' ? sign : encodeURIComponent(/\p{Cs}/u.test(sign) ? '\ufffd' : sign);
}

export function degrees(value, digits, [positive, negative]) {
  const size = Math.abs(value).toFixed(digits);
  const side = value < 0 ? negative : positive;
  return Number(size) === 0 ? `${size}°` : `${size}°\u00a0${side}`;
}

export function longitude(lon, digits) {
  const wrapped = Math.abs(lon) <= 180 ? lon : ((lon + 180) % 360 + 360) % 360 - 180;
  return degrees(wrapped, digits, 'EW');
}

export function positionText(lat, lon, digits = data.digits ?? 5) {
  return `${degrees(lat, digits, 'NS')}, ${longitude(lon, digits)}`;
}

const NORTHS = ['', ' (true north)', ' (magnetic north)'];

export function compass(direction, north = 0) {
  const wind = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'][Math.round(direction / 45) % 8];
  return `${Math.round(direction)}° ${wind}${NORTHS[north] ?? ''}`;
}

export function distance(metres) {
  return metres < 1000 ? `${Math.round(metres)} m` : `${number(Math.round(metres / 100) / 10)} km`;
}

export function dayText(day) {
  return new Date(day * 864e5).toISOString().replace(/T.*/, '').replace(/^[+-]00/, '');
}

export function growingList(items, row, rows = ROWS) {
  const list = element('ul');
  const grow = () => {
    const from = list.childElementCount;
    list.append(...items.slice(from, from + rows).map((item) => element('li', {}, row(item))));
    const left = items.length - list.childElementCount;
    more.hidden = left === 0;
    more.textContent = `Show more (${number(left)} left)`;
  };
  const more = button({ class: 'more' }, [], grow);
  grow();
  return [list, more];
}
