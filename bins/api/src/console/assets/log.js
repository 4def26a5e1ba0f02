// What the notary has signed of the log, and how anybody verifies it.

import { get } from './api.js';
import { copyable, facts, fill, h, top } from './dom.js';
import { number, when } from './say.js';

export async function log({ main, signal }) {
  const { logs } = await get('/v1/log');
  if (signal.aborted) return;
  const key = logs.find(one => one.key)?.key;
  fill(main, top('Log', 'Everything that happens is an event. A notary keeps a Merkle tree over the events of each stream and signs its root.'),
    h('div', { class: 'stack' },
      h('section', { class: 'card stack' }, h('h2', null, 'Verify it yourself'),
        h('p', null, 'The log is held against every checkpoint, event by event. A job\'s page has evidence of that job in one file, to be checked by anybody, offline.'),
        copyable('darkroom audit verify\ndarkroom audit check JOB.evidence.json', 'Commands'),
        key && [h('p', { class: 'soft' }, 'The key of this deployment. Take it from its operator as well: one who forged the log would forge this page too.'), copyable(key, 'Key')]),
      logs.length ? logs.map(one => h('section', { class: 'card stack' }, h('h2', null, one.log), facts([
        ['Events signed for', h('span', { class: 'num' }, number(one.size))],
        ['Signed', when(one.signed_at)],
        ['Root', h('span', { class: 'mono' }, one.root)],
        ['Origin', h('span', { class: 'mono' }, one.origin)],
      ]), h('details', null, h('summary', null, 'The signed note'), copyable(one.checkpoint, 'Signed note'))))
        : h('div', { class: 'card empty' }, h('h2', null, 'Nothing is signed yet'),
          h('p', null, 'A notary signs every thousand events or minute. If this stays empty, none runs.'))));
}
