// Contact Center: the application's tile (install, open, uninstall) and one tile per connector with its slider.
import { h, fill, icon } from "./dom.js";
import { post, query } from "./api.js";
import { openFrame, note } from "./frame.js";
import { openSlider } from "./slider.js";

export function contactCenter(box, shell) {
  const { t } = shell;
  let shape = "";
  function update(state) {
    const next = JSON.stringify([state.app, state.connectors, state.lines, state.me]);
    if (next === shape) return;
    shape = next;
    fill(
      box,
      h("h1", {}, t("contactCenter")),
      h("h2", {}, t("marketApps")),
      h("div", { class: "tiles" }, appTile(shell, state)),
      h("h2", {}, t("messengers")),
      state.connectors.length ? h("div", { class: "tiles" }, state.connectors.map((one) => connectorTile(shell, state, one))) : note(t("noConnectors"), ""),
    );
  }
  update(shell.state);
  return { update, destroy() {} };
}

function appTile(shell, state) {
  const { t } = shell;
  const { app, me } = state;
  const title = app.title || "ChatApp";
  const actions = [];
  if (!app.installed) {
    if (me.admin) {
      actions.push(h("button", { class: "primary", testid: "install-app", onclick: () => install(shell) }, t(app.added ? "continueInstall" : "installApp")));
    } else {
      actions.push(h("span", { class: "muted" }, t(app.added ? "notInstalled" : "adminOnly")));
    }
  } else {
    actions.push(h("a", { class: "button", testid: "open-app", href: "#/app" }, t("open")));
    if (me.admin) actions.push(h("button", { class: "link", testid: "uninstall-app", onclick: () => uninstall(shell, title) }, t("uninstall")));
  }
  return h(
    "article",
    { class: "tile app-tile", testid: "app-tile" },
    h("span", { class: "tile-icon", style: { background: "#1d5c6b" } }, icon("hub", 26)),
    h("div", { class: "tile-words" }, h("b", {}, title), h("span", { class: "muted" }, t("marketHint"))),
    app.installed ? h("span", { class: "state ok", testid: "app-installed" }, t("installed")) : null,
    h("div", { class: "tile-actions" }, actions),
  );
}

async function install(shell) {
  const { t } = shell;
  if (!shell.state.app.added && !(await shell.attempt(() => post(query("/~/app/add", { user: shell.user }), {})))) return;
  let frame = null;
  const slider = openSlider({ title: t("installTitle"), closeText: t("close"), testid: "install-slider", onClose: () => frame && frame.destroy() });
  frame = openFrame(slider.body, shell, {
    placement: "DEFAULT",
    kind: "slider",
    options: { IFRAME: "Y", IFRAME_TYPE: "SIDE_SLIDER" },
    hooks: { installed: shell.installed, close: slider.close, title: slider.setTitle },
  });
}

function uninstall(shell, title) {
  const { t } = shell;
  const clean = h("input", { type: "checkbox", testid: "uninstall-clean" });
  const slider = openSlider({ title: `${t("uninstall")}: ${title}`, closeText: t("close"), width: 440 });
  const go = async () => {
    const done = await shell.attempt(() => post(query("/~/app/uninstall", { user: shell.user }), { clean: clean.checked }));
    if (done) slider.close();
  };
  slider.body.append(
    h(
      "div",
      { class: "pad column" },
      h("p", {}, t("uninstallSure")),
      h("label", { class: "check" }, clean, t("uninstallClean")),
      h("div", { class: "buttons" }, h("button", { class: "danger", testid: "uninstall-confirm", onclick: go }, t("uninstall")), h("button", { onclick: () => slider.close() }, t("cancel"))),
    ),
  );
}

/** The line's row about this connector, or one of a line that it was never connected to. */
function statusOn(line, connector) {
  return (line.connectors || []).find((one) => one.id === connector.id) || { id: connector.id };
}

function judge(status) {
  if (status.error) return "error";
  if (status.active && status.configured) return "ok";
  return status.active ? "waiting" : "off";
}

const WORDS = { error: "connectorError", ok: "connected", waiting: "waitingSetup", off: "notConnected" };

function connectorTile(shell, state, connector) {
  const found = state.lines.map((line) => judge(statusOn(line, connector)));
  const best = ["error", "ok", "waiting"].find((one) => found.includes(one)) || "off";
  return h(
    "button",
    { class: `tile connector-tile ${best}`, testid: `connector-${connector.id}`, onclick: () => openConnector(shell, connector) },
    connectorIcon(connector),
    h("span", { class: "tile-words" }, h("b", {}, connector.name)),
    h("span", { class: `state ${best}` }, shell.t(WORDS[best])),
  );
}

