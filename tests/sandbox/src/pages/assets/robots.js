// Automation: which robots of the app stand on which deal stage, their settings, and what their runs answered.
import { h, fill, icon, newestFirst } from "./dom.js";
import { post, query } from "./api.js";
import { openFrame, note } from "./frame.js";
import { openSlider } from "./slider.js";

/** Fields that the portal's picker offers in a deal's robot: its words in Russian and English, the code that is saved. */
const FIELDS = [
  ["Контакт: Телефон (текст)", "Contact: Phone (text)", "CONTACT.PHONE_PRINTABLE"],
  ["Контакт: Имя", "Contact: First name", "CONTACT.NAME"],
  ["Контакт: Фамилия", "Contact: Last name", "CONTACT.LAST_NAME"],
  ["Контакт: E-mail (текст)", "Contact: E-mail (text)", "CONTACT.EMAIL_PRINTABLE"],
  ["Контакт: Мессенджер (текст)", "Contact: Messenger (text)", "CONTACT.IM_PRINTABLE"],
  ["Компания: Название", "Company: Name", "COMPANY.TITLE"],
  ["Компания: Телефон (текст)", "Company: Phone (text)", "COMPANY.PHONE_PRINTABLE"],
  ["Название", "Name", "TITLE"],
  ["ID", "ID", "ID"],
];

export function robots(box, shell) {
  const { t } = shell;
  let shape = "";
  function update(state) {
    const next = JSON.stringify([state.robots, state.placed, state.workflows, state.stages, state.me]);
    if (next === shape) return;
    shape = next;
    fill(
      box,
      h("h1", {}, t("robots")),
      state.robots.length ? null : note(t("noRobots"), ""),
      h("h2", {}, t("placedRobots")),
      h("div", { class: "board" }, state.stages.map((stage) => stageColumn(shell, state, stage))),
      h("h2", {}, t("runs")),
      runs(shell, state),
    );
  }
  update(shell.state);
  return { update, destroy() {} };
}

function stageColumn(shell, state, stage) {
  const { t } = shell;
  const here = state.placed.filter((one) => one.stage === stage.id);
  return h(
    "section",
    { class: "column-stage", testid: `robots-${stage.id}` },
    h("h3", {}, stage.name),
    here.map((one) => {
      const robot = state.robots.find((known) => known.code === one.code);
      return h(
        "article",
        { class: one.dead ? "card-tile dead" : "card-tile", testid: `placed-${one.code}` },
        h("b", {}, robot ? nameOf(robot, shell) : one.code),
        one.dead ? h("span", { class: "state error" }, t("robotGone")) : summary(one.properties),
        h("button", { class: "ghost next-stage", testid: `robot-remove-${one.id}`, title: t("remove"), "aria-label": t("remove"), onclick: () => shell.attempt(() => post(query(`/~/robots/placed/${one.id}/remove`, { user: shell.user }), {})) }, icon("bin", 14)),
      );
    }),
    here.length ? null : h("p", { class: "muted" }, t("noPlaced")),
    state.robots.length ? h("button", { class: "small", testid: `robot-add-${stage.id}`, onclick: () => choose(shell, stage) }, icon("plus", 14), t("addRobot")) : null,
  );
}

function summary(properties) {
  const words = Object.values(properties || {}).flat().filter((value) => value !== "" && value !== null && value !== undefined).map(String);
  return words.length ? h("span", { class: "muted clip" }, words.join(" · ")) : null;
}

function nameOf(robot, shell) {
  return localized(robot.name, shell.lang) || robot.code;
}

/** A text, or a map of languages. */
function localized(value, lang) {
  if (value && typeof value === "object") return String(value[lang] ?? value[lang.toUpperCase()] ?? value.en ?? Object.values(value)[0] ?? "");
  return value === undefined || value === null ? "" : String(value);
}

