// Small pieces that every view uses: badges, tiles, tables, empty states.

import { h } from "./dom.js";
import { words } from "./format.js";

const TONES = {
  good: ["ready", "open", "applied", "fresh", "live", "chosen", "stopped", "done", "passes"],
  busy: ["requested", "launching", "joining", "starting", "warming", "acquiring", "shifting", "applying", "proposed"],
  warn: ["draining", "cordoned", "suspect", "interrupted", "stale", "stopping", "snapshot", "superseded", "terminating", "spot", "held back"],
  bad: ["lost", "failed", "rejected", "never", "greedy"],
  made: ["simulated", "declared"],
};
const TONE_OF = new Map(Object.entries(TONES).flatMap(([tone, names]) => names.map((name) => [name, tone])));

/** A state as a coloured word; the word itself always tells, the colour only helps. */
export function badge(state, more = {}) {
  return h("span", { class: `badge ${TONE_OF.get(state) ?? "plain"}`, ...more }, words(state));
}

/** A figure with its label, and a line below. */
export function tile(label, value, note, wide = false) {
  return h("div", { class: wide ? "tile wide" : "tile" }, h("dt", null, label), h("dd", null, value), note && h("dd", { class: "hint" }, note));
}

export const tiles = (...children) => h("dl", { class: "tiles" }, children);

/** A table that scrolls inside itself on small screens. Columns: {title, class}; rows: <tr> trees. */
export function table(caption, columns, rows, kind = "") {
  return h("div", { class: `scroll ${kind}`, tabindex: "0", role: "region", "aria-label": caption },
    h("table", null,
      h("caption", { class: "unseen" }, caption),
      h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col", class: column.class }, column.title)))),
      h("tbody", null, rows)));
}

export const cell = (...children) => h("td", null, children);
/** A cell whose text stays on one line, such as a time. */
export const brief = (...children) => h("td", { class: "brief" }, children);
/** A cell of sentences, wide enough to be read on a small screen. */
export const told = (...children) => h("td", { class: "told" }, children);
export const number = (...children) => h("td", { class: "number" }, children);

/** What to do where there is nothing. */
export function empty(title, ...what) {
  return h("div", { class: "empty" }, h("p", null, h("strong", null, title)), what.map((line) => h("p", null, line)));
}

export const code = (text) => h("code", null, text);

/** Problems of the resources a view shows, or that they are still on their way; null where all is well. */
export function trouble(live, names) {
  const failed = names.filter((name) => live.errors[name]);
  if (failed.length > 0) {
    const texts = [...new Set(failed.map((name) => live.errors[name].message))];
    return h("div", { class: "notice bad", role: "alert" },
      h("div", null, `Could not read ${failed.join(", ")}. `, texts.map((text) => h("span", null, text))));
  }
  return names.every((name) => live.data[name] !== undefined) ? null : h("p", { class: "hint", role: "status" }, "Reading…");
}

/** A row of mutually exclusive choices. */
export function choice(label, options, chosen, onpick) {
  return h("div", { class: "choice", role: "group", "aria-label": label }, options.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => onpick(value) }, text)));
}

/** Group a list by a key, in order of first appearance. */
export function groups(list, key) {
  const found = new Map();
  for (const item of list) {
    const name = key(item);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(item);
  }
  return found;
}

export const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);
