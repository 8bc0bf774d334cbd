// The pages' only way to the sandbox: JSON over same-origin fetch, and a poll that is cheap while nothing changes.

export class ApiError extends Error {
  constructor(status, text) {
    super(text || `HTTP ${status}`);
    this.status = status;
  }
}

async function read(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (!response.ok) {
    const error = body && (body.error_description || (body.error && body.error.text) || body.error);
    throw new ApiError(response.status, typeof error === "string" ? error : text.slice(0, 200));
  }
  return body;
}

export async function get(path) {
  return read(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body) {
  return read(
    await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}) }),
  );
}

export async function upload(path, file) {
  const answer = await read(
    await fetch(path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file }),
  );
  return answer.id;
}

export function query(path, params) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined && value !== null) search.set(key, value);
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Calls `seen(state)` whenever the revision moved. `path(since)` names the address. `now()` asks at once, for after an own act.
 * `health(bool)` tells whether the sandbox answers.
 */
export function poll(path, seen, health, everyMs = 800) {
  let revision;
  let timer = null;
  let running = null;
  let again = false;
  let stopped = false;
  let generation = 0;
  async function once() {
    const mine = generation;
    try {
      const state = await get(path(revision));
      if (mine !== generation) return;
      health(true);
      if (state && state.revision !== revision && !stopped) {
        revision = state.revision;
        seen(state);
      }
    } catch (error) {
      // A page being left aborts its fetches; that is no failure.
      if (!stopped) health(false, error);
    }
  }
  async function loop() {
    if (running) {
      again = true;
      return running;
    }
    clearTimeout(timer);
    running = once();
    await running;
    running = null;
    if (stopped) return undefined;
    if (again) {
      again = false;
      return loop();
    }
    timer = setTimeout(loop, document.hidden ? everyMs * 4 : everyMs);
    return undefined;
  }
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
  };
  addEventListener("pagehide", stop);
  document.addEventListener("visibilitychange", () => !document.hidden && !stopped && loop());
  loop();
  return {
    now: loop,
    /** The address means something else now: an answer that is under way no longer counts. */
    forget() {
      generation += 1;
      revision = undefined;
      return loop();
    },
    stop,
  };
}
