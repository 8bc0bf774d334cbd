// The client's make-believe phone: messengers, people, conversations, ticks.
import { h, fill, icon, avatar, clock, fileTile, autogrow, reconcile, bytes } from "./dom.js";
import { get, post, poll, upload, query } from "./api.js";
import { texts } from "./texts.js";

const root = document.getElementById("phone");
const asked = new URLSearchParams(location.search);
let lang = asked.get("lang") || (navigator.language.startsWith("ru") ? "ru" : "en");
let t = texts(lang);
let state = null;
let live = null;
let person = sessionStorage.getItem("phone-person") || "";
let account = sessionStorage.getItem("phone-account") || "";
/** Id of the group that is open in the account, or "" for the private chat. */
let group = "";
let edited = null;
let parts = null;
let files = [];
let busy = false;
let shownChat = null;
const known = new Map();
const reading = new Set();

function start() {
  document.documentElement.lang = lang === "ru" ? "ru" : "en";
  document.title = t("phoneTitle");
  live = poll((since) => query("/~/phone/state", { since }), seen, (ok) => root.classList.toggle("is-offline", !ok));
}

function seen(next) {
  state = next;
  state.accounts ||= [];
  state.people ||= [];
  state.chats ||= [];
  if (!state.people.some((one) => String(one.id) === person)) person = state.people.length ? String(state.people[0].id) : "";
  if (!state.accounts.some((one) => String(one.id) === account)) account = state.accounts.length ? String(state.accounts[0].id) : "";
  if (!parts) build();
  paint();
}

function privateChat(accountId) {
  return state.chats.find((chat) => String(chat.account) === accountId && chat.person !== null && String(chat.person) === person);
}

function groupsOf(accountId) {
  return state.chats.filter((chat) => String(chat.account) === accountId && Array.isArray(chat.members) && chat.members.some((one) => String(one) === person));
}

function openChat() {
  return groupsOf(account).find((chat) => String(chat.id) === group) || privateChat(account);
}

function unreadIn(chat) {
  return chat ? chat.messages.filter((one) => one.side === "business" && one.status === "delivered" && !one.deleted).length : 0;
}

function unread(accountId) {
  return [privateChat(accountId), ...groupsOf(accountId)].reduce((sum, chat) => sum + unreadIn(chat), 0);
}

function build() {
  const area = h("textarea", { rows: 1, testid: "phone-textarea", placeholder: t("writeHere"), "aria-label": t("writeHere") });
  const fit = autogrow(area, 120);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  const picker = h("input", { type: "file", multiple: true, hidden: true, testid: "phone-file", onchange: () => addFiles(picker) });
  parts = {
    who: h("select", { testid: "phone-person", "aria-label": t("iAm"), onchange: (event) => choosePerson(event.target.value) }),
    accounts: h("nav", { class: "accounts" }),
    head: h("div", { class: "talk-head" }),
    groups: h("nav", { class: "accounts groups", hidden: true }),
    editing: h("div", { class: "editing", hidden: true }, icon("edit", 15), h("span", {}, t("editing")), h("button", { class: "link", onclick: stopEditing }, t("cancel"))),
    list: h("div", { class: "talk", testid: "phone-messages" }),
    waiting: h("div", { class: "waiting-files" }),
    problem: h("p", { class: "problem", hidden: true, role: "status" }),
    send: h("button", { class: "primary round", testid: "phone-send", title: t("send"), "aria-label": t("send"), onclick: submit }, icon("send")),
    area,
    fit,
  };
  parts.scroller = h("div", { class: "talk-scroll" }, parts.list);
  parts.list.addEventListener("load", () => (parts.scroller.scrollTop = parts.scroller.scrollHeight), true);
  fill(
    root,
    h("header", { class: "phone-top" }, h("label", {}, h("span", { class: "muted" }, t("iAm")), parts.who)),
    parts.accounts,
    parts.head,
    parts.groups,
    parts.scroller,
    h(
      "footer",
      { class: "phone-composer" },
      parts.problem,
      parts.editing,
      parts.waiting,
      h("div", { class: "composer-row" }, h("button", { class: "ghost", testid: "phone-attach", title: t("attach"), "aria-label": t("attach"), onclick: () => picker.click() }, icon("clip", 20)), area, picker, parts.send),
      h("small", { class: "attention" }, t("attention")),
    ),
  );
}

function choosePerson(id) {
  person = id;
  group = "";
  stopEditing();
  sessionStorage.setItem("phone-person", id);
  paint();
}

function chooseAccount(id) {
  account = id;
  group = "";
  stopEditing();
  sessionStorage.setItem("phone-account", id);
  paint();
}

function chooseGroup(id) {
  group = id;
  stopEditing();
  paint();
}

function stopEditing() {
  if (edited !== null) parts.area.value = "";
  edited = null;
  parts.editing.hidden = true;
  parts.fit();
}

