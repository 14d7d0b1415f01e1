// Ties the page together: the URL hash chooses the view, the view says what it needs, Live keeps that fresh, and every change draws.

import * as banner from "./banner.js";
import * as deployments from "./deployments.js";
import { h, render } from "./dom.js";
import * as fleet from "./fleet.js";
import { Live } from "./live.js";
import * as margin from "./margin.js";
import * as moves from "./moves.js";
import * as offers from "./offers.js";
import * as plans from "./plans.js";
import * as providers from "./providers.js";

const VIEWS = { fleet, deployments, offers, plan: plans, migrations: moves, margin, providers };
const TICK_MS = 1000;

const live = new Live(schedule);
let drawn = false;

const current = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "fleet");

// Any number of changes within a frame cost one drawing.
function schedule() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    paint();
  });
}

function paint() {
  const name = current();
  const view = VIEWS[name];
  view.shown?.(schedule, live);
  render(document.getElementById("banner"), banner.draw(live));
  render(document.getElementById("connection"), connection());
  render(document.querySelector(`#view-${name} .view`), view.draw(live));
}

function connection() {
  const text = live.connected ? "live" : "polling";
  const hint = live.connected ? "Changes arrive as they happen." : "The event stream is away; reading every 2 seconds.";
  return h("span", { class: `connection ${text}`, title: hint }, text);
}

function choose() {
  const name = current();
  for (const section of document.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== name;
  for (const link of document.querySelectorAll("[data-tab]")) {
    if (link.dataset.tab === name) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
  document.title = `${document.querySelector(`[data-tab="${name}"]`).textContent} · headrace`;
  live.want([...VIEWS[name].needs, ...banner.needs]);
  schedule();
}

addEventListener("hashchange", choose);
// Countdowns and "ago" move on their own.
setInterval(() => { if (!document.hidden) schedule(); }, TICK_MS);
choose();
void live.start();
