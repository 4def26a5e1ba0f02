// Endpoints that are told what happens, how they are, and every delivery with its attempts.

import { ask, get, post, query } from './api.js';
import { copyable, dialog, facts, field, fill, h, secret, sure, table, tag, toast, top } from './dom.js';
import { exact, when, words } from './say.js';

const STANDINGS = { waiting: 'wait', delivered: 'good', exhausted: 'bad' };
const BECAUSE = {
  asked: 'Somebody of the account disabled it.',
  gone: 'It answered 410: it wants no more.',
  failing: 'It did nothing but fail for days. Mend it, send a test, then enable it; what it missed can be replayed.',
};

export async function webhooks({ main, place, query: asked, signal }) {
  const may = place.may('account:write');
  const body = h('div', { class: 'stack' });
  const filter = { endpoint: asked.get('endpoint'), status: asked.get('status') };
  const load = async () => {
    const [{ endpoints }, list] = await Promise.all([get('/v1/endpoints'), get(`/v1/deliveries${query(filter)}`)]);
    if (signal.aborted) return;
    fill(body, endpoints.length ? endpoints.map(one => card(one, may, load, place)) : nothing(may),
      endpoints.length > 0 && deliveries(list, filter, may, load, place));
  };
  const heading = top('Webhooks', 'Signed by Standard Webhooks, told again until they are taken.');
  if (may) heading.append(h('button', { class: 'main-act', type: 'button', on: { click: () => add(load) } }, 'Add an endpoint'));
  await load();
  if (!signal.aborted) fill(main, heading, body);
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

function card(one, may, load, place) {
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
      'Nothing but failures since ', when(one.circuit.failing_since), '. It is tried again ', when(one.circuit.until), '; nothing is lost meanwhile.'),
    facts([
      ['Topics', one.topics.join(', ')],
      ['Body', one.payload.replaceAll('_', ' ')],
      ['Signed with', one.scheme.replaceAll('_', '-')],
      ['Public key', one.public_key && h('span', { class: 'mono' }, one.public_key)],
      ['Since', when(one.created_at)],
    ]),
    h('div', { class: 'row' },
      place.link(`webhooks?endpoint=${one.id}`, { class: 'button small' }, 'Its deliveries'),
      may && [
        act('Send a test', async () => {
          const sent = await post(`${path}/test`);
          toast(sent.status === 'delivered' ? `Taken: ${sent.last.status} in ${sent.last.latency_ms} ms.` : `Not taken: ${said(sent.last) || 'no answer yet'}.`,
            sent.status === 'delivered' ? 'good' : 'bad');
          await load();
        }),
        act(one.enabled ? 'Disable' : 'Enable', async () => {
          await ask('PATCH', path, { enabled: !one.enabled });
          await load();
        }),
        act('Rotate the secret', async () => {
          const made = await post(`${path}/secret`);
          if (made.secret) await secret('The new secret', 'Both secrets sign for a day, so that you can change over.', made.secret);
          await load();
        }),
        act('Replay what failed', () => dialog({
          title: 'Tell again what it did not take',
          body: h('p', null, 'Everything of the last day that was given up is told again, in its order.'),
          act: 'Replay',
          submit: async () => {
            await post(`${path}/replays`, { since: new Date(Date.now() - 86400000).toISOString(), only: 'exhausted' });
            await load();
          },
        })),
        act('Remove…', () => sure('Remove this endpoint?', 'It is told nothing more. What it was told stays on record.', 'Remove it', async () => {
          await ask('DELETE', path);
          await load();
        }), { class: 'small danger' }),
      ]));
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

function said(last) {
  if (!last) return '';
  return [last.status, last.code !== 'status' && last.code?.replaceAll('_', ' ')].filter(Boolean).join(', ');
}

function deliveries(list, filter, may, load, place) {
  const chip = (status, text) => place.link(`webhooks${query({ ...filter, status })}`, { 'aria-current': (filter.status ?? '') === status ? 'true' : null }, text);
  const rows = list.deliveries.map(one => h('tr', null,
    h('td', null, h('button', { class: 'plain', type: 'button', on: { click: () => open(one, may, load, place) } }, one.topic),
      h('div', { class: 'soft small mono' }, one.webhook_id.slice(0, 16))),
    h('td', null, tag(one.status, STANDINGS[one.status] ?? '')),
    h('td', { class: 'soft small' }, said(one.last), one.last && ` ${one.last.latency_ms} ms`),
    h('td', { class: 'soft small num' }, `${one.attempts} ${one.attempts === 1 ? 'attempt' : 'attempts'}`),
    h('td', { class: 'soft small' }, when(one.updated_at))));
  return h('section', { class: 'stack' }, h('div', { class: 'row apart' }, h('h2', null, filter.endpoint ? 'Deliveries to one endpoint' : 'Deliveries'),
    h('nav', { class: 'chips', 'aria-label': 'Deliveries by state' }, chip('', 'all'), Object.keys(STANDINGS).map(name => chip(name, name)),
      filter.endpoint && place.link('webhooks', null, 'every endpoint'))),
  h('div', { class: 'card flush' }, rows.length ? table('Deliveries, newest first', ['Event', 'State', 'Answer', 'Tries', 'When'], rows)
    : h('div', { class: 'empty' }, h('p', null, 'Nothing has been told yet. Send a test, or make a preview.'))));
}

async function open(one, may, load, place) {
  let found;
  try {
    found = await get(`/v1/deliveries/${one.id}`);
  } catch (error) {
    return toast(error.message, 'bad');
  }
  const steps = found.history.map(step => h('li', { class: { delivered: 'good', exhausted: 'bad', attempt_failed: 'wait' }[step.event] ?? null },
    h('div', { class: 'row apart' }, h('b', null, words(step.event)), h('time', { class: 'soft small', datetime: step.at }, exact(step.at))),
    h('div', { class: 'soft small wrap' }, [step.attempt && `attempt ${step.attempt}`, step.http_status, step.code?.replaceAll('_', ' '),
      step.latency_ms !== null && `${step.latency_ms} ms`, step.address, step.retry_at && `again at ${exact(step.retry_at)}`].filter(Boolean).join(' · ')),
    step.answer && h('pre', { class: 'wrap small' }, step.answer)));
  return dialog({
    title: found.topic,
    body: h('div', { class: 'stack' }, facts([
      ['webhook-id', h('span', { class: 'mono' }, found.webhook_id)],
      ['Job', found.job && place.link(`jobs/${found.job}`, { class: 'mono' }, found.job)],
    ]), h('ol', { class: 'steps' }, steps)),
    act: may && found.status !== 'waiting' && 'Redeliver',
    close: 'Close',
    submit: async () => {
      await post(`/v1/deliveries/${one.id}/redeliver`);
      toast('It is told again.');
      await load();
    },
  });
}