function edit(message) {
  edited = message.id;
  parts.editing.hidden = false;
  parts.area.value = message.text;
  parts.fit();
  parts.area.focus();
}

function addFiles(picker) {
  files.push(...picker.files);
  picker.value = "";
  paintFiles();
  parts.area.focus();
}

function paintFiles() {
  fill(
    parts.waiting,
    files.map((file, index) =>
      h("span", { class: "chip" }, file.name, " ", h("small", {}, bytes(file.size)), h("button", { class: "ghost", title: t("dropFile"), "aria-label": t("dropFile"), onclick: () => dropFile(index) }, icon("close", 13))),
    ),
  );
}

function dropFile(index) {
  files.splice(index, 1);
  paintFiles();
}

const COLOURS = { grWhatsApp: "#2c8a5b", whatsapp: "#2c8a5b", waba: "#2c8a5b", telegram: "#3a7fb5", telegram_bot: "#3a7fb5", telegrambot: "#3a7fb5", max: "#6a58b8", email: "#8a6d3b" };

function colourOf(one) {
  return COLOURS[one.messenger] || COLOURS[String(one.messenger).toLowerCase()] || "#5b7083";
}

function paint() {
  const people = JSON.stringify(state.people.map((one) => [one.id, one.name]));
  if (parts.who.dataset.shape !== people) {
    parts.who.dataset.shape = people;
    fill(parts.who, state.people.map((one) => h("option", { value: String(one.id) }, one.name)));
  }
  parts.who.value = person;
  fill(
    parts.accounts,
    state.accounts.map((one) => {
      const id = String(one.id);
      const count = id === account ? 0 : unread(id);
      return h(
        "button",
        { class: id === account ? "account on" : "account", testid: `phone-account-${id}`, title: one.hint || one.title, "aria-pressed": String(id === account), onclick: () => chooseAccount(id) },
        h("span", { class: "account-dot", style: { background: colourOf(one) } }),
        h("span", {}, one.title),
        count ? h("b", { class: "badge" }, String(count)) : null,
      );
    }),
  );
  const one = state.accounts.find((known) => String(known.id) === account);
  const chat = one && openChat();
  paintHead(one, chat);
  paintGroups();
  parts.send.disabled = busy || !one || !person;
  paintTalk(chat);
}

function paintHead(one, chat) {
  if (!one) {
    fill(parts.head, h("p", { class: "muted" }, t("noAccounts")));
    return;
  }
  const blocked = Boolean(chat && chat.blocked);
  fill(
    parts.head,
    avatar(one.title),
    h("div", { class: "talk-words" }, h("b", {}, one.title), h("small", { class: "muted" }, blocked ? t("blocked") : one.hint || one.messenger)),
    chat && !group ? h("button", { class: "link small", testid: "phone-block", onclick: () => act("/~/phone/block", { account: one.id, person: idOf(state.people, person), blocked: !blocked }) }, t(blocked ? "unblock" : "block")) : null,
  );
}

function paintGroups() {
  const groups = groupsOf(account);
  if (!groups.some((chat) => String(chat.id) === group)) group = "";
  parts.groups.hidden = groups.length === 0;
  const chip = (id, words, count) => h("button", { class: id === group ? "account on" : "account", testid: `phone-group-${id || "none"}`, "aria-pressed": String(id === group), onclick: () => chooseGroup(id) }, words, count ? h("b", { class: "badge" }, String(count)) : null);
  fill(
    parts.groups,
    groups.length ? chip("", t("privateChat"), group ? unreadIn(privateChat(account)) : 0) : null,
    groups.map((chat) => chip(String(chat.id), chat.title, String(chat.id) === group ? 0 : unreadIn(chat))),
  );
}

function paintTalk(chat) {
  const key = `${account}|${person}|${group}`;
  const changed = key !== shownChat;
  const near = changed || parts.scroller.scrollHeight - parts.scroller.scrollTop - parts.scroller.clientHeight < 80;
  if (changed) {
    shownChat = key;
    known.clear();
    parts.list.replaceChildren();
  }
  const messages = chat ? chat.messages : [];
  const empty = parts.list.querySelector(".talk-empty");
  if (messages.length && empty) empty.remove();
  if (!messages.length && !empty) fill(parts.list, h("p", { class: "talk-empty muted" }, t(person ? "nothingWritten" : "noPeople")));
  if (messages.length) reconcile(parts.list, known, messages, (message) => message.id, bubble);
  if (near) parts.scroller.scrollTop = parts.scroller.scrollHeight;
  if (chat) markRead(chat);
}

/** Seen means on a screen: a phone that is folded away or in a hidden tab reads nothing. */
function markRead(chat) {
  const id = String(chat.id);
  if (document.hidden || innerWidth === 0 || reading.has(id) || unreadIn(chat) === 0) return;
  reading.add(id);
  post("/~/phone/read", { chat: chat.id }).then(
    () => setTimeout(() => reading.delete(id), 300),
    () => setTimeout(() => reading.delete(id), 3000),
  );
}

