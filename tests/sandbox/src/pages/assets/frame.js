// Opens a page of the app in an iframe as the platform does: an iframe whose name carries host, protocol and APP_SID, and a form that posts into it.
import { h, fill } from "./dom.js";
import { post, query } from "./api.js";
import { attach } from "./bridge.js";

/** What the platform grants a frame: no clipboard-write and no fullscreen, and no `sandbox`. */
const ALLOW = "geolocation *; microphone *; camera *; autoplay *";

/**
 * Shows `placement` with `options` inside `box`. `shell` offers user, t, and what the bridge's commands need.
 * `kind` is the bridge's kind; `hooks` adds to or replaces the shell's reactions. Returns {destroy, reload}.
 */
export function openFrame(box, shell, { placement, binding, options = {}, kind = "placement", height = 0, hooks = {} }) {
  let detach = () => {};
  let turn = 0;

  async function load(extra) {
    turn += 1;
    const mine = turn;
    detach();
    fill(box, h("p", { class: "loading" }, shell.t("loading")));
    let frame;
    try {
      frame = await post(query("/~/frame", { user: shell.user }), {
        placement,
        binding,
        options: { ...options, ...extra },
        lang: shell.lang,
      });
    } catch (error) {
      if (mine === turn) fill(box, note(shell.t("frameFailed"), refusal(shell, error)));
      return;
    }
    if (mine !== turn) return;
    if (frame.not_installed) fill(box, note(shell.t("notInstalled"), shell.t("notInstalledHint"), "frame-not-installed"));
    else show(frame);
  }

  function show(frame) {
    const iframe = h("iframe", { class: "app-frame", testid: "app-frame", title: shell.t("appFrame"), allow: ALLOW });
    iframe.name = frame.window_name;
    if (height) iframe.style.height = `${height}px`;
    const form = h("form", { method: "post", action: frame.url, target: frame.window_name, hidden: true });
    for (const [name, value] of frame.fields) form.append(h("input", { type: "hidden", name, value: String(value) }));
    const cover = h("p", { class: "loading frame-cover" }, shell.t("loading"));
    fill(box, iframe, form, cover);
    // After `fill`: the empty document's own load has passed by then.
    iframe.addEventListener("load", () => cover.remove());
    detach = attach({
      window: () => iframe.contentWindow,
      origin: new URL(frame.url).origin,
      sid: frame.app_sid,
      kind,
      hooks: {
        openChat: shell.openChat,
        openApplication: shell.openApplication,
        selectUsers: shell.selectUsers,
        reload: () => load(),
        reloadData: shell.refresh,
        installed: () => load({ install_finished: "Y" }),
        resize: (width, wanted) => resize(iframe, width, wanted),
        ...hooks,
      },
    });
    form.submit();
    form.remove();
  }

  load();
  return {
    reload: load,
    destroy() {
      turn += 1;
      detach();
      box.replaceChildren();
    },
  };
}

function resize(iframe, width, height) {
  const px = Number.parseInt(height, 10);
  // A frame that asks for an endless height would hide the portal's own controls.
  if (px > 0) iframe.style.height = `${Math.min(px, 6000)}px`;
  if (/^\d+(px)?$/.test(String(width))) iframe.style.width = `${Number.parseInt(width, 10)}px`;
  else if (/^\d+%$/.test(String(width))) iframe.style.width = String(width);
  return { width: iframe.clientWidth, height: iframe.clientHeight };
}

function refusal(shell, error) {
  const words = shell.t(`error_${error.message}`);
  return words.startsWith("error_") ? error.message : words;
}

export function note(title, text, testid) {
  return h("div", { class: "note", testid }, h("strong", {}, title), text ? h("p", {}, text) : null);
}
