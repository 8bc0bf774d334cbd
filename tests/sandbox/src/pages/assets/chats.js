// Open-channel chats as an operator sees them.
import { h, fill, icon, avatar, clock, fileTile, autogrow, reconcile, bytes } from "./dom.js";
import { get, post, upload, query } from "./api.js";
import { bbcode, bbPlain, wrapSelection } from "./bbcode.js";
import { note } from "./frame.js";

export function chats(box, shell, params) {
  const { t } = shell;
  const list = h("div", { class: "chat-list-items", testid: "chat-list" });
  const search = h("input", { type: "search", placeholder: t("searchChats"), "aria-label": t("searchChats"), oninput: () => paintList(shell.state) });
  const pane = h("section", { class: "chat-pane" });
  const frame = h("div", { class: "chats" }, h("aside", { class: "chat-list" }, h("div", { class: "chat-search" }, search), list), pane);
  box.append(frame);
  let open = null;

  function paintList(state) {
    const wanted = search.value.trim().toLocaleLowerCase();
    const shown = state.chats.filter((chat) => !wanted || String(chat.title).toLocaleLowerCase().includes(wanted));
    fill(
      list,
      shown.length
        ? shown.map((chat) => {
            const connector = state.connectors.find((one) => one.id === chat.connector);
            const on = open && open.id === String(chat.id);
            return h(
              "a",
              { class: on ? "chat-row on" : "chat-row", href: `#/chats/${chat.id}`, testid: `chat-${chat.id}` },
              avatar(chat.title),
              h("span", { class: "chat-row-words" }, h("b", {}, chat.title), h("small", {}, chat.last && chat.last.text ? bbPlain(chat.last.text) : connector ? connector.name : chat.connector)),
              Number(chat.unread) > 0 ? h("b", { class: "badge" }, String(chat.unread)) : null,
            );
          })
        : note(t("noChats"), ""),
    );
  }

  function go([id]) {
    if (open) open.destroy();
    open = null;
    frame.classList.toggle("has-open", Boolean(id));
    if (id) open = conversation(pane, shell, id);
    else fill(pane, h("div", { class: "chat-empty" }, icon("chats", 40), h("p", {}, t("chooseChat"))));
    paintList(shell.state);
  }

  function update(state) {
    paintList(state);
    if (open) open.load();
  }

  go(params);
  return { update, go, destroy: () => open && open.destroy() };
}

function conversation(pane, shell, id) {
  const { t } = shell;
  const head = h("header", { class: "chat-head" });
  const list = h("div", { class: "bubbles" });
  const scroller = h("div", { class: "bubbles-scroll", testid: "chat-messages" }, list);
  const known = new Map();
  let gone = false;
  let loading = false;
  let stale = false;
  const composer = makeComposer(shell, id, load);
  fill(pane, head, scroller, composer.el);
  composer.focus();

  async function load() {
    if (loading) {
      stale = true;
      return;
    }
    loading = true;
    try {
      const answer = await get(query(`/~/chats/${encodeURIComponent(id)}`, { user: shell.user }));
      if (!gone) paint(answer);
    } catch (error) {
      if (!gone && error.status === 404) fill(list, note(t("noChats"), ""));
    }
    loading = false;
    if (stale && !gone) {
      stale = false;
      load();
    }
  }

  let headShape = "";
  function paintHead(chat) {
    const next = JSON.stringify(chat);
    if (next === headShape) return;
    headShape = next;
    const connector = shell.state.connectors.find((one) => one.id === chat.connector);
    const line = shell.state.lines.find((one) => String(one.id) === String(chat.line));
    fill(
      head,
      h("a", { class: "ghost chat-back", href: "#/chats", "aria-label": t("back") }, icon("back")),
      avatar(chat.title),
      h("div", { class: "chat-head-words" }, h("b", { testid: "chat-title" }, chat.title), h("small", {}, [connector ? connector.name : chat.connector, line && line.name].filter(Boolean).join(" · "))),
      h(
        "div",
        { class: "chat-head-actions" },
        (chat.crm || []).map((card) => h("a", { class: "button small", testid: "chat-card", href: `#/crm/${card.type}/${card.id}`, title: card.title || "" }, t(card.type))),
        h("button", { class: "small", testid: "chat-finish", onclick: () => shell.attempt(() => post(query(`/~/chats/${id}/finish`, { user: shell.user }), {})) }, t("finish")),
      ),
    );
  }

  function paint({ chat, messages }) {
    const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    const before = known.size;
    paintHead(chat);
    reconcile(list, known, messages, (message) => message.id, (message) => bubble(shell, message, id, composer));
    if (near || before === 0) scroller.scrollTop = scroller.scrollHeight;
  }

  // A picture that arrives late must not leave the newest line below the edge.
  list.addEventListener("load", () => {
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 500) scroller.scrollTop = scroller.scrollHeight;
  }, true);

  load();
  return {
    id: String(id),
    load,
    destroy() {
      gone = true;
    },
  };
}

