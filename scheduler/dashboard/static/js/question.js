// Questions that block an action (confirm it, give a key) and messages that don't.

import { h, render } from "./dom.js";

let asked = null;

/** Ask before something happens; resolves to true or false. */
export function confirm({ title, text, action, danger = false }) {
  return ask(title, (done) => [
    h("p", null, text),
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => done(false) }, "Cancel"),
      h("button", { type: "submit", class: danger ? "danger" : "primary" }, action)),
  ], () => true, false);
}

/** Ask for an API key. Several calls at once share one question; it cannot be declined, only answered. */
export function askForKey(why) {
  asked ??= ask("API key", () => [
    h("p", null, why),
    h("label", null, "Key", h("input", { name: "key", type: "password", autocomplete: "off", required: true, placeholder: "hr_…" })),
    h("p", { class: "hint" }, "Kept in this browser tab only, and forgotten when it closes."),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Use this key")),
  ], (form) => form.elements.namedItem("key").value.trim(), null).finally(() => { asked = null; });
  return asked;
}

function ask(title, body, answer, cancelled) {
  const dialog = document.getElementById("question");
  return new Promise((resolve) => {
    const done = (value) => {
      dialog.oncancel = null;
      dialog.close();
      resolve(value);
    };
    const submit = (event) => {
      event.preventDefault();
      done(answer(event.target));
    };
    dialog.oncancel = (event) => {
      event.preventDefault();
      if (cancelled !== null) done(cancelled);
    };
    render(dialog, h("form", { key: title + Math.random(), method: "dialog", onsubmit: submit },
      h("h2", { id: "question-title" }, title), body(done)));
    dialog.showModal();
  });
}

const messages = [];

/** Show a message. Good news leaves by itself; a problem stays until it is dismissed. */
export function notify(text, { kind = "good", more = [] } = {}) {
  if (messages.some((message) => message.text === text)) return;
  const message = { id: crypto.randomUUID?.() ?? String(Math.random()), text, kind, more };
  messages.push(message);
  draw();
  if (kind === "good") setTimeout(() => dismiss(message), 6000);
}

/** Show what the API refused, with its remedies. */
export function complain(error) {
  notify(error.message, { kind: "bad", more: error.remedies ?? [] });
}

function dismiss(message) {
  const place = messages.indexOf(message);
  if (place >= 0) messages.splice(place, 1);
  draw();
}

function draw() {
  render(document.getElementById("notices"), messages.map((message) =>
    h("div", { key: message.id, class: `notice ${message.kind}`, role: message.kind === "bad" ? "alert" : "status" },
      h("div", null, message.text, message.more.length > 0 && h("ul", null, message.more.map((line) => h("li", null, line)))),
      h("button", { type: "button", class: "quiet", "aria-label": "Dismiss this message", onclick: () => dismiss(message) }, "×"))));
}
