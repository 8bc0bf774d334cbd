// CRM: a board of deals by stage, lists of the other cards, and the card with the app's tabs.
import { h, fill, icon, dayAndClock } from "./dom.js";
import { post, query } from "./api.js";
import { bbcode } from "./bbcode.js";
import { openFrame, note } from "./frame.js";
import { openSlider } from "./slider.js";

const TYPES = [
  ["deal", "deals"],
  ["lead", "leads"],
  ["contact", "contacts"],
  ["company", "companies"],
];

export function crm(box, shell, params) {
  let open = null;
  function go([type, id]) {
    if (open) open.destroy();
    box.replaceChildren();
    open = id ? card(box, shell, type, id) : lists(box, shell, type || "deal");
  }
  go(params);
  return { go, update: (state) => open.update(state), destroy: () => open.destroy() };
}

function lists(box, shell, type) {
  const { t } = shell;
  const body = h("div", { class: "crm-body" });
  box.append(
    h("div", { class: "view-head" }, h("h1", {}, t("crm")), h("button", { class: "primary", testid: "card-new", onclick: () => newCard(shell, type) }, icon("plus", 16), t("newCard"))),
    h("div", { class: "tabs", role: "tablist" }, TYPES.map(([key, text]) => h("a", { class: key === type ? "tab on" : "tab", href: `#/crm/${key}`, testid: `crm-${key}` }, t(text)))),
    body,
  );
  let shape = "";
  function update(state) {
    const cards = state.cards.filter((one) => one.type === type);
    const next = JSON.stringify([cards, state.stages]);
    if (next === shape) return;
    shape = next;
    fill(body, type === "deal" ? board(shell, state, cards) : cards.length ? h("div", { class: "card-list" }, cards.map((one) => cardTile(shell, one))) : note(t("noCards"), ""));
  }
  update(shell.state);
  return { update, destroy() {} };
}

function board(shell, state, cards) {
  return h(
    "div",
    { class: "board", testid: "deal-board" },
    state.stages.map((stage) => {
      const column = h(
        "section",
        { class: "column-stage", testid: `column-${stage.id}` },
        h("h3", {}, stage.name, h("span", { class: "muted" }, String(cards.filter((one) => one.stage === stage.id).length))),
        cards.filter((one) => one.stage === stage.id).map((one) => cardTile(shell, one, nextOf(state.stages, stage))),
      );
      column.addEventListener("dragover", (event) => event.preventDefault());
      column.addEventListener("drop", (event) => {
        event.preventDefault();
        const id = event.dataTransfer.getData("text/plain");
        if (/^\d+$/.test(id)) move(shell, "deal", id, stage.id);
      });
      return column;
    }),
  );
}

function nextOf(stages, stage) {
  return stages[stages.findIndex((one) => one.id === stage.id) + 1];
}

function move(shell, type, id, stage) {
  return shell.attempt(() => post(query(`/~/cards/${type}/${id}/stage`, { user: shell.user }), { stage }));
}

function cardTile(shell, one, next) {
  const { t } = shell;
  const tile = h(
    "article",
    { class: "card-tile", draggable: Boolean(one.stage), testid: `card-${one.type}-${one.id}` },
    h("a", { href: `#/crm/${one.type}/${one.id}` }, one.title || `${t(one.type)} ${one.id}`),
    (one.phones || []).slice(0, 1).map((phone) => h("span", { class: "muted" }, phone)),
    next ? h("button", { class: "ghost next-stage", title: `${t("nextStage")}: ${next.name}`, "aria-label": `${t("nextStage")}: ${next.name}`, testid: `next-${one.id}`, onclick: () => move(shell, one.type, one.id, next.id) }, "→") : null,
  );
  tile.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", String(one.id)));
  return tile;
}