document.addEventListener("visibilitychange", () => state && !document.hidden && paint());

const TICKS = { sent: "✓", delivered: "✓✓", viewed: "✓✓", failed: "!" };
const TICK_WORDS = { sent: "statusSent", delivered: "statusDelivered", viewed: "statusViewed", failed: "statusFailed" };

function bubble(message) {
  const mine = message.side === "client";
  const status = message.status;
  return h(
    "article",
    { class: mine ? "say mine" : "say", testid: `phone-message-${message.side}`, "data-status": status, "data-message": message.id },
    message.deleted
      ? h("em", { class: "muted" }, t("deleted"))
      : [
          (message.files || []).length ? h("div", { class: "files" }, message.files.map(fileTile)) : null,
          message.author && !mine ? h("b", { class: "say-author" }, message.author) : null,
          extra(message.extra),
          message.text ? h("div", { class: "say-text" }, message.html ? cleanHtml(message.html) : message.text) : null,
        ],
    h(
      "footer",
      {},
      message.by_phone ? h("span", {}, t("fromPhone")) : null,
      message.edited && !message.deleted ? h("span", {}, t("edited")) : null,
      h("time", {}, clock(message.time)),
      TICKS[status] ? h("span", { class: `tick ${status}`, title: t(TICK_WORDS[status]), "aria-label": t(TICK_WORDS[status]) }, TICKS[status]) : null,
    ),
    message.error ? h("p", { class: "problem" }, String(message.error)) : null,
    mine && !message.deleted ? tools(message) : null,
  );
}

function tools(message) {
  return h(
    "span",
    { class: "say-tools" },
    message.text ? h("button", { class: "ghost", testid: "phone-edit", title: t("edit"), "aria-label": t("edit"), onclick: () => edit(message) }, icon("edit", 14)) : null,
    h("button", { class: "ghost", testid: "phone-delete", title: t("remove"), "aria-label": t("remove"), onclick: () => act("/~/phone/delete", { message: message.id }) }, icon("bin", 14)),
  );
}

function extra(given) {
  if (!given) return null;
  if (given.emoji) return h("div", { class: "sticker" }, given.emoji);
  if (given.phone) return h("div", { class: "file" }, avatar(given.name, "small"), h("span", {}, given.name, h("br"), h("small", { class: "muted" }, given.phone)));
  return h("div", { class: "file" }, `${t("location")}: ${given.latitude}, ${given.longitude}`);
}

const KEPT = { B: "strong", STRONG: "strong", I: "em", EM: "em", U: "u", INS: "u", S: "s", DEL: "s", STRIKE: "s", CODE: "code", PRE: "pre", BLOCKQUOTE: "blockquote", BR: "br", A: "a" };

/** Copies only the marks that a messenger shows; the rest of the markup stays text. */
function cleanHtml(html) {
  const inert = new DOMParser().parseFromString(String(html), "text/html");
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (node.nodeType !== Node.ELEMENT_NODE) return null;
    const inside = [...node.childNodes].map(copy);
    const tag = KEPT[node.tagName];
    if (!tag) return inside;
    if (tag !== "a") return h(tag, {}, inside);
    const href = node.getAttribute("href") || "";
    return /^(https?:|mailto:|tel:)/i.test(href) ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, inside) : h("span", {}, inside);
  };
  return [...inert.body.childNodes].map(copy);
}

function tell(error) {
  parts.problem.textContent = `${t("failed")}: ${error.message}`;
  parts.problem.hidden = false;
}

async function act(path, body) {
  parts.problem.hidden = true;
  try {
    await post(path, body);
  } catch (error) {
    tell(error);
  }
  await live.now();
}

async function write(text) {
  if (edited !== null) return post("/~/phone/edit", { message: edited, text });
  const ids = [];
  for (const file of files) ids.push(await upload(query("/~/phone/upload", { name: file.name, mime: file.type || "application/octet-stream" }), file));
  return post("/~/phone/write", { account: idOf(state.accounts, account), person: idOf(state.people, person), chat: group || undefined, text, files: ids });
}

async function submit() {
  const text = parts.area.value.trim();
  if (busy || !person || !account || (!text && (!files.length || edited !== null))) return;
  busy = true;
  parts.send.disabled = true;
  parts.problem.hidden = true;
  try {
    await write(text);
    files = [];
    paintFiles();
    stopEditing();
    parts.area.value = "";
    parts.fit();
  } catch (error) {
    tell(error);
  }
  busy = false;
  await live.now();
  parts.send.disabled = false;
  parts.area.focus();
}

/** Ids go back to the API in the type in which they came. */
function idOf(list, id) {
  return list.find((one) => String(one.id) === id).id;
}

async function language() {
  if (asked.get("lang")) return;
  const portal = await get("/~/state").catch(() => null);
  if (!portal || !portal.portal) return;
  lang = portal.portal.lang;
  t = texts(lang);
}

language().then(start);
