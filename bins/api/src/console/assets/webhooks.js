// Endpoints that are told what happens, how they are, and every delivery with its attempts.

import { ask, get, keep, post } from './api.js';
import { deliveries, narrowed, said } from './deliveries.js';
import { copyable, dialog, facts, field, fill, h, secret, sure, tag, toast, top } from './dom.js';
import { fromLocal, number, toLocal, when, words } from './say.js';

/** What may change what is shown. */
const HAPPENINGS = {
  delivery: ['due', 'attempt_failed', 'delivered', 'exhausted', 'redelivery_requested'],
  endpoint: ['added', 'changed', 'secret_rotated', 'disabled', 'enabled', 'circuit_opened', 'circuit_closed', 'replay_requested', 'replay_ended', 'removed'],
};
/** How long happenings are gathered before it is asked for anew. */
const GATHER_MS = 1000;
const DAY_MS = 86400000;
/** How much of a moment is enough to tell minutes apart. */
const MINUTE_CHARS = '2026-11-22T10:00'.length;
const BECAUSE = {
  asked: 'Somebody of the account disabled it.',
  gone: 'It answered 410: it wants no more.',
  failing: 'It did nothing but fail for days. Mend it, send a test, then enable it; what it missed can be replayed.',
};

export async function webhooks({ main, place, query: asked, signal }) {
  const may = place.may('account:write');
  const filter = narrowed(asked);
  const cards = h('div', { class: 'stack' });
  const body = h('div', { class: 'stack' }, cards);
  const first = (await get('/v1/endpoints')).endpoints;
  if (signal.aborted) return;
  const told = deliveries({ filter, endpoints: first, may, place, signal });
  let last = null;
  const load = async () => {
    const { endpoints } = await get('/v1/endpoints');
    await told.load(endpoints);
    if (signal.aborted) return;
    const now = JSON.stringify(endpoints);
    const shown = endpoints.filter(one => !filter.endpoint || one.id === filter.endpoint);
    if (now !== last) fill(cards, endpoints.length ? shown.map(one => card(one, { may, load, place, chosen: filter.endpoint !== null })) : nothing(may));
    last = now;
    // What was told to those that are gone stays on record.
    if (!told.section.isConnected && (endpoints.length || told.any())) body.append(told.section);
  };
  const heading = top('Webhooks', 'Signed by Standard Webhooks, told again until they are taken.');
  if (may) heading.append(h('button', { class: 'main-act', type: 'button', on: { click: () => add(load) } }, 'Add an endpoint'));
  await load();
  if (signal.aborted) return;
  fill(main, heading, body);
  if (told.isNarrowed && !filter.endpoint) told.section.scrollIntoView();
  const types = Object.entries(HAPPENINGS).flatMap(([kind, names]) => names.map(name => `${kind}.${name}`));
  keep(load, { wanted: 'delivery.*,endpoint.*', types, gatherMs: GATHER_MS, signal });
}

function nothing(may) {
  return h('div', { class: 'card empty' }, h('h2', null, 'No endpoint yet'),
    h('p', null, 'An endpoint is a URL of yours that is told how jobs end. Add one here, or from a terminal:'),
    copyable('darkroom endpoint add https://example.com/hooks --topic "job.*"', 'Command'),
    !may && h('p', { class: 'soft' }, 'Your role does not let you add one.'));
}

function health(one) {
  if (!one.enabled) return tag('disabled', 'bad');
  if (one.circuit.circuit === 'open') return tag('left alone', 'wait');
  return tag('enabled', 'good');
}

