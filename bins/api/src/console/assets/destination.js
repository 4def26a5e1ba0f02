// Where results go, whether its credentials can do more than write, and the policy that they need.

import { ask, get, post } from './api.js';
import { copyable, facts, field, fill, h, sure, tag, toast, top } from './dom.js';
import { span, when } from './say.js';

const MOODS = { write_only: 'good', readable: 'bad', closed: 'bad', failed: 'bad', unclear: 'wait', unknown: 'wait' };
const TRIED = ['put', 'get', 'head', 'list', 'delete'];

export async function destination({ main, place, signal }) {
  const body = h('div', { class: 'stack' });
  const may = place.may('account:write');
  const show = found => fill(body, found.stored_in === 'destination' ? own(found, may, show) : development(found), may && form(found, show));
  const found = await get('/v1/destination');
  if (signal.aborted) return;
  show(found);
  fill(main, top('Destination', 'The bucket that results go to. Darkroom needs to write there, and to do nothing else.'), body);
}

function jobs(found) {
  return found.jobs.status === 'refused'
    && h('p', { class: 'note bad' }, h('strong', null, 'Jobs are refused: '), `${found.jobs.reason}.`);
}

function development(found) {
  return [jobs(found), h('section', { class: 'card stack' },
    h('div', { class: 'row apart' }, h('h2', null, 'Development storage'), tag(`results expire after ${span(found.expires_after_s)}`, 'wait')),
    h('p', null, `This account has no bucket of its own. Results lie in the platform's, encrypted, and are removed ${span(found.expires_after_s)} after the job was asked for.`),
    h('p', { class: 'soft' }, 'Set a destination below, or from a terminal:'),
    copyable('darkroom destination set --bucket my-previews --region eu-central-1 --access-key AKIA...', 'Command'))];
}

function own(found, may, show) {
  const { write_only: known } = found;
  const words = known.standing === 'write_only' ? `write-only: ${known.text}` : known.text.replaceAll('_', ' ');
  return [jobs(found),
    h('section', { class: 'card stack' },
      h('div', { class: 'row apart' }, h('h2', null, found.bucket), tag(words, MOODS[known.standing] ?? '', known.awaited)),
      known.remedy && h('p', { class: `note ${MOODS[known.standing] === 'good' ? '' : MOODS[known.standing]}` }, known.remedy),
      known.proof && h('div', { class: 'chips', role: 'list', 'aria-label': 'What was tried' }, TRIED.map(verb => tried(verb, known.proof[verb]))),
      facts([
        ['Checked', when(known.checked_at)],
        ['Endpoint', found.endpoint ?? `AWS, ${found.region}`],
        ['Prefix', found.prefix],
        ['Access key', found.credentials.access_key_hint && !found.credentials.role && `…${found.credentials.access_key_hint}`],
        ['Role', found.credentials.role],
        ['Encryption', found.encryption.kind.replace('_', '-')],
        ['Bucket owner', found.bucket_owner],
      ]),
      may && h('div', { class: 'row' },
        h('button', { class: 'main-act', type: 'button', on: { click: async event => {
          event.target.disabled = true;
          event.target.textContent = 'Testing…';
          try {
            show(await post('/v1/destination/proof'));
          } catch (error) {
            toast(error.message, 'bad');
            show(found);
          }
        } } }, 'Test now'),
        h('button', { type: 'button', on: { click: async () => {
          try {
            show(await ask('PATCH', '/v1/destination', { demand_write_only: !found.demand_write_only }));
          } catch (error) {
            toast(error.message, 'bad');
          }
        } } }, found.demand_write_only ? 'Take jobs without a proof' : 'Refuse jobs without a proof'),
        h('button', { class: 'danger', type: 'button', on: { click: () => sure('Go back to development storage?',
          'Results will lie in the platform\'s bucket for a while. What lies in your bucket stays there.', 'Remove the destination', async () => {
            show(await ask('DELETE', '/v1/destination'));
          }) } }, 'Remove…'))),
    h('section', { class: 'card stack' }, h('h2', null, 'Policy to paste'),
      h('p', { class: 'soft' }, 'The least that the credentials need. With this and nothing else the proof says write-only.'),
      copyable(JSON.stringify(found.policy, null, 2), 'Policy')),
    found.credentials.trust_policy && h('section', { class: 'card stack' }, h('h2', null, 'Trust policy of the role'),
      copyable(JSON.stringify(found.credentials.trust_policy, null, 2), 'Trust policy'))];
}

function tried(verb, access) {
  const fine = verb === 'put' ? access === 'allowed' : access === 'denied';
  return h('span', { role: 'listitem' }, tag(`${verb.toUpperCase()} ${access}`, fine ? 'good' : access === 'unclear' ? 'wait' : 'bad'));
}

function form(found, show) {
  const old = found.stored_in === 'destination' ? found : {};
  const input = (value, more) => h('input', { value: value ?? '', autocomplete: 'off', spellcheck: 'false', ...more });
  const fields = {
    bucket: field('bucket', 'Bucket', input(old.bucket, { required: true })),
    region: field('region', 'Region', input(old.region)),
    endpoint: field('endpoint', 'Endpoint', input(old.endpoint, { placeholder: 'https://s3.example.com' }), 'Of an S3 service; nothing for AWS.'),
    prefix: field('prefix', 'Prefix', input(old.prefix), 'Put before every key.'),
    access_key: field('access_key', 'Access key', input('', { required: true })),
    secret_key: field('secret_key', 'Secret key', input('', { type: 'password', required: true, autocomplete: 'new-password' }), 'Sealed at once. Nothing shows it again.'),
  };
  const problem = h('div', { role: 'alert' });
  const button = h('button', { class: 'main-act', type: 'submit' }, 'Set and test');
  const whole = h('form', { novalidate: true, on: { submit: async event => {
    event.preventDefault();
    fill(problem);
    const wish = {};
    for (const [name, value] of new FormData(whole)) if (value.trim()) wish[name] = value.trim();
    button.disabled = true;
    try {
      show(await ask('PUT', '/v1/destination', wish));
      show(await post('/v1/destination/proof'));
      toast('The destination is set.');
    } catch (error) {
      if (fields[error.param]) fields[error.param].complain(error.message);
      else fill(problem, h('p', { class: 'note bad' }, error.message));
      button.disabled = false;
    }
  } } }, h('div', { class: 'grid' }, Object.values(fields)), problem, h('div', { class: 'row' }, button));
  return h('section', { class: 'card' }, h('details', { open: found.stored_in !== 'destination' },
    h('summary', null, old.bucket ? 'Set another destination, or new credentials' : 'Set a destination'), whole));
}