function newCard(shell, type) {
  const { t } = shell;
  const inputs = {};
  const field = (key, hint) => {
    inputs[key] = h("input", { type: "text", testid: `card-${key}`, placeholder: hint ? t(hint) : "", maxlength: 300 });
    return h("label", { class: "field" }, t(key === "title" ? "cardTitle" : key), inputs[key]);
  };
  const many = (key) => inputs[key].value.split(",").map((part) => part.trim()).filter(Boolean);
  async function save(event) {
    event.preventDefault();
    const title = inputs.title.value.trim();
    if (!title) return inputs.title.focus();
    const made = await shell.attempt(() => post(query("/~/cards", { user: shell.user }), { type, title, phones: many("phones"), emails: many("emails"), ims: many("ims") }));
    if (!made) return undefined;
    slider.close();
    if (made.id) location.hash = `#/crm/${type}/${made.id}`;
    return undefined;
  }
  const slider = openSlider({ title: `${t("newCard")}: ${t(type)}`, closeText: t("close"), width: 440 });
  slider.body.append(
    h("form", { class: "pad column", onsubmit: save }, field("title"), field("phones", "severalHint"), field("emails", "severalHint"), field("ims", "severalHint"), h("div", { class: "buttons" }, h("button", { class: "primary", type: "submit", testid: "card-create" }, t("create")))),
  );
  inputs.title.focus();
}

