// Elements, made of texts and other elements alone: nothing that was said by anybody is ever read as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. `on` are listeners; false, null and undefined leave a property or a child out. */
export function h(tag, props, ...children) {
  return dress(document.createElement(tag), props, children);
}

/** The same of a drawing. */
export function s(tag, props, ...children) {
  return dress(document.createElementNS(SVG, tag), props, children);
}

function dress(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'value') {
      element.value = value;
    } else if (name === 'href' || name === 'src') {
      if (leadsSomewhere(value)) element.setAttribute(name, value);
    } else if (!name.startsWith('on')) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== false && child !== null && child !== undefined) element.append(child);
  }
}

/** Links lead to pages, files of ours, and the web. */
function leadsSomewhere(href) {
  try {
    return ['http:', 'https:', 'blob:'].includes(new URL(href, location.href).protocol);
  } catch {
    return false;
  }
}

/** Puts these in the place of whatever is in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** A text that can be taken along: a command, a policy, a secret. */
export function copyable(text, label = 'Copy') {
  const button = h('button', { class: 'small', type: 'button', 'aria-label': `${label}: copy` }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(pre);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  const pre = h('pre', { tabindex: '0' }, h('code', null, text));
  return h('div', { class: 'copy' }, pre, button);
}

/** Says something for a while, to those who listen as well. */
export function toast(text, mood = 'good') {
  let toasts = document.querySelector('.toasts');
  if (!toasts) {
    toasts = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
    document.body.append(toasts);
  }
  const note = h('p', { class: `note ${mood}` }, text);
  toasts.append(note);
  setTimeout(() => note.remove(), mood === 'bad' ? 9000 : 4500);
}

/** Something that must be seen before anything else is done. Resolves to what `submit` came to, or nothing. */
export function dialog({ title, body, act, danger, close = 'Cancel', submit }) {
  return new Promise(resolve => {
    const problem = h('div', { role: 'alert' });
    let outcome;
    const button = act && h('button', { class: danger ? 'danger' : 'main-act', type: 'submit' }, act);
    const box = h('dialog', { 'aria-label': title },
      h('form', { method: 'dialog', on: {
        submit: async event => {
          event.preventDefault();
          if (!submit) return box.close();
          button.disabled = true;
          try {
            outcome = (await submit(new FormData(event.target))) ?? true;
            box.close();
          } catch (error) {
            fill(problem, h('p', { class: 'note bad' }, error.message));
            button.disabled = false;
          }
        },
      } },
      h('h2', null, title), body, problem,
      h('div', { class: 'row' }, button, h('button', { type: 'button', on: { click: () => box.close() } }, close))));
    box.addEventListener('close', () => {
      box.remove();
      resolve(outcome);
    });
    document.body.append(box);
    box.showModal();
  });
}

/** Asks whether to go on. */
export function sure(title, text, act, submit) {
  return dialog({ title, body: h('p', null, text), act, danger: true, submit });
}

/** A secret that is shown this once. It is gone from the page with the dialog. */
export function secret(title, text, value, more) {
  return dialog({
    title,
    body: h('div', { class: 'stack' }, h('p', null, text), copyable(value, title), more,
      h('p', { class: 'note wait' }, 'This is shown once. Nobody can show it again.')),
    close: 'I have kept it',
  });
}

/** A named input with its label, what helps, and where a complaint goes. */
export function field(name, label, input, hint) {
  input.id = `field-${name}`;
  input.name ||= name;
  const about = [];
  const parts = [h('label', { for: input.id }, label), input];
  if (hint) {
    about.push(`${input.id}-hint`);
    parts.push(h('span', { class: 'hint', id: `${input.id}-hint` }, hint));
  }
  const wrong = h('span', { class: 'wrong', id: `${input.id}-wrong`, role: 'alert' });
  about.push(wrong.id);
  input.setAttribute('aria-describedby', about.join(' '));
  input.addEventListener('input', () => {
    input.removeAttribute('aria-invalid');
    wrong.textContent = '';
  });
  const whole = h('div', { class: 'field' }, parts, wrong);
  whole.complain = text => {
    input.setAttribute('aria-invalid', 'true');
    wrong.textContent = text;
    input.focus();
  };
  return whole;
}

/** Rows of cells under heads; where it is narrow each row becomes a block. */
export function table(caption, heads, rows) {
  return h('table', { class: 'fold' },
    h('caption', { class: 'hidden-text' }, caption),
    h('thead', null, h('tr', null, heads.map(head => h('th', { scope: 'col' }, head)))),
    h('tbody', null, rows));
}

/** Pairs of a word and what it is. */
export function facts(pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(([, what]) => what !== null && what !== undefined && what !== false && what !== '')
    .map(([word, what]) => [h('dt', null, word), h('dd', null, what)]));
}

/** A word of state with its colour. */
export function tag(text, mood = '', moving = false) {
  return h('span', { class: `tag ${mood}${moving ? ' moving' : ''}` }, text);
}

/** A heading, with the place that is focused when a page is shown. */
export function top(title, text) {
  return h('div', { class: 'top' }, h('div', { class: 'grow' },
    h('h1', { tabindex: '-1' }, title), text && h('p', null, text)));
}
