// Starts the console: finds out who is there, and shows the page that the address names.

import { BASE, ask, get } from './api.js';
import { fill, h, top } from './dom.js';
import { door } from './login.js';
import { jobs } from './jobs.js';
import { job } from './job.js';
import { make } from './make.js';
import { destination } from './destination.js';
import { webhooks } from './webhooks.js';
import { keys } from './keys.js';
import { members } from './members.js';
import { usage } from './usage.js';
import { log } from './log.js';
import { profile } from './profile.js';

/** Every page: what the menu calls it, what a member must be allowed, and what shows it. */
const PAGES = [
  { path: 'jobs', name: 'Jobs', scope: 'jobs:read', show: jobs, one: job },
  { path: 'new', name: 'New preview', scope: 'jobs:write', show: make },
  { path: 'destination', name: 'Destination', scope: 'account:read', show: destination },
  { path: 'webhooks', name: 'Webhooks', scope: 'account:read', show: webhooks },
  { path: 'keys', name: 'Keys', scope: 'account:read', show: keys },
  { path: 'members', name: 'Members', scope: 'account:read', show: members },
  { path: 'usage', name: 'Usage', scope: 'account:read', show: usage },
  { path: 'log', name: 'Log', show: log },
  { path: 'profile', name: 'You', show: profile, hidden: true },
];
/** Shown to whoever is not logged in, and to whoever opens such a link. */
const DOORS = ['join', 'reset', 'login'];

const app = document.getElementById('app');
let me = null;
let leave = null;

/** What pages are given. */
const place = {
  href: path => `${BASE}/console/${path}`,
  go(path) {
    history.pushState(null, '', place.href(path));
    render();
  },
  may: scope => me !== null && me.scopes.includes(scope),
  get me() { return me; },
  /** A link to another page, without loading anything anew. */
  link: (path, props, ...children) => h('a', { href: place.href(path), ...props }, ...children),
};

/** What the address names: the page, one thing of it, and what is asked of it. */
function address() {
  const rest = location.pathname.slice(`${BASE}/console`.length);
  const [page = '', id = ''] = rest.split('/').filter(Boolean).map(decodeURIComponent);
  return { page: page || 'jobs', id, query: new URLSearchParams(location.search) };
}

async function render() {
  const { page, id, query } = address();
  leave?.();
  leave = null;
  if (DOORS.includes(page)) return atTheDoor(page);
  if (me === null) {
    try {
      me = await get('/v1/me');
    } catch (error) {
      if (error.status !== 401) return fill(app, unreachable(error));
      return atTheDoor('login');
    }
  }
  const known = PAGES.find(known => known.path === page);
  const main = frame(known);
  if (!known || (known.scope && !place.may(known.scope))) {
    document.title = 'Darkroom';
    return fill(main, top(known ? 'Not for you' : 'Nothing is here', known
      ? `Your role, ${me.member.role}, does not let you see this.`
      : 'The address names no page of the console.'));
  }
  document.title = `${known.name} - Darkroom`;
  const controller = new AbortController();
  leave = () => controller.abort();
  const show = id && known.one ? known.one : known.show;
  try {
    await show({ main, place, id, query, signal: controller.signal });
  } catch (error) {
    if (controller.signal.aborted || error.status === 401) return;
    fill(main, top(error.status === 404 ? 'Not found' : 'This could not be shown'),
      h('p', { class: 'note bad', role: 'alert' }, error.message),
      h('p', null, h('button', { on: { click: render } }, 'Try again')));
  }
  main.querySelector('h1')?.focus({ preventScroll: true });
}

function atTheDoor(page) {
  me = null;
  document.title = 'Darkroom';
  fill(app, door(page, place, found => {
    me = found;
    if (DOORS.includes(address().page)) history.replaceState(null, '', place.href('jobs'));
    render();
  }));
}

/** What stands around every page. Answers where the page goes. */
function frame(current) {
  const main = h('main', { class: 'main', id: 'main', tabindex: '-1' },
    h('p', { class: 'soft', role: 'status' }, 'One moment…'));
  const items = PAGES.filter(page => !page.hidden && (!page.scope || place.may(page.scope)));
  const { member } = me;
  fill(app, h('a', { class: 'skip', href: '#main' }, 'Go to the content'),
    h('div', { class: 'shell' },
      h('header', { class: 'side' },
        place.link('', { class: 'brand' }, mark(), 'Darkroom'),
        h('nav', { class: 'menu', 'aria-label': 'Pages' }, items.map(page =>
          place.link(page.path, { 'aria-current': page === current ? 'page' : null }, page.name))),
        h('div', { class: 'who' },
          h('span', { class: 'where soft' }, member.role),
          place.link('profile', { 'aria-current': current?.path === 'profile' ? 'page' : null }, addressOf(member)),
          h('button', { class: 'plain', type: 'button', on: { click: logOut } }, 'Log out'))),
      main));
  app.querySelector('[aria-current="page"]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  return main;
}

/** An address that may go on in the next line after its @. */
function addressOf({ email, id }) {
  if (!email) return id;
  const at = email.lastIndexOf('@') + 1;
  return [email.slice(0, at), h('wbr'), email.slice(at)];
}

function mark() {
  return h('img', { src: new URL('./icon.svg', import.meta.url).href, alt: '', width: '26', height: '26' });
}

async function logOut() {
  try {
    await ask('DELETE', '/v1/sessions/current');
  } catch (error) {
    if (error.status !== 401) return;
  }
  leave?.();
  history.replaceState(null, '', place.href('login'));
  atTheDoor('login');
}

function unreachable(error) {
  return h('div', { class: 'door' }, h('div', { class: 'card stack' }, h('h1', { tabindex: '-1' }, 'Darkroom'),
    h('p', { class: 'note bad', role: 'alert' }, error.message),
    h('button', { type: 'button', on: { click: render } }, 'Try again')));
}

// Links to pages of ours change what is shown; all others go where they lead.
document.addEventListener('click', event => {
  const link = event.target.closest?.('a[href]');
  const elsewhere = !link || link.target || link.hasAttribute('download') || event.button !== 0
    || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.defaultPrevented;
  if (elsewhere || link.origin !== location.origin || link.getAttribute('href').startsWith('#')) return;
  if (link.pathname !== `${BASE}/console` && !link.pathname.startsWith(`${BASE}/console/`)) return;
  event.preventDefault();
  if (link.href !== location.href) history.pushState(null, '', link.href);
  render();
  scrollTo(0, 0);
});
addEventListener('popstate', render);
addEventListener('session-ended', () => {
  if (me === null) return;
  leave?.();
  atTheDoor('login');
});
render();
