// One job: how it stands, what it made, what happened to it, and what proves that.

import { artifact, ask, get, listen } from './api.js';
import { copyable, facts, fill, h, sure, tag, toast, top } from './dom.js';
import { remedy } from './remedies.js';
import { STATES, bytes, clock, count, exact, hasEnded, number, span, when, words } from './say.js';

const EVENTS = ['requested', 'started', 'fetched', 'stored', 'wiped', 'completed', 'attempt_failed', 'failed',
  'cancel_requested', 'cancelled', 'expired', 'erasure_requested', 'erased'];
/** How long events are gathered before the job is asked for anew. */
const GATHER_MS = 120;
/** How often it is asked for anyhow. */
const LOOK_MS = 5000;
/** How often it is asked whether a job is erased, and for how long. */
const ERASED_LOOK_MS = 400;
const ERASED_WITHIN_MS = 60000;
export async function job({ main, place, id, signal }) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const parts = { head: h('div'), result: h('div', { class: 'stack' }), steps: h('ol', { class: 'steps' }), aside: h('div', { class: 'stack' }) };
  const events = new Map();
  let last = '';
  async function load() {
    const found = await get(path);
    if (signal.aborted) return null;
    // Pictures are not loaded anew for nothing.
    const now = JSON.stringify(found);
    if (now !== last) show(found);
    last = now;
    return found;
  }
  function show(found) {
    fill(parts.head, heading(found));
    fill(parts.result, standing(found, place), pictures(found), metadata(found));
    fill(parts.aside, about(found, place), proof(found, place), acts(found, { main, place, path, load, signal }));
  }
  let found;
  try {
    found = await load();
  } catch (error) {
    if (error.status !== 404) throw error;
    const erased = await get(`/v1/erasures/${encodeURIComponent(id)}`).catch(() => { throw error; });
    if (!signal.aborted) fill(main, erasure(erased));
    return;
  }
  if (!found) return;
  for (const event of (await get(`${path}/events`)).events) events.set(event.seq, event);
  if (signal.aborted) return;
  const tell = () => fill(parts.steps, [...events.values()].sort((a, b) => a.seq - b.seq).map(step));
  tell();
  fill(main, parts.head, h('div', { class: 'columns' }, parts.result,
    h('div', { class: 'stack' }, h('section', { class: 'card' }, h('h2', null, 'What happened'), parts.steps), parts.aside)));
  if (!hasEnded(found)) follow({ path, events, tell, load, parts, signal });
}

/** Shows what happens as it happens, up to the outcome. */
function follow({ path, events, tell, load, parts, signal }) {
  let waiting = null;
  let over = false;
  async function refresh() {
    waiting = null;
    const now = await load();
    if (over || !now || !hasEnded(now)) return;
    end();
    for (const event of (await get(`${path}/events`)).events) events.set(event.seq, event);
    tell();
  }
  const look = () => refresh().catch(error => toast(error.message, 'bad'));
  const source = listen(`${path}/events`, [...EVENTS, 'progress'], (type, data) => {
    if (type === 'progress') {
      const line = parts.head.querySelector('[data-progress]');
      if (line) line.textContent = passing(data);
      return;
    }
    events.set(data.seq, data);
    tell();
    waiting ??= setTimeout(look, GATHER_MS);
  });
  // Where no more streams are let in, it is looked up.
  const timer = setInterval(() => refresh().catch(() => {}), LOOK_MS);
  function end() {
    over = true;
    source.close();
    clearInterval(timer);
    clearTimeout(waiting);
  }
  signal.addEventListener('abort', end);
}

function passing(step) {
  if (step.stage === 'fetching') return `fetching, ${bytes(step.bytes)} so far`;
  if (step.stage === 'storing') return `storing, ${step.artifacts} so far`;
  return words(step.stage ?? '').toLowerCase();
}

function heading(found) {
  const [mood, moving] = STATES[found.status] ?? ['', false];
  const title = top(found.file_name || found.source?.media_type || 'Preview');
  title.append(h('span', { class: 'row' }, !hasEnded(found) && h('span', { class: 'soft small', 'data-progress': true, role: 'status' }),
    tag(found.status, mood, moving)));
  title.querySelector('.grow').append(h('p', { class: 'small mono wrap' }, found.id));
  return title;
}

