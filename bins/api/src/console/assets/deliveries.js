// What endpoints were told: a list that is narrowed by what stands in the address, and each delivery
// with its attempts.

import { BASE, get, post, query } from './api.js';
import { dialog, facts, field, fill, h, table, tag, toast } from './dom.js';
import { exact, fromLocal, toLocal, when, words } from './say.js';

const STANDINGS = { waiting: 'wait', delivered: 'good', exhausted: 'bad' };
/** What narrows the list, as the API and the address name it. */
const NAMES = ['endpoint', 'status', 'topic', 'job', 'since', 'until'];
/** Those of them that the form has. */
const FIELDS = NAMES.filter(name => name !== 'status');
/** Topics that are suggested; others can be written. */
const TOPICS = ['job.*', 'job.completed', 'job.failed', 'job.cancelled', 'upload.*', 'account.*', 'destination.*', 'endpoint.*', 'endpoint.test', 'delivery.exhausted'];
/** What is told to no endpoint that there is. */
const ELSEWHERE = 'the callback of its job, or an endpoint that was removed';
/** From when on it is worth saying that something happened later. */
const LATER_MS = 60000;
/** How many pages without a row are passed over before somebody is asked whether to look further. */
const MAX_EMPTY_PAGES = 8;

/** What narrows the list, as the address says. */
export const narrowed = asked => Object.fromEntries(NAMES.map(name => [name, asked.get(name) || null]));

/** The section: what narrows the list, and the list. `load` brings it up to date, given the endpoints
    that there are; `any` says whether there is something to see. */
export function deliveries({ filter, endpoints, may, place, signal }) {
  const list = h('div', { class: 'card flush' });
  const more = h('div', { class: 'row' });
  const form = narrow(filter, endpoints, place);
  const isNarrowed = NAMES.some(name => filter[name]);
  const act = { may, place, load, urls: new Map(), isOfOne: Boolean(filter.endpoint) };
  let pages = 1;
  let any = false;
  let isRefused = false;
  let last = null;

  /** A page with something on it, where there is one not far behind. */
  async function page(cursor) {
    let found = await get(`/v1/deliveries${query({ ...filter, cursor })}`);
    for (let passed = 0; !found.deliveries.length && found.next && passed < MAX_EMPTY_PAGES; passed += 1) {
      found = await get(`/v1/deliveries${query({ ...filter, cursor: found.next })}`);
    }
    return found;
  }
  async function load(known = endpoints) {
    endpoints = known;
    // What was refused once is refused until something else is asked for.
    if (isRefused) return;
    const all = [];
    let next = null;
    try {
      for (let asked = 0; asked < pages && (asked === 0 || next); asked += 1) {
        const found = await page(next);
        all.push(...found.deliveries);
        next = found.next;
      }
    } catch (error) {
      if (error.status !== 400) throw error;
      isRefused = true;
      const isMarked = form.complain(error.param, error.message);
      fill(list, h('div', { class: 'empty' }, h('p', null, isMarked ? 'Nothing is shown until what is marked above is corrected.' : error.message)));
      return;
    }
    if (signal.aborted) return;
    any = all.length > 0 || next !== null;
    act.urls = new Map(endpoints.map(one => [one.id, one.url]));
    const now = JSON.stringify([all, next, [...act.urls]]);
    if (now !== last) show(all, next !== null);
    last = now;
  }
  function show(all, goesOn) {
    fill(list, all.length ? table('Deliveries, newest first', ['Event', 'State', 'Answer', 'Tries', 'Due', h('span', { class: 'hidden-text' }, 'Again')], all.map(one => row(one, act)))
      : h('div', { class: 'empty' }, nothing(goesOn, isNarrowed)));
    fill(more, goesOn && h('button', { type: 'button', on: { click: async event => {
      event.target.disabled = true;
      pages += 1;
      try {
        await load();
      } catch (error) {
        toast(error.message, 'bad');
        event.target.disabled = false;
      }
    } } }, 'Show older'));
  }

  const chip = (status, text) => place.link(`webhooks${query({ ...filter, status })}`, { 'aria-current': (filter.status ?? '') === status ? 'true' : null }, text);
  const csv = `${BASE}/v1/deliveries${query({ ...filter, format: 'csv' })}`;
  const section = h('section', { class: 'stack', 'aria-label': 'Deliveries' },
    h('div', { class: 'row apart' }, h('h2', null, 'Deliveries'),
      h('div', { class: 'row' }, h('nav', { class: 'chips', 'aria-label': 'Deliveries by state' }, chip('', 'all'), Object.keys(STANDINGS).map(name => chip(name, name))),
        isNarrowed && place.link('webhooks', { class: 'button small' }, 'Show all'),
        h('a', { class: 'button small', href: csv, download: 'deliveries.csv', title: 'All of these as a table' }, 'CSV'))),
    form.whole, list, more);
  return { section, load, isNarrowed, any: () => isNarrowed || any };
}