/** `icon` may be an address, or the object that a connector was registered with. */
function connectorIcon(connector) {
  const given = connector.icon;
  const image = typeof given === "string" ? given : given && (given.DATA_IMAGE || given.data_image || given.image);
  const back = connector.color || (given && (given.COLOR || given.color)) || "#5b7083";
  const box = h("span", { class: "tile-icon", style: { background: back } });
  if (image && /^(data:image\/|https?:\/\/)/.test(image)) box.append(h("img", { src: image, alt: "", width: 28, height: 28 }));
  else box.append(icon("chats", 26));
  return box;
}

function openConnector(shell, connector) {
  const { t } = shell;
  let frame = null;
  let shownLine = null;
  const head = h("div", { class: "connector-head" });
  const controls = h("div", { class: "connector-controls" });
  const holder = h("div", { class: "frame-box" });
  const slider = openSlider({
    title: connector.name,
    closeText: t("close"),
    testid: "connector-slider",
    onClose: () => {
      clearInterval(timer);
      if (frame) frame.destroy();
    },
  });
  slider.body.append(h("div", { class: "pad" }, head, controls, holder));

  const lineName = (line) => line.name || `${t("openLine")} ${line.id}`;
  const select = h("select", { testid: "line-select", "aria-label": t("openLine"), onchange: () => (select.value === "new" ? askName() : showLine()) });
  const connect = h("button", { class: "primary", testid: "connect-button", onclick: connectLine }, t("connect"));
  const disconnect = h("button", { class: "link", testid: "disconnect-button", onclick: disconnectLine }, t("disconnect"));
  const status = h("span", { class: "state", testid: "connector-status" });
  const name = h("input", { type: "text", testid: "line-name", placeholder: t("newLineName"), maxlength: 100 });
  const create = h("form", { class: "inline-form", hidden: true, onsubmit: createLine }, name, h("button", { class: "primary", testid: "line-create", type: "submit" }, t("create")));
  fill(head, connectorIcon(connector), h("p", { class: "muted" }, t("connectHint")));
  fill(controls, h("label", { class: "field" }, t("openLine"), select), connect, status, disconnect, create);

  function chosen() {
    return shell.state.lines.find((line) => String(line.id) === select.value);
  }

  function listLines(wanted) {
    const lines = shell.state.lines;
    const keep = wanted ?? select.value;
    fill(select, lines.map((line) => h("option", { value: String(line.id) }, lineName(line))), h("option", { value: "new", testid: "line-new" }, `+ ${t("newLine")}`));
    const preferred = lines.find((line) => String(line.id) === String(keep)) || lines.find((line) => statusOn(line, connector).active) || lines[0];
    select.value = preferred ? String(preferred.id) : "new";
    if (!preferred) askName();
  }

  function askName() {
    create.hidden = false;
    name.value = name.value || `${t("openLine")} ${shell.state.lines.length + 1}`;
    name.focus();
    drop();
    paint();
  }

  async function createLine(event) {
    event.preventDefault();
    if (!name.value.trim()) return;
    const made = await shell.attempt(() => post(query("/~/lines", { user: shell.user }), { name: name.value.trim() }));
    if (!made) return;
    const id = made.id ?? shell.state.lines[shell.state.lines.length - 1]?.id;
    name.value = "";
    listLines(String(id));
    showLine();
  }

  async function connectLine() {
    const line = chosen();
    if (!line) return;
    connect.disabled = true;
    await shell.attempt(() => post(query(`/~/lines/${line.id}/connectors/${connector.id}/connect`, { user: shell.user }), {}));
    connect.disabled = false;
    showLine();
  }

  async function disconnectLine() {
    const line = chosen();
    if (!line) return;
    await shell.attempt(() => post(query(`/~/lines/${line.id}/connectors/${connector.id}/disconnect`, { user: shell.user }), {}));
    showLine();
  }

  function drop() {
    if (frame) frame.destroy();
    frame = null;
    shownLine = null;
  }

  /** Nothing of the app is shown before Connect. */
  function showLine() {
    const line = chosen();
    create.hidden = Boolean(line);
    paint();
    if (!line || !statusOn(line, connector).active) {
      drop();
      return;
    }
    if (shownLine === line.id) return;
    drop();
    shownLine = line.id;
    frame = openFrame(holder, shell, {
      placement: "SETTING_CONNECTOR",
      height: 420,
      options: { CONNECTOR: connector.id, LINE: String(line.id) },
      hooks: { installed: shell.installed },
    });
  }

  function paint() {
    const line = chosen();
    const word = line ? judge(statusOn(line, connector)) : "off";
    connect.hidden = !line || Boolean(statusOn(line, connector).active);
    disconnect.hidden = !line || !connect.hidden;
    status.hidden = !line;
    status.className = `state ${word}`;
    status.textContent = t(WORDS[word]);
  }

  // The app changes the connector's state from inside its frame; the head follows without touching the frame.
  const timer = setInterval(() => {
    paint();
    const line = chosen();
    if (line && shownLine === line.id && !statusOn(line, connector).active) showLine();
  }, 700);
  listLines();
  showLine();
}