/** What matters most about how it stands, in words. */
function standing(found, place) {
  const notes = [];
  const note = (mood, ...texts) => notes.push(h('p', { class: `note ${mood}` }, texts));
  if (found.expired_at) note('wait', h('strong', null, 'Expired. '), 'Its results lay in development storage and were removed ', when(found.expired_at), '. Ask again to have them anew.');
  else if (found.error) {
    note('bad', h('strong', null, `${words(found.error.code)}. `), found.error.message);
    note('', h('strong', null, 'What to do: '), remedy(found.error.code));
  } else if (found.retry) note('wait', h('strong', null, `${words(found.retry.code)}. `), 'The next attempt begins ', when(found.retry.at), '. Nothing needs to be done.');
  if (found.expires_at && !found.expired_at) {
    note('wait', h('strong', null, 'Development storage: '), 'these results expire ', when(found.expires_at), ` (${exact(found.expires_at)}) and are then removed. `,
      'Set a ', place.link('destination', null, 'destination'), ' to have results in a bucket of your own.');
  } else if (found.artifacts.some(one => one.stored_in === 'destination')) {
    note('calm', h('strong', null, 'In your own bucket: '), 'Darkroom can write there and not read, so the pictures cannot be shown here. Below stands where each lies.');
  }
  return notes;
}

function pictures(found) {
  if (!found.artifacts.length) return null;
  return h('section', { class: 'card' }, h('h2', null, count(found.artifacts.length, 'artifact')),
    h('div', { class: 'pictures' }, found.artifacts.map(one => picture(found, one))));
}

function picture(found, one) {
  const shown = found.status === 'completed' && one.stored_in === 'development' && !found.expired_at;
  const src = artifact(found.id, one.name);
  const size = typeof one.requested_size === 'string' || typeof one.requested_size === 'number' ? String(one.requested_size) : null;
  const alt = `Page ${one.page}${size ? `, ${size}` : ''}`;
  const view = !shown ? null
    : one.media_type.startsWith('image/') ? h('a', { href: src, target: '_blank', rel: 'noopener', class: 'frame' }, h('img', { src, alt, loading: 'lazy', decoding: 'async' }))
      : /^(video|audio)\//.test(one.media_type) ? h('div', { class: 'frame' }, h('video', { src, controls: true, preload: 'metadata', 'aria-label': alt }))
        : null;
  return h('figure', { class: 'picture' }, view, h('figcaption', null,
    h('div', null, h('strong', null, one.width ? `${one.width} × ${one.height}` : one.name), size && h('span', { class: 'soft' }, ` asked for as ${size}`)),
    h('div', { class: 'soft' }, `page ${one.page} · ${one.media_type} · ${bytes(one.size_bytes)}`),
    one.stored_in === 'destination' && one.url && h('div', { class: 'mono wrap' }, one.url),
    shown && h('a', { href: src, target: '_blank', rel: 'noopener' }, 'Open', h('span', { class: 'hidden-text' }, ` ${one.name}`))));
}

function metadata(found) {
  const { wish } = found;
  const asked = [
    ['Sizes', wish.sizes?.map(size => typeof size === 'object' ? JSON.stringify(size) : size).join(', ')],
    ['Format', wish.format],
    ['Metadata', wish.metadata?.join(', ')],
    ['Pages', wish.pages && (typeof wish.pages === 'string' ? wish.pages : JSON.stringify(wish.pages))],
  ];
  return h('section', { class: 'card' }, h('h2', null, 'Source and wish'), facts([
    ['File name', found.file_name],
    ['Kind', found.source?.media_type],
    ['Size', found.source && `${bytes(found.source.size_bytes)} (${number(found.source.size_bytes)} bytes)`],
    ['SHA-256', found.source && h('span', { class: 'mono' }, found.source.sha256)],
    ...asked,
    ['Your data', found.user_data && h('pre', { class: 'wrap' }, h('code', null, JSON.stringify(found.user_data, null, 2)))],
  ]), found.status === 'completed' && !found.expired_at && h('div', { class: 'after' }, details(found)));
}

/** What was found in the file; asked for when somebody wants to see it. */
function details(found) {
  const place = h('div');
  const open = async event => {
    if (!event.target.open || place.firstChild) return;
    try {
      const preview = await get(`/v2/previews/${found.id}`);
      fill(place, copyable(JSON.stringify(preview.original_file?.metadata ?? {}, null, 2), 'Metadata'));
    } catch (error) {
      fill(place, h('p', { class: 'note bad' }, error.message));
    }
  };
  return h('details', { on: { toggle: open } }, h('summary', null, 'Metadata that was found'), place);
}

function about(found, place) {
  const end = found.ended_at && (new Date(found.ended_at) - new Date(found.requested_at)) / 1000;
  return h('section', { class: 'card' }, h('h2', null, 'This job'), facts([
    ['Asked for', when(found.requested_at)],
    ['Ended', found.ended_at && [when(found.ended_at), `, after ${end < 60 ? `${end.toFixed(1)} s` : span(end)}`]],
    ['Attempts', String(found.attempts)],
    ['Makes again', found.rerun_of],
    ['Key pair', h('span', { class: 'mono small' }, found.application)],
    ['Told', place.may('account:read') && place.link(`webhooks?job=${found.id}`, null, 'what endpoints were told of it')],
  ]));
}

