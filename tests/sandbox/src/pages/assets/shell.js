// The portal's shell: top bar, menu, the view that the address names, the phone beside it.
import { h, fill, icon, avatar, dayAndClock, newestFirst } from "./dom.js";
import { post, poll, query } from "./api.js";
import { bbcode } from "./bbcode.js";
import { texts } from "./texts.js";
import { openFrame, note } from "./frame.js";
import { openSlider, closeAllSliders, chooseUsers } from "./slider.js";
import { contactCenter } from "./contact_center.js";
import { chats } from "./chats.js";
import { crm } from "./cards.js";
import { robots } from "./robots.js";
import { trouble } from "./trouble.js";

const root = document.getElementById("shell");
const wide = matchMedia("(min-width: 1280px)");

/** What views and frames are given. `state` is the last answer of /~/state. */
const shell = {
  state: null,
  user: new URLSearchParams(location.search).get("user") || sessionStorage.getItem("user") || undefined,
  lang: "ru",
  t: texts("ru"),
  refresh: () => live.now(),
  openChat,
  openApplication,
  selectUsers: (many) => chooseUsers(shell.state.users, many, shell.t),
  installed,
  toast,
  attempt,
};

const VIEWS = [
  { key: "contact-center", text: "contactCenter", icon: "hub", make: contactCenter },
  { key: "chats", text: "chats", icon: "chats", make: chats, badge: (state) => state.chats.reduce((sum, chat) => sum + (Number(chat.unread) || 0), 0) },
  { key: "crm", text: "crm", icon: "crm", make: crm },
  { key: "robots", text: "robots", icon: "robots", make: robots },
  { key: "app", text: "app", icon: "app", make: appPage },
  { key: "notices", text: "notices", icon: "bell", make: notices, badge: (state) => Math.max(0, notificationsOf(state).length - seenNotices()) },
  { key: "trouble", text: "trouble", icon: "trouble", make: trouble },
  { key: "phone", text: "phone", icon: "phone", make: phonePage, narrowOnly: true },
];

let parts = null;
let current = null;
let live = null;
let builtFor = null;

function notificationsOf(state) {
  return newestFirst(state.notifications.filter((one) => one.user === undefined || one.user === state.me.id));
}

function seenNotices() {
  return Number(sessionStorage.getItem("notices")) || 0;
}

function start() {
  live = poll((since) => query("/~/state", { user: shell.user, since }), seen, health);
}

function health(ok, error) {
  // A user remembered from another run of the sandbox is nobody here.
  if (!ok && !shell.state && error.status >= 400 && error.status < 500 && shell.user) switchUser(undefined);
  if (parts) parts.offline.classList.toggle("shown", !ok);
}

/** Absent lists are empty ones: a portal without an application has little to tell. */
function tolerant(state) {
  for (const key of ["users", "connectors", "lines", "placements", "robots", "cards", "stages", "placed", "workflows", "chats", "notifications"]) {
    if (!Array.isArray(state[key])) state[key] = [];
  }
  state.app ||= {};
  return state;
}

function seen(raw) {
  const state = tolerant(raw);
  const who = String(state.me.id);
  if (shell.user && !state.users.some((one) => String(one.id) === who)) {
    // Remembered from another run of the sandbox, or dismissed.
    switchUser(undefined);
    return;
  }
  const turned = builtFor !== who || shell.lang !== state.portal.lang;
  shell.state = state;
  shell.user = who;
  if (turned) {
    builtFor = who;
    shell.lang = state.portal.lang;
    shell.t = texts(shell.lang);
    document.documentElement.lang = shell.lang === "ru" ? "ru" : "en";
    build();
    route();
  } else {
    paint();
    if (current) current.view.update(state);
  }
}

