// What the account used by day, and what it is held to.

import { BASE, get, query } from './api.js';
import { fill, h, s, top } from './dom.js';
import { bytes, number, span, words } from './say.js';

const WIDE = 760;
/** So that what is written stays readable where it is narrow. */
const NARROW = 340;
const HEIGHT = 190;
const LEFT = 46;
const FOOT = 22;
const DAYS = 30;

const isTime = name => name.endsWith('_ms');
const shown = (name, value) => isTime(name) ? (value < 1000 ? `${value} ms` : span(value / 1000))
  : name.includes('bytes') ? bytes(value) : number(value);
const called = name => words(isTime(name) ? name.slice(0, -3) : name);

const day = at => new Date(at).toISOString().slice(0, 10);

export async function usage({ main, place, query: asked, signal }) {
  const from = day(Date.now() - (DAYS - 1) * 86400000);
  const [used, account] = await Promise.all([get(`/v1/usage${query({ from })}`), get('/v1/account')]);
  if (signal.aborted) return;
  const names = Object.keys(used.total);
  const name = names.includes(asked.get('of')) ? asked.get('of') : names[0];
  const heading = top('Usage', `From ${used.from} to ${used.to}, in UTC.`);
  heading.append(h('a', { class: 'button', href: `${BASE}/v1/usage${query({ from, format: 'csv' })}`, download: 'usage.csv' }, 'CSV'));
  fill(main, heading, h('div', { class: 'stack' },
    h('section', { class: 'card stack' },
      h('nav', { class: 'chips', 'aria-label': 'What is shown' }, names.map(one =>
        place.link(`usage?of=${one}`, { 'aria-current': one === name ? 'true' : null }, called(one)))),
      h('p', null, h('span', { class: 'big num' }, shown(name, used.total[name])), h('span', { class: 'soft' }, ` ${called(name).toLowerCase()} in ${DAYS} days`)),
      chart(used, from, name), rows(used, name)),
    h('div', { class: 'grid cards' }, bounds('Quotas', account.quotas), bounds('Limits of a job', account.limits))));
}

/** Bars by day. Whoever cannot see them has the table below. */
function chart(used, from, name) {
  const width = innerWidth < 600 ? NARROW : WIDE;
  const values = new Map(used.days.map(one => [one.date, one[name]]));
  const all = Array.from({ length: DAYS }, (_, index) => day(Date.parse(from) + index * 86400000));
  const most = Math.max(1, ...all.map(date => values.get(date) ?? 0));
  const step = (width - LEFT) / DAYS;
  const tall = HEIGHT - FOOT - 8;
  const bars = all.map((date, index) => {
    const value = values.get(date) ?? 0;
    const height = value ? Math.max(2, value / most * tall) : 1;
    return s('rect', { class: value ? 'bar' : 'bar none', x: (LEFT + index * step + 1.5).toFixed(1), width: (step - 3).toFixed(1), y: (HEIGHT - FOOT - height).toFixed(1), height: height.toFixed(1), rx: '2' },
      s('title', null, `${date}: ${shown(name, value)}`));
  });
  const text = (x, y, anchor, what) => s('text', { x, y, 'text-anchor': anchor }, what);
  return s('svg', { class: 'chart', viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': `${called(name)} by day, at most ${shown(name, most)}` },
    s('line', { x1: LEFT, x2: width, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT }),
    text(LEFT - 6, 14, 'end', shown(name, most)), text(LEFT - 6, HEIGHT - FOOT, 'end', '0'), bars,
    text(LEFT, HEIGHT - 6, 'start', all[0]), text(width, HEIGHT - 6, 'end', all[DAYS - 1]));
}

function rows(used, name) {
  return h('details', null, h('summary', null, 'As a table'), used.days.length
    ? h('table', null, h('caption', { class: 'hidden-text' }, `${called(name)} by day`),
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Day'), h('th', { scope: 'col', class: 'right' }, called(name)))),
      h('tbody', null, used.days.map(one => h('tr', null, h('td', null, one.date), h('td', { class: 'right num' }, shown(name, one[name]))))))
    : h('p', { class: 'soft' }, 'Nothing was used.'));
}

function bounds(title, all) {
  return h('section', { class: 'card stack' }, h('h2', null, title), Object.entries(all).map(([name, bound]) => {
    const part = bound.used === undefined || bound.used === null ? null : Math.min(100, bound.used / Math.max(1, bound.value) * 100);
    const bar = part !== null && h('i');
    if (bar) bar.style.width = `${part}%`;
    return h('div', { class: 'meter' },
      h('div', { class: 'row apart small' }, h('span', null, called(name), bound.own && h('span', { class: 'soft' }, ' (your own)')),
        h('span', { class: 'num soft' }, part !== null ? `${shown(name, bound.used)} of ${shown(name, bound.value)}` : shown(name, bound.value))),
      bar && h('div', { class: 'track', role: 'img', 'aria-label': `${Math.round(part)} %` }, bar));
  }));
}
