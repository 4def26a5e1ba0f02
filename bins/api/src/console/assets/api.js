// Asks the API, with the cookie of the session, and says its problems in words.

/** The path before all of ours, where a proxy puts us below one. */
export const BASE = new URL(import.meta.url).pathname.replace(/\/console\/[^/]+\/[^/]+$/, '');

/** How long an answer may take. */
const PATIENCE_MS = 30000;

/** What the API says instead of an answer. */
export class Problem extends Error {
  constructor(status, body) {
    // The contract of /v2 has an envelope; all else has problem details (RFC 9457).
    const said = body?.error ?? body ?? {};
    super(said.detail ?? said.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = said.code ?? null;
    this.param = said.param ?? null;
  }
}

/** Asks. `body` is sent as JSON; the answer's JSON comes back. */
export async function ask(method, path, body, headers = {}) {
  const request = {
    method,
    headers: { accept: 'application/json', ...headers },
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers['content-type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(BASE + path, request);
  } catch (error) {
    throw new Problem(0, { detail: error.name === 'TimeoutError'
      ? 'The server took too long to answer. Try again.'
      : 'The server cannot be reached. Is it running?' });
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // The status says enough.
  }
  if (response.ok) return answer;
  const problem = new Problem(response.status, answer);
  if (response.status === 401 && path !== '/v1/sessions' && problem.code !== 'login_failed') {
    dispatchEvent(new Event('session-ended'));
  }
  throw problem;
}

export const get = path => ask('GET', path);
export const post = (path, body) => ask('POST', path, body ?? {});

/** A query of what is set. */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

/** Listens to an event stream. `hear(type, data)` is told of each; `stop` ends it. */
export function listen(path, types, hear) {
  const source = new EventSource(BASE + path);
  for (const type of types) {
    source.addEventListener(type, event => {
      let data = null;
      try {
        data = JSON.parse(event.data);
      } catch {
        return;
      }
      hear(type, data, event.lastEventId);
    });
  }
  return source;
}

/** How often what is kept up to date is asked for anyhow. */
const LOOK_MS = 30000;

/** Calls `load` when one of `types` happens of what is `wanted`, and now and then. */
export function keep(load, { wanted, types, gatherMs, signal }) {
  let waiting = null;
  const again = () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      if (!signal.aborted) load().catch(() => {});
    }, gatherMs);
  };
  const source = listen(`/v1/events${query({ types: wanted })}`, types, again);
  const timer = setInterval(again, LOOK_MS);
  signal.addEventListener('abort', () => {
    source.close();
    clearInterval(timer);
    clearTimeout(waiting);
  });
}

/** Where a result can be seen; it leads on to the bucket. */
export const artifact = (job, name) => `${BASE}/v1/artifacts/${encodeURIComponent(job)}/${encodeURIComponent(name)}`;