/** The form that narrows the list by what stands in its fields. */
function narrow(filter, endpoints, place) {
  const text = (name, more) => h('input', { value: filter[name] ?? '', autocomplete: 'off', spellcheck: 'false', ...more });
  const moment = name => h('input', { type: 'datetime-local', step: 'any', value: toLocal(filter[name]) });
  const known = endpoints.some(one => one.id === filter.endpoint);
  const endpoint = h('select', null, h('option', { value: '' }, 'every endpoint'),
    endpoints.map(one => h('option', { value: one.id }, one.url ?? one.id)),
    filter.endpoint && !known && h('option', { value: filter.endpoint }, `${filter.endpoint} (none that there is)`));
  endpoint.value = filter.endpoint ?? '';
  const topics = h('datalist', { id: 'topics' }, TOPICS.map(value => h('option', { value })));
  const fields = {
    endpoint: field('endpoint', 'Endpoint', endpoint),
    topic: field('topic', 'Topic', text('topic', { list: topics.id, placeholder: 'job.failed, or job.*' })),
    job: field('job', 'Job', text('job', { placeholder: 'its id' })),
    since: field('since', 'Due from', moment('since')),
    until: field('until', 'Due before', moment('until')),
  };
  const shown = { ...filter, endpoint: filter.endpoint && endpoint.selectedOptions[0]?.textContent,
    since: filter.since && `from ${exact(filter.since)}`, until: filter.until && `before ${exact(filter.until)}` };
  const set = FIELDS.filter(name => filter[name]).map(name => shown[name]);
  const form = h('form', { class: 'stack', novalidate: true, on: { submit: event => {
    event.preventDefault();
    const data = new FormData(event.target);
    const said = name => String(data.get(name) ?? '').trim();
    place.go(`webhooks${query({ endpoint: said('endpoint'), status: filter.status, topic: said('topic'), job: said('job'),
      since: fromLocal(said('since')), until: fromLocal(said('until')) })}`);
  } } }, h('div', { class: 'grid' }, fields.endpoint, fields.topic, fields.job), topics,
  h('div', { class: 'grid' }, fields.since, fields.until, h('div', { class: 'low' }, h('button', { type: 'submit' }, 'Show these'))));
  const whole = h('details', { class: 'card' },
    h('summary', { class: 'wrap' }, 'By endpoint, topic, job or time', set.length > 0 && h('span', { class: 'soft' }, `: ${set.join(', ')}`)), form);
  const complain = (name, message) => {
    whole.open = true;
    fields[name]?.complain(message);
    return name in fields;
  };
  return { whole, complain };
}

function nothing(goesOn, isNarrowed) {
  if (goesOn) return h('p', null, 'None of the newest is so. There are older ones to look through.');
  if (isNarrowed) return h('p', null, 'No delivery is so.');
  return h('p', null, 'Nothing has been told yet. Send a test, or make a preview.');
}

/** How the last attempt went, in a few words. */
export function said(last) {
  if (!last) return '';
  return [last.status, last.code !== 'status' && last.code?.replaceAll('_', ' ')].filter(Boolean).join(', ');
}

function row(one, act) {
  const again = act.may && one.status === 'exhausted' && h('button', { class: 'small', type: 'button', on: { click: async event => {
    event.target.disabled = true;
    try {
      await redeliver(one, act);
    } catch (error) {
      toast(error.message, 'bad');
      event.target.disabled = false;
    }
  } } }, 'Redeliver');
  return h('tr', null,
    h('td', null, h('button', { class: 'plain', type: 'button', on: { click: () => open(one, act) } }, one.topic),
      // Where all are of one endpoint, it need not be named.
      act.isOfOne ? h('div', { class: 'soft small mono' }, one.webhook_id.slice(0, 16))
        : h('div', { class: 'soft small wrap' }, act.urls.get(one.endpoint) ?? ELSEWHERE)),
    h('td', null, tag(one.status, STANDINGS[one.status] ?? '')),
    h('td', { class: 'soft small' }, one.last ? [said(one.last), `${one.last.latency_ms} ms`].filter(Boolean).join(', ') : 'not tried yet'),
    h('td', { class: 'soft small num' }, `${one.attempts} ${one.attempts === 1 ? 'attempt' : 'attempts'}`),
    h('td', { class: 'soft small' }, when(one.due_at), one.retry_at ? h('div', null, 'again ', when(one.retry_at))
      : new Date(one.updated_at) - new Date(one.due_at) > LATER_MS && h('div', null, 'last ', when(one.updated_at))),
    h('td', { class: 'right' }, again));
}

async function redeliver(one, { load }) {
  await post(`/v1/deliveries/${one.id}/redeliver`);
  toast('It is told again.');
  await load();
}

async function open(one, act) {
  let found;
  try {
    found = await get(`/v1/deliveries/${one.id}`);
  } catch (error) {
    return toast(error.message, 'bad');
  }
  const steps = found.history.map(step => h('li', { class: { delivered: 'good', exhausted: 'bad', attempt_failed: 'wait' }[step.event] ?? null },
    h('div', { class: 'row apart' }, h('b', null, words(step.event)), h('time', { class: 'soft small', datetime: step.at }, exact(step.at))),
    h('div', { class: 'soft small wrap' }, [step.attempt && `attempt ${step.attempt}`, step.http_status, step.code !== 'status' && step.code?.replaceAll('_', ' '),
      step.latency_ms !== null && `${step.latency_ms} ms`, step.address, step.retry_at && `again at ${exact(step.retry_at)}`].filter(Boolean).join(' · ')),
    step.answer && h('pre', { class: 'wrap small' }, step.answer)));
  const { place } = act;
  return dialog({
    title: found.topic,
    body: h('div', { class: 'stack' }, facts([
      ['webhook-id', h('span', { class: 'mono' }, found.webhook_id)],
      ['Duplicates', found.duplicates > 0 && `${found.duplicates}: may have come more than once`],
      ['Told to', act.urls.has(found.endpoint) ? place.link(`webhooks?endpoint=${found.endpoint}`, null, act.urls.get(found.endpoint) ?? found.endpoint) : ELSEWHERE],
      ['Job', found.job && place.link(`jobs/${found.job}`, { class: 'mono' }, found.job)],
    ]), h('ol', { class: 'steps' }, steps)),
    act: act.may && found.status !== 'waiting' && 'Redeliver',
    close: 'Close',
    submit: () => redeliver(one, act),
  });
}
