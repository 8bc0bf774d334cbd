// Troubles: what the make-believe portal suffers from, switched by a person who wants to see how the application bears it.
import { h, fill } from "./dom.js";
import { post } from "./api.js";

/** What a portal can suffer from, one at a time: the word of texts.js, and the shares of calls that meet each fault. */
const SUFFERS = [
  ["troubleNone", []],
  ["troubleStorm", [{ share: 30, fault: "query_limit" }, { share: 5, fault: "later", ms: 3000 }, { share: 5, fault: "later" }, { share: 5, fault: "cuts" }]],
  ["troubleHtml", [{ share: 100, fault: "html" }]],
  ["troubleEmpty", [{ share: 100, fault: "empty" }]],
  ["troubleSlow", [{ share: 100, fault: "slow", ms: 10000 }]],
  ["troubleHole", [{ share: 100, fault: "hangs", ms: 600000 }]],
];
/** The documentation's own example of what a message costs. */
const BILL = { call_ms: 0, element_ms: 1200 };

export function trouble(box, shell) {
  const { t } = shell;
  let shape = "";
  const wish = (body) => shell.attempt(() => post("/~/trouble", body));
  const toggle = (testid, text, on, body) => h("label", { class: "check" }, h("input", { type: "checkbox", testid, checked: on, onchange: (event) => wish(body(event.target.checked)) }), h("span", {}, text));
  const once = (testid, text, body) => h("button", { class: "small", testid, onclick: async () => (await wish(body)) && shell.toast(t("troubleDone")) }, text);

  async function rename() {
    const moved = await wish({ rename: true });
    if (moved && moved.origin) location.href = `${moved.origin}/${location.search}${location.hash}`;
  }

  function update(state) {
    const next = JSON.stringify([state.trouble, shell.lang]);
    if (next === shape) return;
    shape = next;
    const now = state.trouble || { suffers: [] };
    const shares = (list) => JSON.stringify(list.map((one) => [one.share, one.fault === "query_limit" ? "refuses" : one.fault]));
    const chosen = SUFFERS.findIndex(([, list]) => shares(list) === shares(now.suffers));
    fill(
      box,
      h("h1", {}, t("trouble")),
      h("p", { class: "muted" }, t("troubleHint")),
      h(
        "section",
        { class: "panel" },
        h(
          "label",
          {},
          h("span", {}, t("troubleSuffers")),
          h(
            "select",
            { testid: "trouble-suffers", onchange: (event) => wish({ suffers: SUFFERS[Number(event.target.value)][1] }) },
            SUFFERS.map(([word], at) => h("option", { value: String(at), selected: at === Math.max(0, chosen) }, t(word))),
          ),
        ),
        toggle("trouble-rate", t("troubleRate"), now.limits_rate, (on) => ({ limits_rate: on })),
        toggle("trouble-bill", t("troubleBill"), Boolean(now.bills), (on) => ({ bills: on ? BILL : null })),
      ),
      h(
        "section",
        { class: "panel row" },
        once("trouble-tokens", t("troubleTokens"), { expire_tokens: true }),
        once("trouble-refresh", t("troubleRefresh"), { lose_refreshes: 1 }),
        once("trouble-gone", t("troubleGone"), { gone_ms: 30000 }),
        h("button", { class: "small", testid: "trouble-rename", onclick: rename }, t("troubleRename")),
      ),
    );
  }
  update(shell.state);
  return { update, destroy() {} };
}
