// The door: logging in, joining by an invitation, choosing a new password.

import { Problem, ask, get } from './api.js';
import { field, fill, h } from './dom.js';

/** The form that the address asks for. `enter` is told who logged in. */
export function door(page, place, enter) {
  const token = takeToken();
  const form = page === 'join' ? offered(place, enter, token, JOIN)
    : page === 'reset' ? offered(place, enter, token, RESET)
      : logIn(place, enter);
  const icon = new URL('./icon.svg', import.meta.url).href;
  return h('main', { class: 'door', id: 'main' }, h('div', { class: 'card' },
    h('div', { class: 'brand' }, h('img', { src: icon, alt: '', width: '26', height: '26' }), 'Darkroom'), form));
}

/** The token behind the #, which is never sent anywhere but in the one request that uses it. */
function takeToken() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, '', location.pathname);
  return token;
}

const JOIN = {
  title: 'Welcome',
  text: 'Choose a password, and you are in. Next time you log in with your e-mail address and it.',
  path: '/v1/joins',
  act: 'Join',
  missing: 'This page needs the token of an invitation. Ask an owner of the account for one, or paste it here.',
};
const RESET = {
  title: 'A new password',
  text: 'Wherever you are logged in, you will be logged out.',
  path: '/v1/password-resets',
  act: 'Set the password',
  missing: 'This page needs the token of a reset. Ask an owner or admin of the account for one, or paste it here.',
};

function submitting(form, problem, act) {
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const button = form.querySelector('button[type="submit"]');
    button.disabled = true;
    fill(problem);
    try {
      await act(new FormData(form));
    } catch (error) {
      fill(problem, h('p', { class: 'note bad' }, error.message));
    }
    button.disabled = false;
  });
  return form;
}

function logIn(place, enter) {
  const problem = h('div', { role: 'alert' });
  const email = h('input', { type: 'email', autocomplete: 'username', required: true, autofocus: true });
  const password = h('input', { type: 'password', autocomplete: 'current-password', required: true });
  const code = h('input', { inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: '16' });
  const account = h('input', { autocomplete: 'off', spellcheck: 'false' });
  const form = h('form', null,
    h('h1', { tabindex: '-1' }, 'Log in'),
    field('email', 'E-mail', email),
    field('password', 'Password', password),
    field('totp', 'One-time code', code, 'If you have set up an authenticator.'),
    h('details', null, h('summary', { class: 'small soft' }, 'I belong to several accounts'),
      field('account', 'Account', account, 'The id of the account that you want to see.')),
    problem,
    h('button', { class: 'main-act', type: 'submit' }, 'Log in'));
  return submitting(form, problem, async data => {
    const shown = {};
    for (const [name, value] of data) if (value.trim()) shown[name] = value;
    await begin(shown, enter);
    password.value = '';
  });
}

async function begin(shown, enter) {
  await ask('POST', '/v1/sessions', shown);
  let me;
  try {
    me = await get('/v1/me');
  } catch (error) {
    if (error.status !== 401) throw error;
    throw new Problem(401, { detail: 'The browser did not keep the session. It takes one over https, or over http on this very machine: open the console at http://localhost or http://127.0.0.1, or set up TLS.' });
  }
  enter(me);
}

function offered(place, enter, given, what) {
  const problem = h('div', { role: 'alert' });
  const token = h('input', { value: given, required: true, autocomplete: 'off', spellcheck: 'false' });
  const username = h('input', { type: 'text', autocomplete: 'username', class: 'hidden-text', tabindex: '-1', 'aria-hidden': 'true' });
  const password = h('input', { type: 'password', autocomplete: 'new-password', required: true, minlength: '8', autofocus: true });
  const form = h('form', null,
    h('h1', { tabindex: '-1' }, what.title),
    h('p', { class: 'soft' }, given ? what.text : what.missing),
    !given && field('token', 'Token', token),
    username,
    field('password', 'Password', password, 'Long is good: a sentence that only you would say.'),
    problem,
    h('button', { class: 'main-act', type: 'submit' }, what.act));
  return submitting(form, problem, async () => {
    const chosen = password.value;
    const done = await ask('POST', what.path, { token: token.value.trim(), password: chosen });
    token.value = '';
    password.value = '';
    if (!done.member?.email) {
      history.replaceState(null, '', place.href('login'));
      fill(form, h('h1', { tabindex: '-1' }, 'Done'), h('p', null, 'The password is set.'),
        place.link('login', { class: 'button main-act' }, 'Log in'));
      return;
    }
    username.value = done.member.email;
    await begin({ email: done.member.email, password: chosen, account: done.account }, enter);
  });
}