function bubble(shell, message, chatId, composer) {
  const { t } = shell;
  const author = message.author || {};
  const kind = author.kind || "system";
  const mine = kind === "operator" && String(author.id) === shell.user;
  const address = query(`/~/chats/${chatId}/messages/${message.id}/delete`, { user: shell.user });
  const tools = mine && !message.deleted
    ? h(
        "span",
        { class: "bubble-tools" },
        h("button", { class: "ghost", title: t("edit"), "aria-label": t("edit"), testid: "message-edit", onclick: () => composer.edit(message) }, icon("edit", 15)),
        h("button", { class: "ghost", title: t("remove"), "aria-label": t("remove"), testid: "message-delete", onclick: () => shell.attempt(() => post(address, {})) }, icon("bin", 15)),
      )
    : null;
  const delivered = !message.sending && kind === "operator" && (message.connector_mid || []).length > 0;
  return h(
    "article",
    { class: `bubble ${kind}${mine ? " mine" : ""}${message.sending ? " is-sending" : ""}`, testid: `message-${kind}`, "data-message": message.id, "data-sending": message.sending ? "true" : "false" },
    kind === "system" ? null : h("b", { class: "bubble-author" }, author.name || t(kind)),
    message.deleted
      ? h("em", { class: "muted" }, t("deleted"))
      : [message.text ? h("div", { class: "bubble-text" }, bbcode(message.text)) : null, (message.files || []).length ? h("div", { class: "files" }, message.files.map(fileTile)) : null],
    h(
      "footer",
      {},
      message.edited && !message.deleted ? h("span", {}, t("edited")) : null,
      h("time", {}, clock(message.time)),
      message.sending ? h("span", { class: "spinner", role: "img", "aria-label": t("sending"), title: t("sending") }) : null,
      delivered ? h("span", { class: "tick", title: t("statusDelivered") }, "✓") : null,
    ),
    tools,
  );
}

function makeComposer(shell, id, reload) {
  const { t } = shell;
  const area = h("textarea", { rows: 1, placeholder: t("messagePlace"), "aria-label": t("messagePlace"), testid: "chat-textarea" });
  const fit = autogrow(area);
  const picker = h("input", { type: "file", multiple: true, hidden: true, testid: "chat-file", onchange: () => add(picker.files) });
  const waiting = h("div", { class: "waiting-files" });
  const editing = h("div", { class: "editing", hidden: true });
  const send = h("button", { class: "primary round", testid: "chat-send", title: t("send"), "aria-label": t("send"), onclick: submit }, icon("send"));
  let files = [];
  let edited = null;
  let busy = false;

  function add(list) {
    files.push(...list);
    picker.value = "";
    paintFiles();
    area.focus();
  }

  function paintFiles() {
    fill(
      waiting,
      files.map((file, index) =>
        h("span", { class: "chip" }, file.name, " ", h("small", {}, bytes(file.size)), h("button", { class: "ghost", title: t("dropFile"), "aria-label": t("dropFile"), onclick: () => drop(index) }, icon("close", 13))),
      ),
    );
  }

  function drop(index) {
    files.splice(index, 1);
    paintFiles();
  }

  function stopEditing() {
    edited = null;
    editing.hidden = true;
    area.value = "";
    fit();
  }

  function edit(message) {
    edited = message.id;
    fill(editing, icon("edit", 15), h("span", {}, t("editing")), h("button", { class: "link", onclick: stopEditing }, t("cancel")));
    editing.hidden = false;
    area.value = message.text || "";
    fit();
    area.focus();
  }

  async function write(text) {
    if (edited !== null) return post(query(`/~/chats/${id}/messages/${edited}/edit`, { user: shell.user }), { text });
    const ids = [];
    for (const file of files) ids.push(await upload(query("/~/upload", { name: file.name, type: file.type || "application/octet-stream" }), file));
    return post(query(`/~/chats/${id}/messages`, { user: shell.user }), { text, files: ids });
  }

  async function submit() {
    const text = area.value.trim();
    if (busy || (!text && (!files.length || edited !== null))) return;
    busy = true;
    send.disabled = true;
    const done = await shell.attempt(() => write(text));
    busy = false;
    send.disabled = false;
    if (!done) return;
    files = [];
    paintFiles();
    stopEditing();
    reload();
    area.focus();
  }

  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && edited !== null) {
      event.stopPropagation();
      stopEditing();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "b") {
      event.preventDefault();
      wrapSelection(area, "b");
    }
  });
  area.addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      add(event.clipboardData.files);
    }
  });
  const el = h(
    "div",
    { class: "composer", ondragover: (event) => event.preventDefault(), ondrop: (event) => dropped(event) },
    editing,
    waiting,
    h(
      "div",
      { class: "composer-row" },
      h("button", { class: "ghost", testid: "chat-attach", title: t("attach"), "aria-label": t("attach"), onclick: () => picker.click() }, icon("clip", 20)),
      h("button", { class: "ghost bold", testid: "chat-bold", title: `${t("bold")} (Ctrl+B)`, "aria-label": t("bold"), onmousedown: (event) => event.preventDefault(), onclick: () => wrapSelection(area, "b") }, "B"),
      area,
      picker,
      send,
    ),
  );

  function dropped(event) {
    event.preventDefault();
    if (event.dataTransfer && event.dataTransfer.files.length) add(event.dataTransfer.files);
  }

  return { el, edit, focus: () => matchMedia("(min-width: 900px)").matches && area.focus() };
}
