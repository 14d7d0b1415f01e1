// Migrations live: every move as a row of steps that fill as it progresses, and the feed of what happened.

import { h } from "./dom.js";
import { clock, count, duration, moment, now, since, words } from "./format.js";
import { badge, code, empty, tile, tiles, trouble } from "./parts.js";
import { lookUp, placeOf, remember } from "./places.js";

export const needs = ["migrations", "placements"];

const STEPS = {
  migrate: ["requested", "acquiring", "starting", "warming", "ready", "shifting", "draining", "stopped"],
  start: ["requested", "acquiring", "starting", "warming", "ready", "stopped"],
  stop: ["requested", "draining", "stopped"],
};
const ENDED = new Set(["stopped", "failed", "cancelled"]);
const TIGHTENING = new Set(["interruption_notice", "rebalance_recommendation", "stockout", "stock_falling", "price_spike", "quota_cut", "block_ending",
  "accelerator_fault", "cluster_suspect", "cluster_lost", "cluster_cordoned", "cluster_draining", "provider_problem"]);
const HISTORY_SHOWN = 20;
// A move that just ended stays in its place for a moment, so that one sees it arrive.
const LINGER_MS = 12_000;
const FEED_SHOWN = 80;

const lastStep = new Map();

export function shown(repaint, live) {
  remember(live.data.placements);
  lookUp(live.data.migrations, repaint);
}

export function draw(live) {
  const { migrations } = live.data;
  const problem = trouble(live, needs);
  if (!migrations) return [problem];
  const running = migrations.filter((move) => !ENDED.has(move.state));
  const over = migrations.filter((move) => ENDED.has(move.state));
  const arriving = over.filter((move) => move.ended_at && since(move.ended_at) < LINGER_MS);
  const shownNow = [...running, ...arriving].sort(byUrgency);
  const ended = over.filter((move) => !arriving.includes(move));
  return [problem, summary(running, over), h("div", { class: "with-feed" },
    h("div", null,
      h("h2", null, "Under way"),
      shownNow.length === 0 ? empty("Nothing moves.", ["Moves appear here the moment a plan begins. Try one: drain a cluster on the Fleet page, or run ", code("headrace drain CLUSTER"), "."])
        : h("ol", { class: "moves", "aria-label": "Moves under way" }, shownNow.map((move) => row(move, true))),
      ended.length > 0 && [h("h2", null, "Ended"), h("ol", { class: "moves past", "aria-label": "Moves that ended" }, ended.slice(0, HISTORY_SHOWN).map((move) => row(move, move.state !== "stopped")))]),
    feed(live))];
}

const byUrgency = (a, b) => Number(a.urgent_until === null) - Number(b.urgent_until === null) || a.wave - b.wave || a.id.localeCompare(b.id, "en", { numeric: true });

function summary(running, ended) {
  const failed = ended.filter((move) => move.state === "failed").length;
  const times = ended.filter((move) => move.state === "stopped" && move.started_at).map((move) => new Date(move.ended_at) - new Date(move.started_at)).sort((a, b) => a - b);
  return tiles(
    tile("Under way", count(running.length)),
    tile("Against a deadline", count(running.filter((move) => move.urgent_until).length)),
    tile("Completed lately", count(ended.filter((move) => move.state === "stopped").length), failed ? `${failed} failed` : "none failed"),
    tile("Median duration", times.length ? duration(times[Math.floor(times.length / 2)]) : "—"));
}

function row(move, drawn) {
  const over = ENDED.has(move.state);
  return h("li", { key: move.id, class: `move ${move.state} ${move.urgent_until && !over ? "urgent" : ""}`, "data-move": move.id, "data-state": move.state },
    h("div", { class: "what" },
      h("b", null, `${move.kind} ${move.deployment}`), badge(shownState(move)),
      h("span", { class: "way" }, way(move)),
      countdown(move, over),
      h("span", { class: "time" }, spent(move, over))),
    drawn && steps(move),
    h("div", { class: "hint" }, [`wave ${move.wave}`, move.reason, move.attempt > 1 && `attempt ${move.attempt}`,
      move.in_flight_at_shift !== null && `${count(move.in_flight_at_shift)} in flight when traffic shifted`, move.plan].filter(Boolean).join(" · ")),
    move.error && h("div", { class: "loss" }, move.error));
}

const shownState = (move) => (move.kind === "start" && move.state === "stopped" ? "done" : move.state);

function way(move) {
  const [from, to] = [move.old_replica && placeOf(move.old_replica), move.new_replica && placeOf(move.new_replica)];
  const title = [move.old_replica, move.new_replica].filter(Boolean).join(" → ");
  return h("span", { title }, from && h("span", null, from), h("span", { class: "arrow", "aria-label": "to" }, from && to ? " → " : ""), to && h("span", null, to));
}

function countdown(move, over) {
  if (!move.urgent_until || over) return null;
  const left = new Date(move.urgent_until) - now();
  return h("span", { class: "countdown", role: "timer" }, left > 0 ? `${duration(left)} until the cloud takes it` : "its deadline has passed");
}

function spent(move, over) {
  if (!move.started_at) return "not started";
  return over ? `${duration(new Date(move.ended_at ?? move.started_at) - new Date(move.started_at))} · ended ${moment(move.ended_at ?? move.started_at)}` : duration(since(move.started_at));
}

function steps(move) {
  const names = STEPS[move.kind];
  const at = position(move, names);
  const broken = move.state === "failed" || move.state === "cancelled";
  const said = broken ? `${move.state} at ${names[at]}` : `step ${at + 1} of ${names.length}: ${shownState(move)}`;
  return h("ol", { class: "steps", "aria-label": said }, names.map((name, index) => {
    const last = index === names.length - 1;
    const tense = index < at || (index === at && last && !broken) ? "past" : index > at ? "ahead" : broken ? "broken" : "present";
    return h("li", { key: name, class: tense, "aria-current": tense === "present" ? "step" : undefined }, h("span", null, last && move.kind === "start" ? "done" : name));
  }));
}

// A failed move no longer says where it failed: take the last step this page saw, or what its times tell.
function position(move, names) {
  const at = names.indexOf(move.state);
  if (at >= 0) {
    lastStep.set(move.id, at);
    return at;
  }
  return lastStep.get(move.id) ?? (move.shifted_at ? names.indexOf("shifting") : Math.min(1, names.length - 1));
}

function feed(live) {
  return h("section", { class: "feed", "aria-labelledby": "feed-title" },
    h("h2", { id: "feed-title" }, "Events"),
    live.errors.events && h("div", { class: "notice bad", role: "alert" }, live.errors.events.message),
    h("ol", { role: "log", "aria-live": "polite", "aria-relevant": "additions" }, live.events.slice(0, FEED_SHOWN).map((event) =>
      h("li", { key: event.sequence, class: TIGHTENING.has(event.kind) ? "tight" : undefined, "data-sequence": String(event.sequence) },
        h("time", { datetime: event.at, title: moment(event.at) }, clock(event.at)),
        h("span", { class: "kind" }, words(event.kind)), h("span", null, event.message)))),
    live.events.length === 0 && h("p", { class: "hint" }, "Nothing happened yet."));
}