function card(one, { may, load, place, chosen }) {
  const path = `/v1/endpoints/${one.id}`;
  const act = (text, doing, more) => h('button', { class: 'small', type: 'button', ...more, on: { click: async event => {
    event.target.disabled = true;
    try {
      await doing();
    } catch (error) {
      toast(error.message, 'bad');
    }
    event.target.disabled = false;
  } } }, text);
  return h('section', { class: 'card stack' },
    h('div', { class: 'row apart' }, h('h2', { class: 'wrap' }, one.url ?? 'erased'), health(one)),
    one.description && h('p', { class: 'soft wrap' }, one.description),
    one.disabled && h('p', { class: 'note bad' }, h('strong', null, 'Disabled ', when(one.disabled.at), '. '), BECAUSE[one.disabled.because] ?? words(one.disabled.because)),
    one.enabled && one.circuit.circuit === 'open' && h('p', { class: 'note wait' },
      'Nothing but failures since ', when(one.circuit.failing_since), '. It is tried again ',
      new Date(one.circuit.until) > Date.now() ? when(one.circuit.until) : 'with the next delivery', '; nothing is lost meanwhile.'),
    one.replay && h('p', { class: 'note calm' }, h('strong', null, 'A replay runs. '), progress(one.replay)),
    facts([
      ['Topics', one.topics.join(', ')],
      ['Body', one.payload.replaceAll('_', ' ')],
      ['Signed with', one.scheme.replaceAll('_', '-')],
      ['Public key', one.public_key && h('span', { class: 'mono' }, one.public_key)],
      ['Since', when(one.created_at)],
    ]),
    h('div', { class: 'row' },
      !chosen && place.link(`webhooks?endpoint=${one.id}`, { class: 'button small' }, 'Its deliveries'),
      may && [
        act('Send a test', async () => {
          const sent = await post(`${path}/test`);
          toast(sent.status === 'delivered' ? `Taken: ${sent.last.status} in ${sent.last.latency_ms} ms.` : `Not taken: ${said(sent.last) || 'no answer yet'}.`,
            sent.status === 'delivered' ? 'good' : 'bad');
          await load();
        }),
        act(one.enabled ? 'Disable' : 'Enable', async () => {
          const { missed_since: missed } = await ask('PATCH', path, { enabled: !one.enabled });
          await load();
          if (missed) await replay(path, load, { title: 'Tell it what it missed?', what: 'jobs', since: missed });
        }),
        act('Rotate the secret', async () => {
          const made = await post(`${path}/secret`);
          if (made.secret) await secret('The new secret', 'Both secrets sign for a day, so that you can change over.', made.secret);
          await load();
        }),
        act('Replay…', () => replay(path, load), one.replay ? { disabled: true, title: 'One runs: there is one at a time.' } : null),
        act('Remove…', () => sure('Remove this endpoint?', 'It is told nothing more. What it was told stays on record.', 'Remove it', async () => {
          await ask('DELETE', path);
          await load();
        }), { class: 'small danger' }),
      ]));
}

/** How far a replay has come. */
function progress({ of, through_seq: through, deliveries: made }) {
  return `It has looked at ${number(Math.max(0, through - of.from_seq + 1))} of ${number(of.to_seq - of.from_seq + 1)} events and told ${number(made)} of them.`;
}

/** Asks what to tell again. */
function replay(path, load, { title = 'Tell past events again', what: usual = 'exhausted', since: from = new Date(Date.now() - DAY_MS).toISOString() } = {}) {
  const what = h('select', null, [
    ['exhausted', 'what was given up'], ['jobs', 'everything it wants of jobs'], ['uploads', 'everything it wants of uploads'],
    ['accounts', 'everything it wants of the account'],
  ].map(([value, text]) => h('option', { value, selected: value === usual }, text)));
  const since = h('input', { type: 'datetime-local', step: 'any', required: true, value: toLocal(from).slice(0, MINUTE_CHARS) });
  const until = h('input', { type: 'datetime-local', step: 'any' });
  return dialog({
    title,
    body: [field('replay-what', 'What', what, 'Receivers know each by the webhook-id of the first time.'),
      h('div', { class: 'grid' }, field('replay-since', 'From', since), field('replay-until', 'Up to', until, 'Now, unless said.')),
      h('p', { class: 'small soft' }, 'By sequences of the log instead: ', h('code', null, 'darkroom endpoint replay --help'))],
    act: 'Replay',
    submit: async data => {
      const chosen = data.get('replay-what');
      const wish = chosen === 'exhausted' ? { only: 'exhausted' } : { stream: chosen };
      const upTo = fromLocal(data.get('replay-until'));
      const begun = await post(`${path}/replays`, { ...wish, since: fromLocal(data.get('replay-since')), ...(upTo ? { until: upTo } : {}) });
      if (begun.to_seq < begun.from_seq) toast('Nothing happened in that time.', 'wait');
      else toast('The replay has begun.');
      await load();
    },
  });
}

function add(load) {
  const url = field('url', 'URL', h('input', { type: 'url', required: true, placeholder: 'https://example.com/hooks' }), 'https, without credentials.');
  const topics = field('topics', 'Topics', h('input', { value: 'job.completed, job.failed' }), 'job.completed, job.*, destination.*, or * for everything; with commas between.');
  return dialog({
    title: 'Add an endpoint',
    body: [url, topics],
    act: 'Add it',
    submit: async data => {
      const list = data.get('topics').split(',').map(text => text.trim()).filter(Boolean);
      const made = await post('/v1/endpoints', { url: data.get('url').trim(), ...(list.length ? { topics: list } : {}) });
      await load();
      return made;
    },
  }).then(made => made?.secret && secret('The signing secret', 'With it the endpoint tells our requests from those of others.', made.secret));
}
