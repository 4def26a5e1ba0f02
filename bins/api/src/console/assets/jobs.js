// The list of jobs: newest first, by state, and as they go on.

import { get, keep, query } from './api.js';
import { copyable, fill, h, table, tag, toast, top } from './dom.js';
import { STATES, count, when } from './say.js';

/** What may change a list. */
const HAPPENINGS = ['requested', 'started', 'attempt_failed', 'completed', 'failed', 'cancel_requested', 'cancelled', 'expired', 'erased'];
/** How long happenings are gathered before the list is asked for anew. */
const GATHER_MS = 250;
const PAGE_ROWS = 50;

export async function jobs({ main, place, query: asked, signal }) {
  const status = asked.get('status');
  const heading = top('Jobs');
  if (place.may('jobs:write')) heading.append(place.link('new', { class: 'button main-act' }, 'New preview'));
  const chips = h('nav', { class: 'chips', 'aria-label': 'Jobs by state' });
  const list = h('div', { class: 'card flush' });
  const more = h('div', { class: 'row' });
  let rows = [];
  let next = null;
  // What was loaded beyond the first page stays below what is new.
  let beyond = [];

  const page = cursor => get(`/v1/jobs${query({ status, limit: PAGE_ROWS, cursor })}`);
  async function load() {
    const [first, counts] = await Promise.all([page(), get('/v1/counts')]);
    if (signal.aborted) return;
    rows = first.jobs;
    if (!beyond.length) next = first.next;
    const known = new Set(rows.map(job => job.id));
    show([...rows, ...beyond.filter(job => !known.has(job.id))], counts);
  }
  async function loadMore() {
    const answer = await page(next);
    beyond = [...beyond, ...answer.jobs];
    next = answer.next;
    await load();
  }
  function show(all, counts) {
    const total = Object.values(counts).reduce((sum, many) => sum + many, 0);
    const chip = (name, text, many) => h('a', { href: `${place.href('jobs')}${name ? `?status=${name}` : ''}`,
      'aria-current': (status ?? '') === name ? 'true' : null }, text, h('b', { class: 'num' }, String(many)));
    fill(chips, chip('', 'all', total), Object.keys(STATES).filter(name => counts[name] || name === status)
      .map(name => chip(name, name, counts[name] ?? 0)));
    fill(list, all.length ? table('Jobs, newest first', ['Job', 'State', 'Made', 'Asked for'], all.map(job => row(job, place)))
      : status ? h('div', { class: 'empty' }, h('p', null, `No job is ${status}.`)) : nothing(place));
    fill(more, next && h('button', { type: 'button', on: { click: event => {
      event.target.disabled = true;
      loadMore().catch(error => toast(error.message, 'bad'));
    } } }, 'Show older'));
  }

  await load();
  if (signal.aborted) return;
  fill(main, heading, h('div', { class: 'stack' }, chips, list, more));
  keep(load, { wanted: 'job.*', types: HAPPENINGS.map(name => `job.${name}`), gatherMs: GATHER_MS, signal });
}

/** What a job is called: its result, and its id, of which the beginning is but its time. */
function row(job, place) {
  const [mood, moving] = STATES[job.status] ?? ['', false];
  const made = job.expired_at ? 'expired' : job.error ? job.error.code.replaceAll('_', ' ')
    : job.artifacts.length ? count(job.artifacts.length, 'artifact') : '';
  const kind = job.source?.media_type ?? job.kind;
  return h('tr', null,
    h('td', null, place.link(`jobs/${job.id}`, { class: 'main-link' }, kind),
      h('div', { class: 'soft small mono wrap' }, job.id)),
    h('td', null, tag(job.status, mood, moving)),
    h('td', { class: 'soft small' }, made, job.expires_at && !job.expired_at && ['; expires ', when(job.expires_at)]),
    h('td', { class: 'soft small' }, when(job.requested_at)));
}

function nothing(place) {
  const url = `${location.origin}${place.href('').replace(/\/console\/$/, '')}`;
  return h('div', { class: 'empty' },
    h('h2', null, 'No jobs yet'),
    h('p', null, 'A job makes previews of one file. Ask for the first one here, or from a terminal:'),
    copyable(`curl -u "$DARKROOM_KEY:$DARKROOM_SECRET" ${url}/v2/previews/ \\\n     -d '{"url": "https://example.com/photograph.jpg", "sizes": ["640x480", 128]}'`, 'Command'),
    place.may('jobs:write') && place.link('new', { class: 'button main-act' }, 'New preview'));
}
