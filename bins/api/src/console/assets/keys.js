// Key pairs: what programs of the account show to be let in.

import { ask, get, post } from './api.js';
import { copyable, dialog, field, fill, h, secret, sure, tag, toast, top } from './dom.js';
import { when } from './say.js';

const SCOPES = ['jobs:read', 'jobs:write', 'uploads:write', 'account:read', 'account:write', 'members:write', 'audit', 'erase'];

export async function keys({ main, place, signal }) {
  const may = place.may('account:write');
  const list = h('div', { class: 'stack' });
  const load = async () => {
    const { applications } = await get('/v1/applications');
    if (signal.aborted) return;
    fill(list, applications.length ? applications.map(one => card(one, may, load)) : h('div', { class: 'card empty' },
      h('h2', null, 'No key pair'), h('p', null, 'A program needs one to ask for anything. Make one here, or from a terminal:'),
      copyable('darkroom application add --label shop', 'Command')));
  };
  const heading = top('Keys', 'A key is public, its secret is not. Each can be held to what it is for.');
  if (may) heading.append(h('button', { class: 'main-act', type: 'button', on: { click: () => add(load) } }, 'Make a key pair'));
  await load();
  if (!signal.aborted) fill(main, heading, list);
}

function card(one, may, load) {
  const path = `/v1/applications/${one.id}`;
  return h('section', { class: 'card stack' },
    h('div', { class: 'row apart' }, h('h2', { class: 'wrap' }, one.label ?? 'Unnamed'), tag(one.status, one.status === 'active' ? 'good' : 'bad')),
    copyable(one.key, 'Key'),
    h('p', { class: 'small soft wrap' }, one.scopes ? `May: ${one.scopes.join(', ')}` : 'May do everything',
      ' · made ', when(one.created_at), one.last_used_on ? ` · last used on ${one.last_used_on}` : ' · never used',
      one.expires_at && [' · expires ', when(one.expires_at)], one.origins.length > 0 && ` · from pages of ${one.origins.join(', ')}`),
    one.previous_secret_until && h('p', { class: 'note wait' }, 'The secret before opens too, until it ends ', when(one.previous_secret_until), '.'),
    may && h('div', { class: 'row' },
      h('button', { class: 'small', type: 'button', on: { click: () => rotate(path, load) } }, 'Rotate the secret'),
      h('button', { class: 'small danger', type: 'button', on: { click: () => sure('Revoke this key pair?',
        `Programs that use ${one.key} are let in no more, from now on and for good.`, 'Revoke it', async () => {
          await ask('DELETE', path);
          toast('The key pair is revoked.');
          await load();
        }) } }, 'Revoke…')));
}

async function rotate(path, load) {
  const made = await dialog({
    title: 'Rotate the secret',
    body: field('overlap', 'The old one opens for', h('select', null,
      [['86400', 'one more day'], ['3600', 'one more hour'], ['0', 'not a moment longer']].map(([value, text]) => h('option', { value }, text)))),
    act: 'Make a new secret',
    submit: data => post(`${path}/rotate`, { overlap_s: Number(data.get('overlap')) }),
  });
  if (made?.secret) await secret('The new secret', 'Give it to the program that uses this key.', made.secret);
  await load();
}

async function add(load) {
  const made = await dialog({
    title: 'Make a key pair',
    body: h('div', { class: 'stack' },
      field('label', 'What it is for', h('input', { required: true, maxlength: '100', placeholder: 'shop' })),
      field('mode', 'Mode', h('select', null, h('option', { value: 'live' }, 'live'), h('option', { value: 'test' }, 'test'))),
      h('fieldset', null, h('legend', null, 'What it may do; nothing chosen means everything'),
        h('div', { class: 'checks' }, SCOPES.map(name => h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'scopes', value: name }), name))))),
    act: 'Make it',
    submit: data => {
      const scopes = data.getAll('scopes');
      return post('/v1/applications', { label: data.get('label'), mode: data.get('mode'), ...(scopes.length ? { scopes } : {}) });
    },
  });
  if (!made?.secret) return;
  await load();
  const url = location.origin;
  await secret('The secret', `It belongs to ${made.key}.`, made.secret,
    copyable(`export DARKROOM_URL=${url} DARKROOM_KEY=${made.key}\nread -rs DARKROOM_SECRET && export DARKROOM_SECRET`, 'For a shell'));
}