function proof(found, place) {
  if (!place.may('audit') && !found.receipt) return null;
  const url = `${location.origin}${place.href('').replace(/\/console\/$/, '')}`;
  return h('section', { class: 'card stack' }, h('h2', null, 'Evidence'),
    h('p', { class: 'small soft' }, 'Every event names the hash of the one before; a notary signs them all. Anybody can verify that, offline.'),
    place.may('audit') && h('div', { class: 'row' }, h('a', { class: 'button small', href: `${url}/v1/jobs/${found.id}/audit`, download: `${found.id}.evidence.json` }, 'Download the evidence')),
    place.may('audit') && copyable(`darkroom audit check ${found.id}.evidence.json`, 'Command'),
    found.receipt && found.receipt.stored_in === 'development' && !found.expired_at
      && h('div', { class: 'row' }, h('a', { class: 'button small', href: artifact(found.id, 'receipt.json'), target: '_blank', rel: 'noopener' }, 'Signed receipt')));
}

/** Waits until nothing is left of a job, and shows the receipt of that. */
async function gone(main, id, signal) {
  const until = Date.now() + ERASED_WITHIN_MS;
  let found = await get(`/v1/erasures/${id}`);
  while (found.status !== 'erased' && !signal.aborted && Date.now() < until) {
    await new Promise(resolve => setTimeout(resolve, ERASED_LOOK_MS));
    found = await get(`/v1/erasures/${id}`);
  }
  if (!signal.aborted) fill(main, erasure(found));
}

/** What is left of a job that was erased: that it was. */
function erasure(found) {
  const title = top('Erased job');
  const over = found.status === 'erased';
  title.append(tag(found.status, over ? '' : 'wait', !over));
  title.querySelector('.grow').append(h('p', { class: 'small mono wrap' }, found.job));
  return h('div', null, title, h('div', { class: 'stack' },
    h('p', { class: 'note calm' }, over
      ? [h('strong', null, 'Erased. '), 'Nothing of this job can be read any more: its keys are destroyed. What stays is that it happened.']
      : [h('strong', null, 'Being erased. '), 'Its keys are destroyed once its objects are gone. Open this page again in a moment.']),
    h('section', { class: 'card' }, h('h2', null, 'Receipt'), facts([
      ['Asked for', exact(found.requested_at)],
      ['Erased', found.erased_at && exact(found.erased_at)],
      ['Objects removed', found.objects !== null && String(found.objects)],
      ['Event', found.event && h('span', { class: 'mono' }, found.event.id)],
      ['Its hash', found.event && h('span', { class: 'mono' }, found.event.hash)],
      ['Not covered', found.not_covered],
    ]))));
}

function acts(found, { main, place, path, load, signal }) {
  const done = text => load().then(() => toast(text), () => toast(text));
  const cancel = !hasEnded(found) && place.may('jobs:write') && h('button', { type: 'button', on: { click: async event => {
    event.target.disabled = true;
    try {
      await ask('DELETE', path);
      await done('The job is being ended.');
    } catch (error) {
      toast(error.message, 'bad');
    }
  } } }, 'Cancel');
  const erase = place.may('erase') && h('button', { class: 'danger', type: 'button', on: { click: () =>
    sure('Erase this job?', 'Its keys are destroyed, its results and its upload are removed from this service. Nobody can bring them back. What lies in your own bucket stays there.', 'Erase it for good', async () => {
      await ask('DELETE', `${path}?erase=true`);
      toast('The job is being erased.');
      gone(main, found.id, signal).catch(error => toast(error.message, 'bad'));
    }) } }, 'Erase…');
  return (cancel || erase) && h('div', { class: 'row' }, cancel, erase);
}

const MOODS = { completed: 'good', failed: 'bad', attempt_failed: 'wait', cancelled: 'wait', expired: 'wait', erased: 'wait' };

/** What matters about an event, in a few words. */
function step(event) {
  const data = event.data ?? {};
  const text = {
    started: () => `attempt ${data.attempt}`,
    fetched: () => `${bytes(data.size_bytes)} of ${data.media_type}`,
    stored: () => `${data.artifact?.name ?? ''} ${bytes(data.artifact?.size_bytes)}`,
    wiped: () => `${bytes(data.bytes)} of what was needed on the way`,
    completed: () => data.durations && `fetched in ${data.durations.fetch_ms} ms, drawn in ${data.durations.render_ms} ms, stored in ${data.durations.store_ms} ms`,
    attempt_failed: () => words(data.code ?? '').toLowerCase(),
    failed: () => words(data.code ?? '').toLowerCase(),
  }[event.type]?.() ?? '';
  return h('li', { class: MOODS[event.type] ?? null },
    h('div', { class: 'row apart' }, h('b', null, words(event.type)), event.time && h('time', { class: 'soft small num', datetime: event.time, title: exact(event.time) }, clock(event.time))),
    text && h('div', { class: 'soft small wrap' }, text));
}
