// The one script of the frames. It knows no page: markup says what to do (README.md of this folder lists the data attributes),
// the server answers with ready markup, and all words come from the page.
(() => {
  "use strict";

  const PORTAL_WAIT_MS = 8000;
  const PORTAL_GIVE_UP_MS = 120000;
  const REQUEST_TIMEOUT_MS = 60000;
  const REFRESH_TIMEOUT_MS = 10000;
  const POLL_MAX_MS = 60000;

  const page = readPage();
  const texts = page.texts || {};
  let session = page.session || "";
  let renewAtMs = 0;
  let renewing = null;
  let portal = null;
  let isPortalMissing = false;
  let hasFinished = false;
  const seen = new Map();
  const polls = new Map();

  function readPage() {
    try {
      return JSON.parse(document.getElementById("page").textContent);
    } catch (_) {
      return {};
    }
  }

  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // ---- requests

  class Failure extends Error {
    constructor(error) {
      super(error.text || texts.failed);
      this.field = error.field;
      this.requestId = error.request_id;
    }
  }

  async function send(method, path, body) {
    if (!path.startsWith("/frame/")) throw new Failure({});
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), REQUEST_TIMEOUT_MS);
    const headers = { Authorization: `Bearer ${session}`, Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await fetch(path, {
        method, headers, body: body ? JSON.stringify(body) : undefined,
        cache: "no-store", credentials: "omit", redirect: "error", signal: stop.signal,
      });
      const answer = await response.json().catch(() => null);
      return { status: response.status, answer };
    } catch (_) {
      throw new Failure({ text: texts.offline });
    } finally {
      clearTimeout(timer);
    }
  }

  async function call(method, path, body) {
    if (renewAtMs && Date.now() > renewAtMs) await renew();
    let { status, answer } = await send(method, path, body);
    if (status === 401 && (await renew())) ({ status, answer } = await send(method, path, body));
    if (answer && answer.error) throw new Failure(answer.error);
    if (status === 401) throw new Failure({ text: texts.session_over });
    if (!answer || status >= 400) throw new Failure({});
    return answer;
  }

  // ---- session: short-lived, renewed with a fresh right of the person who looks

  function keepSession(token, seconds) {
    session = token;
    renewAtMs = seconds > 0 ? Date.now() + seconds * 800 : 0;
  }

  function renew() {
    renewing = renewing || renewOnce().finally(() => { renewing = null; });
    return renewing;
  }

  async function renewOnce() {
    const auth = await freshAuth();
    if (!auth || !auth.access_token) return false;
    try {
      const { answer } = await send("POST", "/frame/session/renew", { auth_id: auth.access_token });
      if (!answer || !answer.session) return false;
      keepSession(answer.session, answer.session_seconds);
      return true;
    } catch (_) {
      return false;
    }
  }

  function freshAuth() {
    return new Promise((resolve) => {
      if (!portal || typeof portal.refreshAuth !== "function") return resolve(null);
      setTimeout(() => resolve(null), REFRESH_TIMEOUT_MS);
      quietly(() => portal.refreshAuth(resolve));
    });
  }

  // ---- the portal around the frame

  function waitForPortal() {
    const started = Date.now();
    const look = () => {
      const script = window.BX24;
      if (script && typeof script.init === "function") return quietly(() => script.init(() => meet(script)));
      if (Date.now() - started < PORTAL_GIVE_UP_MS) setTimeout(look, 50);
    };
    look();
    setTimeout(() => showPortalMissing(!portal), PORTAL_WAIT_MS);
  }

  function meet(script) {
    portal = script;
    showPortalMissing(false);
    scan();
  }

  function showPortalMissing(isMissing) {
    isPortalMissing = isMissing;
    for (const note of all("[data-portal-missing]")) note.hidden = !isMissing;
    for (const promise of all("[data-with-portal]")) promise.hidden = isMissing;
    fit();
  }

  function quietly(work) {
    try {
      return work();
    } catch (_) {
      return undefined; // the portal refuses some commands in some placements; the page works without them
    }
  }

  function openChat(id) {
    if (portal && portal.im && typeof portal.im.openMessenger === "function") {
      quietly(() => portal.im.openMessenger(id));
    } else {
      notice("warn", texts.needs_portal);
    }
  }

  function finishInstallation() {
    if (!portal || hasFinished) return;
    hasFinished = true;
    quietly(() => portal.installFinish());
  }

  let fittedHeight = 0;
  let fitTimer = 0;
  function fit() {
    clearTimeout(fitTimer);
    fitTimer = setTimeout(() => {
      const height = document.documentElement.getBoundingClientRect().height;
      if (!portal || Math.abs(height - fittedHeight) < 2) return;
      fittedHeight = height;
      quietly(() => portal.fitWindow());
    }, 100);
  }

  // ---- showing

  function notice(kind, text) {
    for (const place of all("[data-notice]")) {
      place.className = `note ${["ok", "warn", "error"].includes(kind) ? kind : ""}`;
      place.textContent = text || "";
      place.hidden = !text;
    }
  }

  function showFailure(around, failure) {
    const place = around.querySelector("[data-error]") || document.querySelector("[data-error]");
    if (!place) return notice("error", failure.message);
    place.textContent = failure.message;
    if (failure.requestId) {
      const id = document.createElement("p");
      id.className = "small";
      id.textContent = `${texts.request}: ${failure.requestId}`;
      place.append(id);
    }
    place.hidden = false;
    const field = failure.field && around.querySelector(`[name="${CSS.escape(failure.field)}"]`);
    if (field) {
      field.setAttribute("aria-invalid", "true");
      const folded = field.closest("details");
      if (folded) folded.open = true;
      field.focus();
    } else {
      place.scrollIntoView({ block: "nearest" });
    }
  }

  function clearFailures(around) {
    for (const place of all("[data-error]", around)) place.hidden = true;
    for (const field of all("[aria-invalid]", around)) field.removeAttribute("aria-invalid");
    notice("", "");
  }

  // Swaps every part that differs from what the server sent last; typing and focus elsewhere stay as they are, and so does what
  // the reader has unfolded.
  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of all("[data-part]", fresh)) {
      const name = part.dataset.part;
      const markup = part.outerHTML;
      const old = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
      if (!old || seen.get(name) === markup) continue;
      const unfolded = all("details:not(.confirm)[open] > summary", old).map((summary) => summary.textContent);
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      const next = document.importNode(part, true);
      for (const summary of all("summary", next)) if (unfolded.includes(summary.textContent)) summary.parentElement.open = true;
      old.replaceWith(next);
      seen.set(name, markup);
      const again = focused && document.getElementById(focused);
      if (again) again.focus();
    }
    scan();
  }

  function apply(answer) {
    if (typeof answer.html === "string") show(answer.html);
    if (answer.notice && answer.notice.text) {
      notice(answer.notice.kind, answer.notice.text.replace("{at}", clockTime(answer.notice.at_ms)));
      for (const place of all("[data-notice]")) place.scrollIntoView({ block: "nearest" });
    }
    if (typeof answer.open === "string") openChat(answer.open);
    if (typeof answer.path === "string" && portal) quietly(() => portal.openPath(answer.path));
  }

  // The reader's own time, with the day unless it is today.
  function clockTime(ms) {
    const at = new Date(ms);
    const isToday = at.toDateString() === new Date().toDateString();
    const format = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    return Number.isNaN(at.getTime()) ? "" : new Intl.DateTimeFormat(document.documentElement.lang, format).format(at);
  }

  // Whatever new markup asks for.
  function scan() {
    for (const element of all("[data-needs-portal]")) {
      if (!element.closest("[aria-busy]")) element.disabled = !portal;
    }
    for (const promise of all("[data-with-portal]")) promise.hidden = isPortalMissing;
    for (const time of all("time[data-local]")) localise(time);
    for (const element of all("[data-poll]")) schedule(element.dataset.poll, Number(element.dataset.pollMs) || 5000);
    if (document.querySelector('[data-finish="auto"]')) finishInstallation();
    fit();
  }

  function localise(time) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const format = { dateStyle: "medium" };
    if (time.dataset.local === "time") format.timeStyle = "short";
    time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, format).format(at);
    time.removeAttribute("data-local");
  }

  // ---- asking again

  function schedule(path, everyMs) {
    if (polls.has(path)) return;
    polls.set(path, { everyMs, failures: 0 });
    next(path);
  }

  function next(path) {
    const poll = polls.get(path);
    setTimeout(() => ask(path), Math.min(poll.everyMs * 2 ** poll.failures, POLL_MAX_MS));
  }

  async function ask(path) {
    const poll = polls.get(path);
    const element = all("[data-poll]").find((candidate) => candidate.dataset.poll === path);
    if (!element) return polls.delete(path);
    poll.everyMs = Number(element.dataset.pollMs) || poll.everyMs;
    if (!document.hidden && !document.querySelector("[aria-busy]")) {
      try {
        const answer = await call("GET", path);
        if (poll.failures > 2) notice("", "");
        poll.failures = 0;
        apply(answer);
      } catch (failure) {
        poll.failures += 1;
        if (poll.failures === 3) notice("warn", failure.message);
      }
    }
    next(path);
  }

  // ---- acting

  async function act(element, path, body) {
    if (element.closest("[aria-busy]")) return;
    const around = element.closest("form, [data-part]") || document.body;
    const buttons = all("button", around).filter((button) => !button.disabled);
    clearFailures(around);
    around.setAttribute("aria-busy", "true");
    for (const button of buttons) button.disabled = true;
    try {
      const answer = await call("POST", path, body);
      around.removeAttribute("aria-busy");
      if (element instanceof HTMLFormElement) {
        delete element.dataset.once;
        element.reset();
        const folded = element.closest("details");
        if (folded) folded.open = false;
      }
      apply(answer);
    } catch (failure) {
      around.removeAttribute("aria-busy");
      showFailure(around, failure);
    } finally {
      for (const button of buttons) button.disabled = false;
      scan();
    }
  }

  // The same key goes with every try of one filled form, so that a repeat after a lost answer does nothing twice.
  function filled(form) {
    if (!form.dataset.once) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      form.dataset.once = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    const body = { once: form.dataset.once };
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string") body[name] = value;
    }
    return body;
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    act(form, form.dataset.action, filled(form));
  });

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-action]");
    if (form) delete form.dataset.once;
    if (event.target.hasAttribute("aria-invalid")) event.target.removeAttribute("aria-invalid");
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.action) {
      act(button, button.dataset.action, JSON.parse(button.dataset.body || "{}"));
    } else if (button.dataset.fill) {
      const field = document.getElementById(button.dataset.fill);
      if (!field) return;
      field.value = button.dataset.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    } else if (button.hasAttribute("data-finish-button")) {
      hasFinished = false;
      finishInstallation();
    }
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && renewAtMs && Date.now() > renewAtMs) renew();
  });

  // Work that begins with the page, while its progress is asked for.
  async function start(path) {
    try {
      apply(await call("POST", path, {}));
    } catch (failure) {
      showFailure(document.body, failure);
    }
  }

  for (const part of all("[data-part]")) seen.set(part.dataset.part, part.outerHTML);
  keepSession(session, Number(page.session_seconds) || 0);
  new ResizeObserver(fit).observe(document.body);
  waitForPortal();
  scan();
  for (const element of all("[data-start]")) start(element.dataset.start);
})();