function runs(shell, state) {
  const { t } = shell;
  if (!state.workflows.length) return note(t("noRuns"), "");
  return h(
    "div",
    { class: "panel table-box" },
    h(
      "table",
      { testid: "runs" },
      h("thead", {}, h("tr", {}, [t("robot"), t("cardColumn"), t("state"), t("answer")].map((word) => h("th", {}, word)))),
      h(
        "tbody",
        {},
        newestFirst(state.workflows).map((run) => {
          const robot = state.robots.find((one) => one.code === run.code);
          return h("tr", { testid: `run-${run.code}`, "data-state": run.state }, h("td", {}, robot ? nameOf(robot, shell) : run.code), h("td", {}, cardLink(shell, run.card)), h("td", {}, stateWord(t, run.state)), h("td", {}, answerOf(run)));
        }),
      ),
    ),
  );
}

function cardLink(shell, card) {
  if (!card) return null;
  const found = shell.state.cards.find((one) => one.type === card.type && one.id === card.id);
  return h("a", { href: `#/crm/${card.type}/${card.id}` }, found ? found.title : `${shell.t(card.type)} ${card.id}`);
}

function stateWord(t, state) {
  const text = String(state || "").toLowerCase();
  if (/wait|run/.test(text)) return h("span", { class: "state waiting" }, t("stateWaiting"));
  if (/fail|error/.test(text)) return h("span", { class: "state error" }, t("stateFailed"));
  if (/terminat|stop/.test(text)) return h("span", { class: "state off" }, t("stateStopped"));
  if (/done|complet|clos|finish/.test(text)) return h("span", { class: "state ok" }, t("stateDone"));
  return h("span", { class: "state off" }, String(state));
}

function answerOf(run) {
  const out = [];
  const returned = run.returned || {};
  for (const [key, value] of Object.entries(returned)) out.push(h("div", {}, h("code", {}, key), " ", typeof value === "object" ? JSON.stringify(value) : String(value)));
  const log = Array.isArray(run.log) ? run.log : run.log ? [run.log] : [];
  for (const line of log) out.push(h("div", { class: "muted" }, typeof line === "object" ? line.text || JSON.stringify(line) : String(line)));
  return out;
}

function choose(shell, stage) {
  const { t } = shell;
  const slider = openSlider({ title: `${t("chooseRobot")} · ${stage.name}`, closeText: t("close"), width: 520 });
  slider.body.append(
    h(
      "div",
      { class: "pad column" },
      shell.state.robots.map((robot) =>
        h("button", { class: "row-button", testid: `robot-${robot.code}`, onclick: () => (slider.close(), settings(shell, stage, robot)) }, h("b", {}, `[${shell.state.app.title || "ChatApp"}] ${nameOf(robot, shell)}`), robot.use_subscription === true || robot.use_subscription === "Y" ? h("span", { class: "muted" }, t("waits")) : null),
      ),
    ),
  );
}

function read(descriptor, key) {
  const found = Object.keys(descriptor || {}).find((name) => name.toLowerCase() === key);
  return found === undefined ? undefined : descriptor[found];
}

const truthy = (value) => value === true || value === "Y" || value === 1 || value === "1" || value === "true";

function settings(shell, stage, robot) {
  const { t } = shell;
  const values = {};
  let frame = null;
  const slider = openSlider({ title: nameOf(robot, shell), closeText: t("close"), width: 560, testid: "robot-slider", onClose: () => frame && frame.destroy() });
  const problem = h("p", { class: "problem", hidden: true });
  const form = h("form", { class: "pad column", onsubmit: save });
  for (const [code, descriptor] of Object.entries(robot.properties || {})) {
    const standard = read(descriptor, "default");
    values[code] = standard === undefined || standard === null ? "" : standard;
  }
  const usesFrame = Boolean(robot.use_placement);
  const holder = h("div", { class: "frame-box" });
  if (usesFrame) form.append(holder);
  else for (const [code, descriptor] of Object.entries(robot.properties || {})) form.append(field(shell, code, descriptor, values));
  form.append(problem, h("div", { class: "buttons" }, h("button", { class: "primary", type: "submit", testid: "robot-save" }, t("save")), h("button", { type: "button", onclick: () => slider.close() }, t("cancel"))));
  slider.body.append(form);
  if (usesFrame) frame = settingsFrame(shell, robot, values, holder);

  async function save(event) {
    event.preventDefault();
    const empty = Object.entries(robot.properties || {}).find(([code, one]) => truthy(read(one, "required")) && isEmpty(values[code]));
    problem.hidden = !empty;
    if (empty) {
      problem.textContent = `${t("required")}: ${localized(read(empty[1], "name"), shell.lang) || empty[0]}`;
      return;
    }
    const done = await shell.attempt(() => post(query("/~/robots/place", { user: shell.user }), { stage: stage.id, code: robot.code, properties: values }));
    if (done) slider.close();
  }
}