function card(box, shell, type, id) {
  const { t } = shell;
  const head = h("div", { class: "card-head" });
  const tabs = h("div", { class: "tabs", role: "tablist" });
  const panes = h("div", { class: "panes" });
  const general = h("div", { class: "card-general" });
  /** Tab key → {pane, frame}. A tab's frame is opened at the first look and stays while the card is open, as in the portal. */
  const opened = new Map([["general", { pane: general, frame: null }]]);
  let active = "general";
  let shape = "";
  let tabShape = "";
  box.append(head, tabs, panes);
  panes.append(general);

  function find(state) {
    return state.cards.find((one) => one.type === type && String(one.id) === id);
  }

  function placements(state) {
    return state.placements.filter((one) => one.placement === `CRM_${type.toUpperCase()}_DETAIL_TAB`);
  }

  function update(state) {
    const one = find(state);
    if (!one) {
      fill(head, note(t("noCard"), ""));
      fill(general);
      fill(tabs);
      return;
    }
    const chats = state.chats.filter((chat) => belongs(chat, one));
    const contacts = (one.contacts || []).map((known) => state.cards.find((other) => other.type === "contact" && other.id === known)).filter(Boolean);
    const texts = state.sms.filter((sms) => sms.type === type && String(sms.card) === id);
    const next = JSON.stringify([one, state.stages, chats, contacts, state.senders, texts]);
    if (next !== shape) {
      shape = next;
      paintHead(state, one);
      paintGeneral(one, chats, contacts);
      paintSms(state.senders, texts, [one, ...contacts].flatMap((known) => known.phones || []));
    }
    const list = placements(state);
    const nextTabs = JSON.stringify([list, active, state.app.installed]);
    if (nextTabs === tabShape) return;
    tabShape = nextTabs;
    paintTabs(state.app.installed ? list : []);
  }

  function paintHead(state, one) {
    fill(
      head,
      h("div", { class: "view-head" }, h("a", { class: "ghost", href: `#/crm/${type}`, "aria-label": t("back") }, icon("back")), h("div", {}, h("small", { class: "muted" }, `${t(type)} № ${id}`), h("h1", { testid: "card-title-text" }, one.title || `${t(type)} ${id}`))),
      type === "deal" ? stageBar(shell, state.stages, one) : null,
    );
  }

  function paintGeneral(one, chats, contacts) {
    const rows = [
      ["phones", one.phones],
      ["emails", one.emails],
      ["ims", one.ims],
    ].filter(([, values]) => values && values.length);
    fill(
      general,
      h(
        "section",
        { class: "panel" },
        rows.map(([key, values]) => h("div", { class: "fact" }, h("span", { class: "muted" }, t(key)), h("div", {}, values.map((value) => h("div", {}, value))))),
        contacts.length ? h("div", { class: "fact" }, h("span", { class: "muted" }, t(contacts.length > 1 ? "contacts" : "contact")), contacts.map(contactLine)) : null,
        rows.length || contacts.length ? null : h("p", { class: "muted" }, t("noCards")),
        chats.length
          ? h("div", { class: "fact" }, h("span", { class: "muted" }, t("chatsOfCard")), h("div", {}, chats.map((chat) => h("div", {}, h("a", { href: `#/chats/${chat.id}`, testid: `card-chat-${chat.id}` }, chat.title)))))
          : null,
      ),
      h(
        "section",
        { class: "panel" },
        h("h3", {}, t("timeline")),
        (one.comments || []).length
          ? [...one.comments].reverse().map((comment) => h("article", { class: "comment", testid: "card-comment" }, h("div", {}, bbcode(comment.text)), h("time", {}, dayAndClock(comment.time))))
          : h("p", { class: "muted" }, t("noComments")),
      ),
    );
  }

  // What was typed stays while the list of texts grows.
  const draft = h("textarea", { rows: 2, testid: "sms-text", maxlength: 2000, "aria-label": "SMS" });

  function paintSms(senders, texts, phones) {
    if (!senders.length || !phones.length) return;
    const sender = h("select", { testid: "sms-sender", "aria-label": t("smsProvider") }, senders.map((one) => h("option", { value: one.code }, one.name)));
    async function send(event) {
      event.preventDefault();
      const text = draft.value.trim();
      if (!text) return draft.focus();
      const sent = await shell.attempt(() => post(query("/~/sms", { user: shell.user }), { sender: sender.value, type, id: Number(id), to: phones[0], text }));
      if (sent) draft.value = "";
      return undefined;
    }
    general.append(
      h(
        "section",
        { class: "panel" },
        h("h3", {}, "SMS"),
        h("form", { class: "column", onsubmit: send }, sender, h("span", { class: "muted" }, phones[0]), draft, h("div", { class: "buttons" }, h("button", { class: "primary", type: "submit", testid: "sms-send" }, t("send")))),
        [...texts].reverse().map((sms) => h("article", { class: "comment", testid: "sms" }, h("div", {}, sms.text), h("span", { class: "muted", testid: "sms-status" }, `${sms.to} · ${t(`sms_${sms.status}`)}`))),
      ),
    );
  }

  function contactLine(one) {
    return h("div", {}, h("a", { href: `#/crm/contact/${one.id}` }, one.title), (one.phones || []).map((phone) => h("div", { class: "muted" }, phone)));
  }

  function paintTabs(list) {
    // Two handlers may be bound to one placement; the order of binding tells them apart.
    const all = [{ key: "general", title: t("general") }, ...list.map((one, index) => ({ key: `${one.placement}.${one.id ?? index}`, title: one.title || shell.state.app.title, placement: one.placement, binding: one.id }))];
    for (const [key, entry] of opened) {
      if (all.some((one) => one.key === key)) continue;
      if (entry.frame) entry.frame.destroy();
      entry.pane.remove();
      opened.delete(key);
    }
    if (!all.some((one) => one.key === active)) show(all[0]);
    fill(
      tabs,
      all.map((one) => h("button", { class: one.key === active ? "tab on" : "tab", role: "tab", "aria-selected": String(one.key === active), testid: one.key === "general" ? "tab-general" : `tab-${one.placement}`, onclick: () => choose(one) }, one.title)),
    );
  }

  function choose(tab) {
    show(tab);
    tabShape = "";
    update(shell.state);
  }

  function show(tab) {
    active = tab.key;
    if (!opened.has(tab.key)) {
      const pane = h("div", { class: "frame-box" });
      panes.append(pane);
      const frame = openFrame(pane, shell, { placement: tab.placement, binding: tab.binding, height: 560, options: { ID: id }, hooks: { installed: shell.installed } });
      opened.set(tab.key, { pane, frame });
    }
    for (const [key, entry] of opened) entry.pane.hidden = key !== active;
  }

  update(shell.state);
  return {
    update,
    destroy() {
      for (const entry of opened.values()) if (entry.frame) entry.frame.destroy();
    },
  };
}

function belongs(chat, one) {
  return (chat.crm || []).some((card) => card.type === one.type && card.id === one.id);
}

function stageBar(shell, stages, one) {
  const at = stages.findIndex((stage) => stage.id === one.stage);
  return h(
    "div",
    { class: "stages", role: "group", "aria-label": shell.t("stage") },
    stages.map((stage, index) =>
      h("button", { class: index === at ? "stage now" : index < at ? "stage past" : "stage", testid: `stage-${stage.id}`, "aria-pressed": String(index === at), onclick: () => move(shell, one.type, one.id, stage.id) }, stage.name),
    ),
  );
}
