// Small helpers over the DOM. Everything that a person or a server typed enters the page as a text node, never as markup.

/** Makes an element. `props`: class, testid, style (object, through CSSOM because the page's CSP has no inline styles), on* handlers, attributes. */
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") el.className = value;
    else if (key === "testid") el.dataset.testid = value;
    else if (key === "style") Object.assign(el.style, value);
    else if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (key in el && typeof value !== "string") el[key] = value;
    else el.setAttribute(key, value === true ? "" : String(value));
  }
  append(el, children);
  return el;
}

export function append(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    el.append(child instanceof Node ? child : String(child));
  }
}

export function fill(el, ...children) {
  el.replaceChildren();
  append(el, children);
  return el;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  hub: "M4 5h16v11H9l-5 4z",
  chats: "M3 5h13v9H8l-5 4z M18 9h3v11l-4-3h-7v-1",
  crm: "M4 4h4v16H4z M10 4h4v11h-4z M16 4h4v7h-4z",
  robots: "M6 8h12v10H6z M12 8V4 M9 12v2 M15 12v2 M3 12v3 M21 12v3",
  app: "M4 4h7v7H4z M13 4h7v7h-7z M4 13h7v7H4z M16.5 13v7 M13 16.5h7",
  bell: "M6 17V11a6 6 0 0 1 12 0v6l2 1H4z M10 20h4",
  phone: "M7 3h10v18H7z M11 18h2",
  trouble: "M12 4l9 16H3z M12 10v5 M12 17.5v.5",
  clip: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.3 3.3 0 0 1 5 5l-8 8a1.6 1.6 0 0 1-2.4-2.4L15 7",
  send: "M4 12l16-8-5 16-4-7z",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12 M18 6L6 18",
  edit: "M5 19l1-4L16 5l3 3L9 18z",
  bin: "M5 7h14 M9 7V4h6v3 M7 7l1 13h8l1-13",
  file: "M6 3h8l4 4v14H6z M14 3v4h4",
  plus: "M12 5v14 M5 12h14",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z M15.5 15.5L20 20",
};

/** A line icon of our own drawing, 24 by 24. */
export function icon(name, size = 18) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] || "");
  svg.append(path);
  return svg;
}

/** Accepts what the API may call a moment: milliseconds, seconds, or an ISO text. */
export function moment(value) {
  if (value === undefined || value === null || value === "") return null;
  const number = Number(value);
  const date = Number.isFinite(number) ? new Date(number < 1e11 ? number * 1000 : number) : new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** By `time`, the latest before the others; equal times keep the later place first. */
export function newestFirst(list) {
  return [...list].reverse().sort((one, other) => Number(other.time || 0) - Number(one.time || 0));
}

export function clock(value) {
  const date = moment(value);
  return date ? date.toLocaleTimeString(document.documentElement.lang || "en", { hour: "2-digit", minute: "2-digit" }) : "";
}

export function dayAndClock(value) {
  const date = moment(value);
  return date
    ? date.toLocaleString(document.documentElement.lang || "en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
    : "";
}

export function bytes(size) {
  const number = Number(size);
  if (!Number.isFinite(number) || number <= 0) return "";
  if (number < 1024) return `${number} B`;
  if (number < 1024 * 1024) return `${Math.round(number / 1024)} KB`;
  return `${(number / 1048576).toFixed(1)} MB`;
}

/** Only what a browser may open without running it. */
export function safeUrl(value) {
  try {
    const url = new URL(String(value).trim(), location.href);
    return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

const HUES = ["#2f7d8c", "#8a5a9e", "#b5662f", "#4a7c4e", "#3f6fb0", "#a8506a", "#77743a"];

export function avatar(name, size) {
  const text = String(name || "?").trim() || "?";
  let sum = 0;
  for (const char of text) sum = (sum + char.codePointAt(0)) % 997;
  const words = text.match(/[\p{L}\p{N}]+/gu) || [text];
  const letters = words.slice(0, 2).map((word) => [...word][0]).join("").toUpperCase();
  return h("span", { class: size ? `avatar ${size}` : "avatar", style: { background: HUES[sum % HUES.length] }, "aria-hidden": "true" }, letters);
}

/** A picture shown in place or a tile to download. */
export function fileTile(file) {
  const url = safeUrl(file.url || "");
  const kind = String(file.mime || file.type || "");
  const name = file.name || "file";
  if (url && (/^image/.test(kind) || (!kind && /\.(png|jpe?g|gif|webp|svg)$/i.test(name)))) {
    return h("a", { class: "picture", href: url, target: "_blank", rel: "noopener" }, h("img", { src: url, alt: name, loading: "lazy" }));
  }
  if (url && /^audio/.test(kind)) return h("audio", { src: url, controls: true, preload: "none", title: name });
  if (url && /^video/.test(kind)) return h("video", { src: url, controls: true, preload: "metadata", title: name });
  const inside = [icon("file", 22), h("span", { class: "file-name" }, name), h("span", { class: "file-size" }, bytes(file.size))];
  return url ? h("a", { class: "file", href: url, target: "_blank", rel: "noopener" }, inside) : h("span", { class: "file" }, inside);
}

/** Grows with its text up to `limit` pixels. */
export function autogrow(area, limit = 160) {
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, limit)}px`;
  };
  area.addEventListener("input", fit);
  return fit;
}

/** Rebuilds `list` so that unchanged items keep their element (and so their scroll, selection and loaded pictures). */
export function reconcile(list, known, items, keyOf, make) {
  const seen = new Set();
  let previous = null;
  for (const item of items) {
    const key = String(keyOf(item));
    const shape = JSON.stringify(item);
    seen.add(key);
    let entry = known.get(key);
    if (!entry || entry.shape !== shape) {
      const el = make(item);
      if (entry) entry.el.replaceWith(el);
      entry = { el, shape };
      known.set(key, entry);
    }
    const place = previous ? previous.nextSibling : list.firstChild;
    if (entry.el !== place) list.insertBefore(entry.el, place);
    previous = entry.el;
  }
  for (const [key, entry] of known) {
    if (seen.has(key)) continue;
    entry.el.remove();
    known.delete(key);
  }
}