function build() {
  const { t, state } = shell;
  closeAllSliders();
  if (current) current.view.destroy();
  current = null;
  const user = h(
    "select",
    { testid: "user-switch", "aria-label": t("user"), onchange: (event) => switchUser(event.target.value) },
    state.users.map((one) => h("option", { value: String(one.id), selected: String(one.id) === shell.user }, `${one.name} (${t(one.admin ? "admin" : "employee")})`)),
  );
  const language = h(
    "div",
    { class: "segmented", role: "group", "aria-label": t("language") },
    ["ru", "en"].map((code) => h("button", { testid: `lang-${code}`, class: shell.lang === code ? "on" : "", onclick: () => attempt(() => post("/~/lang", { lang: code })) }, code.toUpperCase())),
  );
  const toggle = h("button", { class: "ghost phone-toggle", testid: "phone-toggle", onclick: togglePhone }, icon("phone"));
  parts = {
    menu: h("nav", { class: "menu" }),
    main: h("main", { class: "main", testid: "main" }),
    offline: h("div", { class: "offline", role: "status" }, t("offline")),
    side: h("aside", { class: "phone-side", "aria-label": t("phoneTitle") }),
    toggle,
  };
  fill(
    root,
    h(
      "header",
      { class: "topbar" },
      h("a", { class: "brand", href: "#/contact-center" }, icon("hub", 22), h("span", {}, h("b", {}, state.portal.title || t("portalName")), h("small", {}, state.portal.domain))),
      h("span", { class: "make-believe" }, t("makeBelieve")),
      h("div", { class: "tools" }, language, h("label", { class: "who" }, avatar(state.me.name, "small"), user), toggle),
    ),
    parts.menu,
    parts.main,
    parts.side,
    parts.offline,
  );
  document.title = state.portal.title || t("portalName");
  paint();
  placePhone();
}

function paint() {
  const { t, state } = shell;
  const here = location.hash.split("/")[1] || "contact-center";
  fill(
    parts.menu,
    VIEWS.map((view) => {
      const count = view.badge ? view.badge(state) : 0;
      return h(
        "a",
        { href: `#/${view.key}`, testid: `menu-${view.key}`, title: t(view.text), class: `${view.key === here ? "on" : ""} ${view.narrowOnly ? "narrow-only" : ""}` },
        icon(view.icon, 20),
        h("span", {}, t(view.text)),
        count ? h("b", { class: "badge" }, count > 99 ? "99+" : String(count)) : null,
      );
    }),
  );
}

function route() {
  if (!shell.state) return;
  const [, key = "contact-center", ...rest] = location.hash.split("/");
  const found = VIEWS.find((view) => view.key === key) || VIEWS[0];
  const params = rest.map(decodeURIComponent);
  if (current && current.key === found.key && current.view.go) {
    current.view.go(params);
  } else {
    if (current) current.view.destroy();
    const box = h("div", { class: `view view-${found.key}` });
    fill(parts.main, box);
    current = { key: found.key, view: found.make(box, shell, params) };
  }
  paint();
}

addEventListener("hashchange", () => {
  closeAllSliders();
  route();
});

function switchUser(id) {
  const address = new URL(location.href);
  if (id === undefined) {
    sessionStorage.removeItem("user");
    address.searchParams.delete("user");
  } else {
    sessionStorage.setItem("user", id);
    address.searchParams.set("user", id);
  }
  history.replaceState(null, "", address);
  shell.user = id;
  live.forget();
}

// The phone

function phoneFrame() {
  return h("iframe", { class: "phone-frame", src: query("/phone", { lang: shell.lang }), title: shell.t("phoneTitle"), testid: "phone-frame" });
}

function placePhone() {
  const shown = wide.matches && sessionStorage.getItem("phone") !== "hidden";
  root.classList.toggle("with-phone", shown);
  parts.toggle.title = shell.t(shown ? "hidePhone" : "showPhone");
  parts.toggle.setAttribute("aria-label", parts.toggle.title);
  parts.toggle.setAttribute("aria-pressed", String(shown));
  if (shown && !parts.side.firstChild) parts.side.append(phoneFrame());
  if (!shown) parts.side.replaceChildren();
}

function togglePhone() {
  sessionStorage.setItem("phone", root.classList.contains("with-phone") ? "hidden" : "shown");
  placePhone();
}

wide.addEventListener("change", () => parts && placePhone());

