// Who belongs to the account, and what they are to it.

import { ask, get, post } from './api.js';
import { dialog, field, fill, h, secret, sure, table, tag, toast, top } from './dom.js';
import { when } from './say.js';

const ROLES = {
  owner: 'may do everything',
  admin: 'everything but erasing, and changing owners',
  member: 'works with jobs',
  auditor: 'sees everything and changes nothing',
};

export async function members({ main, place, signal }) {
  const may = place.may('members:write');
  const list = h('div', { class: 'card flush' });
  const load = async () => {
    const { members: known } = await get('/v1/members');
    if (signal.aborted) return;
    fill(list, table('Members', ['Who', 'Role', 'State', 'Last logged in', ''], known.map(one => row(one, may, load, place))));
  };
  const heading = top('Members', 'People who log in. Each has a role.');
  if (may) heading.append(h('button', { class: 'main-act', type: 'button', on: { click: () => invite(load, place) } }, 'Invite somebody'));
  await load();
  if (!signal.aborted) fill(main, heading, list);
}

function row(one, may, load, place) {
  const path = `/v1/members/${one.id}`;
  const me = one.id === place.me.member.id;
  const act = (text, doing, more) => h('button', { class: 'small', type: 'button', ...more, on: { click: () => doing().catch(error => toast(error.message, 'bad')) } }, text);
  return h('tr', null,
    h('td', { class: 'wide' }, h('strong', { class: 'wrap' }, one.email ?? one.id), me && h('span', { class: 'soft' }, ' (you)'),
      one.totp && h('div', { class: 'soft small' }, 'with one-time codes')),
    h('td', null, one.role),
    h('td', null, tag(one.status, one.status === 'joined' ? 'good' : 'wait')),
    h('td', { class: 'soft small' }, when(one.logged_in_at) ?? 'never'),
    h('td', { class: 'wide' }, may && !me && h('div', { class: 'row' },
      act('Role', () => role(one, path, load)),
      one.status === 'joined' ? act('Reset', () => reset(one, path, place)) : act('Invite anew', () => offer(one.email, one.role, load, place)),
      act('Remove…', () => sure(`Remove ${one.email ?? 'this member'}?`, 'Their sessions end at once.', 'Remove', async () => {
        await ask('DELETE', path);
        await load();
      }), { class: 'small danger' }))));
}

function roles(chosen) {
  return h('select', null, Object.entries(ROLES).map(([name, text]) => h('option', { value: name, selected: name === chosen }, `${name}: ${text}`)));
}

const door = (place, page, token) => `${location.origin}${place.href(page)}#${token}`;

async function offer(email, role, load, place) {
  const made = await post('/v1/members', { email, role });
  await load();
  return secret('The invitation', `Give this link to ${email} by a way that you trust. Whoever has it can use it, once, and becomes ${role}. It works until ${new Date(made.invitation.expires_at).toLocaleString('en-GB')}.`,
    door(place, 'join', made.invitation.token));
}

async function invite(load, place) {
  const chosen = await dialog({
    title: 'Invite somebody',
    body: h('div', { class: 'stack' }, field('email', 'E-mail', h('input', { type: 'email', required: true, autocomplete: 'off' })),
      field('role', 'Role', roles('member'))),
    act: 'Make the invitation',
    submit: async data => {
      const wish = { email: data.get('email').trim(), role: data.get('role') };
      return { wish, made: await post('/v1/members', wish) };
    },
  });
  if (!chosen) return;
  await load();
  const { wish, made } = chosen;
  await secret('The invitation', `Give this link to ${wish.email} by a way that you trust. Whoever has it can use it, once, and becomes ${wish.role}. It works until ${new Date(made.invitation.expires_at).toLocaleString('en-GB')}.`,
    door(place, 'join', made.invitation.token));
}

function role(one, path, load) {
  return dialog({
    title: `What ${one.email ?? 'this member'} is`,
    body: field('role', 'Role', roles(one.role), 'Their sessions end, and they log in anew.'),
    act: 'Change',
    submit: async data => {
      await ask('PATCH', path, { role: data.get('role') });
      await load();
    },
  });
}

async function reset(one, path, place) {
  const made = await dialog({
    title: `A new password for ${one.email ?? 'this member'}`,
    body: h('div', { class: 'stack' }, h('p', null, 'This makes a link by which they choose one. Until then the old one goes on.'),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'clear_totp' }), 'They lost their authenticator: ask for one-time codes no more')),
    act: 'Make the link',
    submit: data => post(`${path}/reset`, { clear_totp: data.get('clear_totp') === 'on' }),
  });
  if (made) await secret('The reset', 'Give this link to them by a way that you trust. It works once.', door(place, 'reset', made.reset.token));
}
