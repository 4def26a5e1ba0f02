// The form that asks for a preview, of a file here or a URL anywhere.

import { get, post, query } from './api.js';
import { field, fill, h, top } from './dom.js';
import { bytes } from './say.js';
import { upload } from './upload.js';

const FORMATS = ['', 'jpg', 'png', 'webp', 'avif', 'gif'];
const METADATA = ['exif', 'ocr', 'psd', 'checksum', 'multimedia', 'webpage', 'raw', 'sketch', 'document', 'mail', 'archive', 'font'];
/** Which field a complaint of the API is about. */
const PARAMS = { url: 'url', sizes: 'sizes', format: 'format', pages: 'pages', data: 'data', metadata: 'metadata' };

export async function make({ main, place, signal }) {
  const may = place.may('uploads:write');
  const known = place.may('account:read') ? (await get('/v1/applications')).applications.filter(one => one.status === 'active') : [];
  if (signal.aborted) return;
  fill(main, top('New preview', 'Images and metadata of one file: pictures, PDF, documents, film, sound, mail, archives, fonts.'),
    known.length || !place.may('account:read') ? form(place, may, known, signal) : none(place));
}

function none(place) {
  return h('div', { class: 'card empty' }, h('h2', null, 'No key pair'),
    h('p', null, 'A job is asked for in the name of a key pair, and this account has none that opens anything.'),
    place.may('account:write') && place.link('keys', { class: 'button main-act' }, 'Make one'));
}

function form(place, mayUpload, known, signal) {
  const problem = h('div', { role: 'alert' });
  const going = h('div', { role: 'status' });
  const url = h('input', { type: 'text', inputmode: 'url', autocomplete: 'off', spellcheck: 'false', placeholder: 'https://example.com/photograph.jpg' });
  const file = h('input', { type: 'file', 'aria-label': 'A file of yours' });
  const drop = h('div', { class: 'drop' }, h('p', null, 'Drop a file here, or choose one. It goes straight to the bucket.'), file);
  const over = yes => event => {
    event.preventDefault();
    drop.classList.toggle('over', yes);
    if (event.type === 'drop' && event.dataTransfer.files.length) file.files = event.dataTransfer.files;
  };
  for (const [event, yes] of [['dragover', true], ['dragleave', false], ['drop', false]]) drop.addEventListener(event, over(yes));
  const sizes = h('input', { value: '640x480, 128', autocomplete: 'off' });
  const format = h('select', null, FORMATS.map(name => h('option', { value: name }, name || 'as it fits')));
  const pages = h('input', { placeholder: '1', autocomplete: 'off' });
  const data = h('textarea', { spellcheck: 'false', placeholder: '{"order": 7}' });
  const application = h('select', null, known.map(one => h('option', { value: one.id }, one.label ?? one.key)));
  const fields = {
    url: field('url', 'URL', url, 'http or https; pre-signed links and credentials are fine: they are kept sealed.'),
    sizes: field('sizes', 'Sizes', sizes, '640x480, 128, x200, 300x400>, original: with commas between.'),
    format: field('format', 'Format', format),
    pages: field('pages', 'Pages', pages, '1-3, or 1,3,5, or all.'),
    data: field('data', 'Your own data', data, 'A JSON object. It comes back with the result.'),
  };
  const metadata = h('fieldset', null, h('legend', null, 'Metadata'), h('div', { class: 'checks' },
    METADATA.map(name => h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'metadata', value: name, checked: name === 'checksum' || name === 'exif' }), name))));
  const button = h('button', { class: 'main-act', type: 'submit' }, 'Make the preview');
  const whole = h('form', { class: 'stack', novalidate: true },
    h('div', { class: 'card stack' }, mayUpload && drop, fields.url),
    h('div', { class: 'card stack' }, h('div', { class: 'grid' }, fields.sizes, fields.format, fields.pages), metadata,
      h('details', null, h('summary', null, 'More'), h('div', { class: 'stack' }, fields.data,
        known.length > 1 && field('application', 'In the name of', application)))),
    problem, going, h('div', { class: 'row' }, button));
  whole.addEventListener('submit', async event => {
    event.preventDefault();
    button.disabled = true;
    fill(problem);
    try {
      const wish = read({ url, sizes, format, pages, data, whole });
      const chosen = mayUpload && file.files[0];
      if (chosen) wish.url = await sent(chosen, going, signal);
      else if (!wish.url) throw Object.assign(new Error('Choose a file, or give a URL.'), { param: 'url' });
      const made = await post(`/v2/previews${query({ application: application.value })}`, wish);
      if (!signal.aborted) place.go(`jobs/${made.id}`);
    } catch (error) {
      if (signal.aborted) return;
      fill(going);
      const about = fields[PARAMS[error.param?.split('.')[0]]];
      if (about) about.complain(error.message);
      else fill(problem, h('p', { class: 'note bad' }, error.message));
      button.disabled = false;
    }
  });
  return whole;
}

/** What was filled in, as the API takes it. */
function read({ url, sizes, format, pages, data, whole }) {
  const wish = { url: url.value.trim() };
  const list = sizes.value.split(',').map(size => size.trim()).filter(Boolean);
  if (list.length) wish.sizes = list;
  if (format.value) wish.format = format.value;
  if (pages.value.trim()) wish.pages = pages.value.trim();
  const kinds = [...whole.querySelectorAll('input[name="metadata"]:checked')].map(box => box.value);
  if (kinds.length) wish.metadata = kinds;
  if (data.value.trim()) {
    try {
      wish.data = JSON.parse(data.value);
    } catch {
      throw Object.assign(new Error('This is not JSON.'), { param: 'data' });
    }
  }
  return wish;
}

async function sent(file, going, signal) {
  const bar = h('progress', { max: String(Math.max(1, file.size)), 'aria-label': 'How much of the file is sent' });
  const text = h('span', { class: 'soft small num' });
  fill(going, h('div', { class: 'card stack' }, h('p', { class: 'wrap' }, file.name), bar, text));
  return upload(file, (stage, many) => {
    bar.value = many;
    text.textContent = stage === 'sending' ? `${bytes(many)} of ${bytes(file.size)}` : 'Sent. It is being read and checked.';
  }, signal);
}