function phonePage(box) {
  box.append(phoneFrame());
  return { update() {}, destroy() {} };
}

// The application's own page, and what frames ask of the shell

function appPage(box, self) {
  const { t } = self;
  let frame = null;
  let shape = "";
  function update(state) {
    const next = `${Boolean(state.app.added)}|${Boolean(state.app.installed)}`;
    if (next === shape) return;
    shape = next;
    if (frame) frame.destroy();
    frame = null;
    if (!state.app.added) {
      fill(box, note(t("noApp"), t("noAppHint")), h("a", { class: "button primary", href: "#/contact-center" }, t("toContactCenter")));
      return;
    }
    const holder = h("div", { class: "frame-box tall" });
    fill(box, h("h1", { testid: "app-title" }, state.app.title || t("app")), holder);
    const fresh = sessionStorage.getItem("justInstalled") === "Y";
    sessionStorage.removeItem("justInstalled");
    frame = openFrame(holder, self, {
      placement: "DEFAULT",
      kind: "page",
      options: fresh ? { install_finished: "Y" } : {},
      hooks: { title: (text) => (box.querySelector("h1").textContent = text) },
    });
  }
  update(self.state);
  return { update, destroy: () => frame && frame.destroy() };
}

/** The installation was finished in a slider: it closes and the application opens anew. */
function installed() {
  sessionStorage.setItem("justInstalled", "Y");
  closeAllSliders();
  shell.refresh().then(() => {
    if (location.hash === "#/app") {
      if (current) current.view.destroy();
      current = null;
      route();
    } else {
      location.hash = "#/app";
    }
  });
}

function openApplication(params, reply) {
  const { bx24_title: title, bx24_width: width, bx24_label: label, bx24_leftBoundary: left, ...options } = params || {};
  const given = Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]));
  let frame = null;
  const slider = openSlider({
    title: title || (label && label.text) || shell.state.app.title || shell.t("app"),
    closeText: shell.t("close"),
    width: Number.parseInt(width, 10) || innerWidth - (Number(left) || 0),
    onClose: () => {
      if (frame) frame.destroy();
      reply();
    },
  });
  frame = openFrame(slider.body, shell, {
    placement: "DEFAULT",
    kind: "slider",
    options: { ...given, IFRAME: "Y", IFRAME_TYPE: "SIDE_SLIDER" },
    hooks: { close: slider.close, title: slider.setTitle, installed },
  });
}

/** `chat15` is a chat; `imol|15` names a session of an open line, or a chat. */
function openChat(dialog) {
  const number = /(\d+)$/.exec(dialog)?.[1];
  const bySession = dialog.startsWith("imol|") && shell.state.chats.find((chat) => String(chat.session?.id) === number);
  const id = bySession ? bySession.id : number;
  closeAllSliders();
  location.hash = id ? `#/chats/${id}` : "#/chats";
}

function notices(box, self) {
  function update(state) {
    const mine = notificationsOf(state);
    sessionStorage.setItem("notices", String(mine.length));
    paint();
    fill(
      box,
      h("h1", {}, self.t("notices")),
      mine.length
        ? mine.map((one) => h("article", { class: "panel notice", testid: "notice" }, h("div", {}, bbcode(one.text)), h("time", {}, dayAndClock(one.time))))
        : note(self.t("noNotices"), ""),
    );
  }
  update(self.state);
  return { update, destroy() {} };
}

function toast(text, bad) {
  const el = h("div", { class: bad ? "toast bad" : "toast", role: "status", testid: "toast" }, text);
  document.body.append(el);
  setTimeout(() => el.remove(), 5000);
}

/** Runs an act of the person, tells a failure in words, and looks at once what changed. Answers the result, or undefined. */
async function attempt(act) {
  try {
    const result = await act();
    await live.now();
    return result ?? true;
  } catch (error) {
    const words = shell.t(`error_${error.message}`);
    toast(words.startsWith("error_") ? `${shell.t("failed")}: ${error.message}` : words, true);
    return undefined;
  }
}

start();
