// One's own affairs: password, one-time codes, and where one is logged in.

import { ask, get, post } from './api.js';
import { copyable, dialog, facts, field, fill, h, sure, table, tag, toast, top } from './dom.js';
import { exact, when } from './say.js';

export async function profile({ main, place, signal }) {
  const body = h('div', { class: 'stack' });
  const load = async () => {
    const [me, { sessions }] = await Promise.all([get('/v1/me'), get('/v1/sessions')]);
    if (!signal.aborted) fill(body, about(me), safety(me, load), places(sessions, load));
  };
  await load();
  if (!signal.aborted) fill(main, top('You'), body);
}

function about(me) {
  return h('section', { class: 'card' }, facts([
    ['E-mail', me.member.email],
    ['Role', me.member.role],
    ['May', me.scopes.join(', ')],
    ['Account', h('span', { class: 'mono' }, me.account)],
  ]));
}

const word = (name, label, autocomplete) => field(name, label, h('input', { type: 'password', required: true, autocomplete }));

function safety(me, load) {
  const { totp } = me.member;
  return h('section', { class: 'card stack' },
    h('div', { class: 'row apart' }, h('h2', null, 'One-time codes'), tag(totp ? 'on' : 'off', totp ? 'good' : 'wait')),
    h('p', { class: 'soft' }, totp ? 'Each log-in asks for a code of your authenticator.' : 'With an authenticator, your password alone opens nothing.'),
    h('div', { class: 'row' },
      h('button', { type: 'button', on: { click: () => (totp ? off(load) : on(load)) } }, totp ? 'Turn them off' : 'Turn them on'),
      h('button', { type: 'button', on: { click: () => dialog({
        title: 'Change the password',
        body: h('div', { class: 'stack' }, word('current', 'Your password now', 'current-password'), word('password', 'The new one', 'new-password')),
        act: 'Change it',
        submit: async data => {
          await ask('PUT', '/v1/me/password', { current: data.get('current'), password: data.get('password') });
          toast('The password is changed. Everywhere else you are logged out.');
          await load();
        },
      }) } }, 'Change the password')));
}

async function on(load) {
  const made = await dialog({ title: 'Turn on one-time codes', body: word('password', 'Your password', 'current-password'), act: 'Go on', submit: data => post('/v1/me/totp', { password: data.get('password') }) });
  if (!made) return;
  await dialog({
    title: 'Add this to your authenticator',
    body: h('div', { class: 'stack' }, copyable(made.secret, 'Secret'), h('details', null, h('summary', null, 'As a link'), copyable(made.url, 'Link')),
      field('code', 'The code that it shows', h('input', { required: true, inputmode: 'numeric', autocomplete: 'one-time-code' }))),
    act: 'Turn on',
    submit: data => ask('PUT', '/v1/me/totp', { enrolment: made.enrolment, code: data.get('code').trim() }),
  });
  await load();
}

async function off(load) {
  await dialog({ title: 'Turn off one-time codes', body: word('password', 'Your password', 'current-password'), act: 'Turn off', danger: true,
    submit: data => post('/v1/me/totp/off', { password: data.get('password') }) });
  await load();
}

function places(sessions, load) {
  return h('section', { class: 'card flush' }, h('div', { class: 'head' }, h('h2', null, 'Where you are logged in')),
    table('Sessions', ['Since', 'Last seen', 'For how long', ''], sessions.map(one => h('tr', null,
      h('td', null, exact(one.since)), h('td', { class: 'soft small' }, one.current ? 'this one' : when(one.seen_at)),
      h('td', { class: 'soft small' }, 'ends ', when(one.expires_at)),
      h('td', null, !one.current && h('button', { class: 'small danger', type: 'button', on: { click: () => sure('End this session?', 'Whoever uses it is logged out at once.', 'End it', async () => {
        await ask('DELETE', `/v1/sessions/${one.id}`);
        await load();
      }) } }, 'End'))))));
}
