// BB codes as the portal's chat shows them. An unknown or unpaired [tag] stays as it was typed.
import { h, safeUrl, dayAndClock } from "./dom.js";

const DEPTH = 24;
const STYLED = { b: "strong", i: "em", u: "u", s: "s" };
const PAIRED = new Set([...Object.keys(STYLED), "url", "color", "size", "user", "chat", "context", "send", "put", "call", "img"]);
const SINGLE = new Set(["br", "timestamp", "disk", "icon", "call", "like", "dislike"]);

function tokens(text) {
  const found = [];
  const tag = /\[(\/?)([a-z]+)((?:=|\s)[^\]\n]*)?\]/gi;
  let last = 0;
  for (let match = tag.exec(text); match; match = tag.exec(text)) {
    const name = match[2].toLowerCase();
    if (!PAIRED.has(name) && !SINGLE.has(name) && name !== "code") continue;
    if (match.index > last) found.push({ text: text.slice(last, match.index) });
    last = tag.lastIndex;
    const value = (match[3] || "").replace(/^[=\s]/, "").trim();
    if (name === "code" && !match[1]) {
      const end = text.toLowerCase().indexOf("[/code]", last);
      if (end >= 0) {
        found.push({ code: text.slice(last, end) });
        last = end + 7;
        tag.lastIndex = last;
        continue;
      }
    }
    found.push({ name, value, close: Boolean(match[1]), text: match[0] });
  }
  if (last < text.length) found.push({ text: text.slice(last) });
  return found;
}

function tree(list) {
  const root = { children: [] };
  const stack = [root];
  const top = () => stack[stack.length - 1];
  const unwind = (node) => {
    // An opening tag that nobody closed is text again.
    stack.pop();
    top().children.push({ text: node.text }, ...node.children);
  };
  for (const token of list) {
    if (token.name === undefined || token.code !== undefined) {
      top().children.push(token);
    } else if (token.close) {
      const at = stack.findLastIndex((node) => node.name === token.name);
      if (at <= 0) {
        top().children.push({ text: token.text });
      } else {
        while (stack.length - 1 > at) unwind(top());
        const node = stack.pop();
        top().children.push(node);
      }
    } else if (SINGLE.has(token.name) && !(token.name === "call" && token.value)) {
      top().children.push({ single: token.name, value: token.value, text: token.text });
    } else if (PAIRED.has(token.name) && stack.length < DEPTH) {
      stack.push({ ...token, children: [] });
    } else {
      top().children.push({ text: token.text });
    }
  }
  while (stack.length > 1) unwind(top());
  return root.children;
}

const plain = (nodes) => nodes.map((node) => node.code ?? (node.children ? plain(node.children) : node.text || "")).join("");

function lines(text) {
  const out = [];
  text.split("\n").forEach((line, index) => {
    if (index) out.push(h("br"));
    if (line.startsWith(">>")) out.push(h("span", { class: "bb-quote" }, line.slice(2)));
    else if (line) out.push(line);
  });
  return out;
}

function link(href, inside) {
  const url = safeUrl(href);
  return url ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, inside) : h("span", {}, inside);
}

// A bare address in a text is a link in the portal too.
function autolink(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"'\[\]]+)/g);
  return parts.map((part, index) => (index % 2 ? link(part, part) : lines(part)));
}

function single(node) {
  switch (node.single) {
    case "br":
      return h("br");
    case "timestamp":
      return h("span", { class: "bb-chip" }, dayAndClock(node.value.split(/\s/)[0]) || node.text);
    case "disk":
      return h("span", { class: "bb-chip" }, `disk ${node.value.replace(/^=/, "")}`);
    case "like":
      return "👍";
    case "dislike":
      return "👎";
    default:
      return node.text;
  }
}

function pair(node) {
  const inside = node.children.map(draw);
  if (STYLED[node.name]) return h(STYLED[node.name], {}, inside);
  switch (node.name) {
    case "url":
      return link(node.value || plain(node.children), inside);
    case "color":
      return /^#?[0-9a-z]{3,20}$/i.test(node.value) ? h("span", { style: { color: node.value } }, inside) : h("span", {}, inside);
    case "size": {
      const size = Math.min(30, Math.max(8, parseInt(node.value, 10) || 14));
      return h("span", { style: { fontSize: `${size}px` } }, inside);
    }
    case "img": {
      const url = safeUrl(plain(node.children).trim());
      return url ? h("img", { class: "bb-img", src: url, alt: "" }) : h("span", {}, inside);
    }
    case "user":
    case "chat":
      return h("span", { class: "bb-mention" }, inside);
    default:
      // send, put, call, context: things that act on a click in the real portal; here they are only seen as such.
      return h("span", { class: "bb-active", title: `[${node.name}]` }, inside);
  }
}

function draw(node) {
  if (node.code !== undefined) return h("code", {}, node.code);
  if (node.single) return single(node);
  if (node.children) return pair(node);
  return autolink(node.text);
}

/** The text as nodes ready to be put into a bubble. */
export function bbcode(text) {
  return tree(tokens(String(text ?? ""))).map(draw);
}

/** The text without its codes, for one line of a list. */
export function bbPlain(text) {
  return plain(tree(tokens(String(text ?? ""))).map((node) => (node.single === "br" ? { text: " " } : node))).replace(/\s+/g, " ").trim();
}

/** Wraps what is selected in a textarea in [tag]…[/tag]; the selection stays on the wrapped words. */
export function wrapSelection(area, tag) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  const open = `[${tag}]`;
  area.setRangeText(`${open}${value.slice(from, to)}[/${tag}]`, from, to, "end");
  area.setSelectionRange(from + open.length, to + open.length);
  area.focus();
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
