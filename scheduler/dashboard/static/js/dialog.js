// The one dialog for details: why a deployment is where it is, and how an offer's price went.

import { h, render } from "./dom.js";

let body = () => null;

/** Open with a title; `draw` gives the content and is called again by redraw(). `onclose` runs once at the end. */
export function open(title, draw, onclose = () => {}) {
  const dialog = document.getElementById("dialog");
  body = () => [
    h("header", { key: `head ${title}` }, h("h2", { id: "dialog-title" }, title),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    h("div", { key: `body ${title}`, class: "body" }, draw()),
  ];
  dialog.onclose = () => {
    body = () => null;
    onclose();
    render(dialog);
  };
  // A click on the backdrop lands on the dialog itself.
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  redraw();
  dialog.showModal();
}

/** Draw the open dialog again, if one is open. */
export function redraw() {
  render(document.getElementById("dialog"), body());
}
