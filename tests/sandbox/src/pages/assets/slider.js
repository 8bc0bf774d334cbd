// Panels that slide over the page from the right, one on another, and a small dialog.
import { h, icon } from "./dom.js";

const stack = [];

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && stack.length) stack[stack.length - 1].close();
});

/** Opens a panel. `onClose` runs once, however it is closed. Returns {body, setTitle, close}. */
export function openSlider({ title, closeText, width = 860, onClose, testid = "slider" }) {
  const heading = h("h2", {}, title);
  const body = h("div", { class: "slider-body" });
  const panel = h(
    "section",
    { class: "slider", role: "dialog", "aria-label": title, testid, style: { maxWidth: `${width}px` } },
    h("header", { class: "slider-head" }, heading, h("button", { class: "ghost", testid: "slider-close", title: closeText, "aria-label": closeText, onclick: () => close() }, icon("close"))),
    body,
  );
  const veil = h("div", { class: "veil", onclick: (event) => event.target === veil && close() }, panel);
  document.body.append(veil);
  requestAnimationFrame(() => veil.classList.add("open"));
  let closed = false;
  function close() {
    if (closed) return;
    closed = true;
    stack.splice(stack.indexOf(handle), 1);
    if (onClose) onClose();
    veil.remove();
  }
  const handle = { body, close, setTitle: (text) => (heading.textContent = text) };
  stack.push(handle);
  return handle;
}

export function closeAllSliders() {
  while (stack.length) stack[stack.length - 1].close();
}

/** Lets a person choose from `users`; answers a list, empty when dismissed. */
export function chooseUsers(users, many, t) {
  return new Promise((resolve) => {
    const chosen = new Set();
    const done = (list) => {
      resolve(list);
      slider.close();
    };
    const asResult = (user) => ({ id: String(user.id), name: user.name });
    const slider = openSlider({ title: t("selectUser"), closeText: t("close"), width: 380, onClose: () => resolve([]) });
    const list = users.map((user) =>
      many
        ? h("label", { class: "row-button" }, h("input", { type: "checkbox", onchange: (event) => (event.target.checked ? chosen.add(user) : chosen.delete(user)) }), user.name)
        : h("button", { class: "row-button", onclick: () => done([asResult(user)]) }, user.name),
    );
    slider.body.append(h("div", { class: "pad column" }, list, many ? h("button", { class: "primary", onclick: () => done([...chosen].map(asResult)) }, t("choose")) : null));
  });
}
