// Sends a file straight to the bucket, in parts, by links that the API signs.

import { ask, get, post } from './api.js';

/** Parts under way at once. */
const AT_ONCE = 3;
/** How often a part is sent before it is given up. */
const TRIES = 3;
/** Links asked for at a time. */
const LINKS = 20;
const LOOK_MS = 250;

/** CRC-32C (Castagnoli), a byte at a time. */
const TABLE = new Uint32Array(256).map((_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export function crc32c(crc, bytes) {
  let state = ~crc;
  for (let at = 0; at < bytes.length; at += 1) state = TABLE[(state ^ bytes[at]) & 255] ^ (state >>> 8);
  return ~state >>> 0;
}

/** Uploads `file`; `tell` hears `(stage, sent bytes)`. Resolves to what a job names it by. */
export async function upload(file, tell, signal) {
  const begun = await post('/v1/uploads', { file_name: file.name, size_bytes: file.size });
  try {
    return await parts(begun, file, tell, signal);
  } catch (error) {
    // Nobody goes on with it. What is not removed now ends by itself.
    ask('DELETE', `/v1/uploads/${begun.id}`).catch(() => {});
    throw error;
  }
}

async function parts(begun, file, tell, signal) {
  const links = new Map(begun.parts.map(part => [part.number, part]));
  const sent = new Map();
  const tags = [];
  let crc = 0;
  const report = () => tell('sending', [...sent.values()].reduce((sum, bytes) => sum + bytes, 0));
  const under = new Set();
  for (let number = 1; number <= begun.part_count; number += 1) {
    signal.throwIfAborted();
    if (!links.has(number)) {
      const numbers = [];
      for (let next = number; next <= begun.part_count && numbers.length < LINKS; next += 1) numbers.push(next);
      const more = await post(`/v1/uploads/${begun.id}/parts`, { numbers });
      for (const part of more.parts) links.set(part.number, part);
    }
    const link = links.get(number);
    const blob = file.slice(link.offset, link.offset + link.size_bytes);
    // In order: the checksum is of the whole file.
    crc = crc32c(crc, new Uint8Array(await blob.arrayBuffer()));
    if (under.size >= AT_ONCE) await Promise.race(under);
    const going = send(link, blob, bytes => {
      sent.set(number, bytes);
      report();
    }, signal).then(etag => {
      tags.push({ number, etag });
      under.delete(going);
    });
    // One that fails is heard of below, with whoever waits for it.
    going.catch(() => {});
    under.add(going);
  }
  await Promise.all(under);
  tell('checking', file.size);
  const checksum = { crc32c: crc.toString(16).padStart(8, '0') };
  await post(`/v1/uploads/${begun.id}/complete`, { parts: tags.sort((a, b) => a.number - b.number), checksum });
  for (;;) {
    signal.throwIfAborted();
    const now = await get(`/v1/uploads/${begun.id}`);
    if (now.state === 'uploaded') return now.source;
    if (now.state !== 'verifying') throw new Error(`The upload was not taken: ${(now.because ?? now.state).replaceAll('_', ' ')}.`);
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
  }
}

async function send(link, blob, tell, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await put(link, blob, tell, signal);
    } catch (error) {
      if (signal.aborted || attempt === TRIES) throw error;
    }
  }
}

/** One PUT. Only this way of asking tells how far it has come. */
function put(link, blob, tell, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const no = () => reject(new Error('The bucket did not take a part of the file. If this goes on, its CORS rules may not let this page in.'));
    request.open('PUT', link.url);
    for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = event => tell(event.loaded);
    request.onload = () => {
      const etag = request.getResponseHeader('etag');
      if (request.status >= 200 && request.status < 300 && etag) {
        tell(blob.size);
        resolve(etag);
      } else {
        no();
      }
    };
    request.onerror = no;
    request.onabort = no;
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(blob);
  });
}
