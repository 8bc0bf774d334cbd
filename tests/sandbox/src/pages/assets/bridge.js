// The portal's side of the frame bridge: reads postMessage from the app's frames and acts as the portal does.
// Kinds of frame: "page" (the left-menu page), "slider" (install page, openApplication), "placement" (tabs and settings).
import { post } from "./api.js";

const frames = new Set();

/** What a kind refuses. Refused and unknown commands get no answer at all, as in life: the app must not wait for one. */
const REFUSED = {
  page: [],
  slider: ["resizeWindow"],
  placement: ["setTitle", "setScroll", "reloadWindow"],
};

/** Answered by the portal's server, which knows the frame by its APP_SID. */
const BY_SERVER = ["getInitData", "refreshAuth", "setUserOption", "setAppOption", "setInstall"];

const PATHS = [
  [/^\/crm\/(deal|lead|contact|company)\/(?:details|show)\/(\d+)\/?(?:[?#].*)?$/, (m) => `#/crm/${m[1]}/${m[2]}`],
  [/^\/crm\/(deal|lead|contact|company|type)\//, () => "#/crm"],
  [/^\/marketplace\//, () => "#/app"],
  [/^\/company\/personal\/user\/\d+\/?/, () => null],
  [/^\/workgroups\/group\/\d+\/?/, () => null],
];

/** Registers a frame: `{window(), origin, sid, kind, hooks}`. Returns what ends it. */
export function attach(frame) {
  frames.add(frame);
  return () => frames.delete(frame);
}

/** Takes the text form apart: command[:JSON][:callbackId]:appSid, where JSON itself is full of colons. */
export function parse(data, sid) {
  if (data && typeof data === "object" && typeof data.method === "string") {
    return data.appSid === sid ? { command: data.method, params: data.params || {}, callback: String(data.callback || "") } : null;
  }
  if (typeof data !== "string" || !data.endsWith(`:${sid}`)) return null;
  const rest = data.slice(0, -sid.length - 1);
  const colon = rest.indexOf(":");
  if (colon < 0) return { command: rest, params: {}, callback: "" };
  const command = rest.slice(0, colon);
  const tail = rest.slice(colon + 1);
  const whole = json(tail);
  if (whole.ok && !/^\w+$/.test(tail)) return { command, params: whole.value, callback: "" };
  const last = tail.lastIndexOf(":");
  if (last < 0) return { command, params: {}, callback: tail };
  const params = json(tail.slice(0, last));
  return params.ok ? { command, params: params.value, callback: tail.slice(last + 1) } : null;
}

function json(text) {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

addEventListener("message", (event) => {
  for (const frame of frames) {
    if (event.source !== frame.window() || event.origin !== frame.origin) continue;
    const message = parse(event.data, frame.sid);
    if (message) act(frame, message);
    return;
  }
});

function answer(frame, callback, result) {
  if (!callback) return;
  const target = frame.window();
  if (target) target.postMessage(`${callback}:${result === undefined ? "" : JSON.stringify(result)}`, frame.origin);
}

async function act(frame, { command, params, callback }) {
  if (REFUSED[frame.kind].includes(command)) return;
  const reply = (result) => answer(frame, callback, result);
  if (BY_SERVER.includes(command)) {
    const result = await ask(frame, command, params);
    if (result.ok) reply(result.value);
    return;
  }
  if (Object.hasOwn(LOCAL, command)) await LOCAL[command](frame, params || {}, reply);
  else if (frame.hooks.command) frame.hooks.command(command, params, reply);
}

async function ask(frame, command, params) {
  try {
    const body = await post("/~/bridge", { app_sid: frame.sid, command, params: params || {} });
    return body && body.error === undefined ? { ok: true, value: body.result } : { ok: false };
  } catch {
    return { ok: false };
  }
}

const LOCAL = {
  resizeWindow(frame, params, reply) {
    reply(frame.hooks.resize ? frame.hooks.resize(params.width, params.height) : undefined);
  },
  setTitle(frame, params, reply) {
    if (frame.hooks.title) frame.hooks.title(String(params.title ?? ""));
    reply();
  },
  setScroll(frame, params, reply) {
    scrollTo({ top: Number(params.scroll) || 0 });
    reply();
  },
  async setInstallFinish(frame) {
    const result = await ask(frame, "setInstallFinish", {});
    if (result.ok && frame.hooks.installed) frame.hooks.installed();
  },
  reloadWindow(frame) {
    if (frame.hooks.reload) frame.hooks.reload();
  },
  reloadData(frame, params, reply) {
    if (frame.hooks.reloadData) frame.hooks.reloadData();
    reply();
  },
  openApplication(frame, params, reply) {
    frame.hooks.openApplication(params, reply);
  },
  closeApplication(frame, params, reply) {
    if (frame.hooks.close) frame.hooks.close();
    reply();
  },
  openPath(frame, params, reply) {
    const path = String(params.path || "");
    const known = PATHS.find(([pattern]) => pattern.test(path));
    if (!known) {
      reply({ result: "error", errorCode: "PATH_NOT_AVAILABLE" });
      return;
    }
    const place = known[1](path.match(known[0]));
    if (place) location.hash = place;
    reply({ result: "close" });
  },
  imOpenMessenger(frame, params) {
    frame.hooks.openChat(String(params.dialogId ?? ""));
  },
  imOpenHistory(frame, params) {
    frame.hooks.openChat(String(params.dialogId ?? ""));
  },
  async selectUser(frame, params, reply) {
    const users = await frame.hooks.selectUsers(Boolean(params.mult));
    reply(params.mult ? users : users[0]);
  },
  getInterface(frame, params, reply) {
    reply({ command: Object.keys(LOCAL).filter((name) => !REFUSED[frame.kind].includes(name)), event: [] });
  },
  // Callback is kept by the app; the sandbox's cards raise no events of their own.
  placementBindEvent() {},
  // Robot settings: the values go into the dialog's hidden fields and nobody is called back.
  setPropertyValue(frame, params) {
    if (frame.hooks.setPropertyValue) frame.hooks.setPropertyValue(params);
  },
};