const isEmpty = (value) => value === "" || value === null || value === undefined || (Array.isArray(value) && value.length === 0);

/** The app's own settings page instead of native fields: 350 px, answers through setPropertyValue, and never called back. */
function settingsFrame(shell, robot, values, holder) {
  return openFrame(holder, shell, {
    placement: "BIZPROC_ACTIVITY_PROPERTIES_DIALOG",
    height: 350,
    options: {
      code: robot.code,
      activity_name: `A${Date.now()}`,
      properties: robot.properties,
      current_values: values,
      document_type: ["crm", "CCrmDocumentDeal", "DEAL"],
      document_fields: Object.fromEntries(FIELDS.map(([ru, en, code]) => [code, { Name: shell.lang === "ru" ? ru : en, Type: "string" }])),
      template: { parameters: [], variables: [], constants: [] },
    },
    hooks: {
      setPropertyValue(given) {
        for (const [code, value] of Object.entries(given || {})) {
          const own = Object.keys(values).find((key) => key.toLowerCase() === code.toLowerCase());
          if (own !== undefined) values[own] = value;
        }
      },
    },
  });
}

function field(shell, code, descriptor, values) {
  const { t, lang } = shell;
  const type = String(read(descriptor, "type") || "string").toLowerCase();
  const label = localized(read(descriptor, "name"), lang) || code;
  const hint = localized(read(descriptor, "description"), lang);
  const needed = truthy(read(descriptor, "required"));
  const caption = h("span", { class: "caption" }, label, needed ? h("i", { class: "needed" }, " *") : null);
  const testid = `property-${code}`;
  if (type === "select" || type === "bool") {
    const options = type === "bool" ? [["Y", t("yes")], ["N", t("no")]] : pairs(read(descriptor, "options"));
    const first = type === "bool" && !isEmpty(values[code]) ? (truthy(values[code]) ? "Y" : "N") : String(values[code] ?? "");
    values[code] = first;
    const select = h(
      "select",
      { testid, onchange: () => (values[code] = select.value) },
      h("option", { value: "" }, `— ${t("notChosen")} —`),
      options.map(([value, text]) => h("option", { value, selected: value === first }, text)),
    );
    return h("label", { class: "field" }, caption, select);
  }
  const area = type === "text";
  const control = h(area ? "textarea" : "input", { testid, placeholder: hint, value: String(values[code] ?? ""), rows: area ? 4 : undefined, type: area ? undefined : "text", oninput: () => (values[code] = control.value) });
  control.value = String(values[code] ?? "");
  return h("div", { class: "field" }, h("label", {}, caption, control), fieldPicker(shell, control, testid));
}

function pairs(options) {
  if (Array.isArray(options)) return options.map((text, index) => [String(index), String(text)]);
  return Object.entries(options || {}).map(([value, text]) => [value, localized(text, "en")]);
}

function fieldOption(words) {
  return h("option", { value: `{{${words}}}` }, words);
}

function fieldPicker(shell, control, testid) {
  const { t, lang } = shell;
  const select = h("select", { class: "picker", "aria-label": t("field"), testid: `${testid}-field`, onchange: () => insert() }, h("option", { value: "" }, `… ${t("field")}`), FIELDS.map((words) => fieldOption(words[lang === "ru" ? 0 : 1])));
  function insert() {
    if (!select.value) return;
    control.setRangeText(select.value, control.selectionStart, control.selectionEnd, "end");
    control.dispatchEvent(new Event("input"));
    select.value = "";
    control.focus();
  }
  return select;
}
