// How numbers, times, states and codes are put into words.

import { h } from './dom.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(count) {
  if (count === null || count === undefined) return '';
  let unit = 0;
  let value = Number(count);
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function number(value) {
  return Number(value).toLocaleString('en-GB');
}

const STEPS = [[60, 1, 's'], [3600, 60, 'min'], [86400, 3600, 'h'], [Infinity, 86400, 'd']];

/** A span in its largest unit: "3 h". */
export function span(seconds) {
  const length = Math.abs(seconds);
  const [, size, unit] = STEPS.find(([below]) => length < below);
  return `${Math.max(1, Math.round(length / size))} ${unit}`;
}

function relative(date) {
  const seconds = (date - Date.now()) / 1000;
  if (Math.abs(seconds) < 5) return 'now';
  return seconds < 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
}

/** A moment as a person thinks of it; the exact time is there for whoever wants it. */
export function when(text) {
  if (!text) return null;
  const date = new Date(text);
  return h('time', { datetime: text, title: exact(text), 'data-when': text, class: 'nowrap' }, relative(date));
}

/** The exact time, in the reader's zone. */
export function exact(text) {
  return new Date(text).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** A moment as an input of date and time holds it, in the reader's zone; nothing where it is none. */
export function toLocal(text) {
  const date = new Date(text ?? NaN);
  if (Number.isNaN(date.getTime())) return '';
  const local = new Date(date - date.getTimezoneOffset() * 60000).toISOString();
  return local.slice(0, local.includes(':00.000Z') ? 16 : 19);
}

/** What such an input holds, as the API writes moments. */
export function fromLocal(text) {
  const date = new Date(text || NaN);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().replace('.000Z', 'Z');
}

/** To the millisecond, for what happens within one. */
export function clock(text) {
  const date = new Date(text);
  const part = (value, digits = 2) => String(value).padStart(digits, '0');
  return `${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}.${part(date.getMilliseconds(), 3)}`;
}

// Moments go on while a page stands.
setInterval(() => {
  for (const time of document.querySelectorAll('time[data-when]')) {
    time.textContent = relative(new Date(time.dataset.when));
  }
}, 15000);

/** Each state of a job, its colour, and whether something goes on. */
export const STATES = {
  queued: ['wait', false],
  retrying: ['wait', false],
  running: ['calm', true],
  cancelling: ['wait', true],
  completed: ['good', false],
  failed: ['bad', false],
  cancelled: ['', false],
};

export const hasEnded = job => ['completed', 'failed', 'cancelled'].includes(job.status);

/** A number of things: "1 job", "2 jobs". */
export function count(value, word, words = `${word}s`) {
  return `${number(value)} ${Number(value) === 1 ? word : words}`;
}

/** A name of a field as words. */
export function words(name) {
  const text = String(name).replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
