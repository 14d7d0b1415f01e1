// Plans: what was decided and why, what it costs before and after, and the decision over a proposed one.

import { post } from "./api.js";
import { h } from "./dom.js";
import { ago, count, duration, fromMicro, moment, percent, perHour, perMonth, plural, words } from "./format.js";
import { badge, cell, code, empty, number, sum, table, tile, tiles, trouble } from "./parts.js";
import { placeOf, remember } from "./places.js";
import { complain, confirm, notify } from "./question.js";

export const needs = ["plans", "migrations", "placements"];

const REASONS_SHOWN = 30;
let selected = null;
let preview = null;
let solving = false;
let paint = () => {};

export function shown(repaint, live) {
  paint = repaint;
  remember(live.data.placements, entries(live.data.plans ?? []));
}

export function draw(live) {
  const { plans } = live.data;
  const problem = trouble(live, needs);
  const head = h("div", { class: "bar" },
    h("button", { type: "button", class: "primary", disabled: solving, onclick: () => void solve(live) }, solving ? "Solving…" : "Preview a plan now"),
    h("span", { class: "hint" }, "Solves the present world. Nothing changes until a proposed plan is applied."));
  if (!plans) return [head, problem];
  if (plans.length === 0 && preview === null) {
    return [head, problem, empty("No plan was made yet.", "The loop makes one when something is declared or changes. A preview shows what it would do now.")];
  }
  const plan = plans.find((each) => each.id === selected) ?? (preview?.plan.id === selected ? preview.plan : plans[0]);
  return [head, problem, verdict(plan), h("div", { class: "split" },
    h("ol", { class: "list", "aria-label": "Plans, newest first" }, entries(plans).map((each) => entry(each, plan))),
    plan && detail(live, plan))];
}

const entries = (plans) => (preview && !plans.some((each) => each.id === preview.plan.id) ? [preview.plan, ...plans] : plans);

function entry(plan, current) {
  const difference = plan.cost_after_micro_usd_per_h - plan.cost_before_micro_usd_per_h;
  return h("li", { key: plan.id },
    h("button", { type: "button", "aria-current": plan.id === current?.id ? "true" : undefined, onclick: () => { selected = plan.id; paint(); } },
      h("span", { class: "row" }, h("b", null, plan.id), unstored(plan) ? badge("preview only") : badge(plan.state)),
      h("span", { class: "hint" }, `${ago(plan.created_at)} · ${plural(plan.moves.length, "move")} · ${signed(difference)}`)));
}

const unstored = (plan) => preview?.plan.id === plan.id && !preview.stored;

function signed(micro) {
  return `${micro > 0 ? "+" : ""}${perHour(fromMicro(micro))}`;
}

async function solve(live) {
  solving = true;
  paint();
  try {
    preview = await post("/v1/plans/preview");
    selected = preview.plan.id;
    live.refresh("plans");
  } catch (error) {
    complain(error);
  }
  solving = false;
  paint();
}

// What a preview found that a stored plan does not carry: conflicts, remedies and broken rules.
function verdict(plan) {
  if (preview === null || plan?.id !== preview.plan.id) return null;
  const { conflicts, remedies, violations } = preview;
  if (conflicts.length + violations.length === 0) {
    return plan.moves.length === 0 ? h("div", { class: "notice good", role: "status" }, "Nothing to do: the fleet is where it should be.") : null;
  }
  return h("div", { class: "notice bad", role: "alert" }, h("div", null,
    h("strong", null, "Not everything can be met."), h("ul", null, conflicts.map((line) => h("li", null, line)), violations.map((each) => h("li", null, each.text))),
    remedies.length > 0 && [h("strong", null, "What would resolve it"), h("ul", null, remedies.map((line) => h("li", null, line)))]));
}

function detail(live, plan) {
  const { target, gate } = plan;
  const [before, after] = [fromMicro(plan.cost_before_micro_usd_per_h), fromMicro(plan.cost_after_micro_usd_per_h)];
  return h("article", { key: plan.id, class: "card plan", "data-plan": plan.id, "aria-label": `Plan ${plan.id}` },
    h("header", null, h("h2", null, plan.id), unstored(plan) ? badge("preview only") : badge(plan.state),
      h("span", { class: "place" }, `${moment(plan.created_at)} · woken by ${words(plan.trigger)}${plan.epoch ? ` · epoch ${plan.epoch}` : ""}`),
      h("span", { class: "buttons" }, plan.state === "proposed" && !unstored(plan) && decisions(live, plan))),
    tiles(
      tile("Before", perHour(before), perMonth(before)),
      tile("After", perHour(after), perMonth(after)),
      tile("Change", h("span", { class: after > before ? "dearer" : "cheaper" }, signed(plan.cost_after_micro_usd_per_h - plan.cost_before_micro_usd_per_h)), perMonth(after - before)),
      tile("Gap to proven bound", percent(target.gap, 2), `${target.status} in ${target.solve_ms < 1000 ? `${target.solve_ms} ms` : duration(target.solve_ms)}`)),
    h("p", { class: "gate" }, badge(gate.passes ? "passes" : "held back"), " ", h("span", null, gate.text), plan.decided_by && h("span", { class: "hint" }, ` Decided by ${plan.decided_by}.`)),
    target.unmet.length > 0 && h("div", { class: "notice bad" }, `Leaves ${count(sum(target.unmet, (each) => each.tokens_per_s))} tokens/s unserved: ${[...new Set(target.unmet.map((each) => each.deployment))].join(", ")}.`),
    h("h3", null, plural(plan.moves.length, "move")),
    moves(live, plan),
    target.terms.length > 0 && [h("h3", null, "What the objective counts"), table("Cost terms", [{ title: "Term" }, { title: "USD per hour", class: "number" }, { title: "How" }],
      target.terms.map((term) => h("tr", { key: term.name }, cell(words(term.name)), number(perHour(fromMicro(term.micro_usd_per_h), 4)), cell(term.text))))],
    reasons(target.reasons));
}

function decisions(live, plan) {
  const decide = async (action, question) => {
    if (!(await confirm(question))) return;
    try {
      const force = action === "apply" && plan.target.unmet.length > 0 ? "?force=true" : "";
      const decided = await post(`/v1/plans/${encodeURIComponent(plan.id)}/${action}${force}`);
      notify(`Plan ${plan.id} is ${decided.state}.`);
    } catch (error) {
      complain(error);
    }
    live.refresh("plans", "migrations");
  };
  const short = plan.target.unmet.length > 0 ? " It leaves demand unserved; applying it takes what can be had." : "";
  return [
    h("button", { type: "button", class: "primary", key: "apply", onclick: () => void decide("apply", { title: `Apply ${plan.id}?`, action: "Apply", text: `The leader carries out ${plural(plan.moves.length, "move")}, make before break.${short}` }) }, "Apply"),
    h("button", { type: "button", key: "reject", onclick: () => void decide("reject", { title: `Reject ${plan.id}?`, action: "Reject", danger: true, text: "Nothing moves. The loop may propose again when the world changes." }) }, "Reject"),
  ];
}

function moves(live, plan) {
  if (plan.moves.length === 0) return h("p", { class: "hint" }, "No replica moves.");
  const present = new Map((live.data.migrations ?? []).map((move) => [move.id, move.state]));
  return table("Moves", [{ title: "Wave", class: "number" }, { title: "Move" }, { title: "Deployment" }, { title: "Replicas" }, { title: "Why" }, { title: "State" }],
    plan.moves.map((move) => h("tr", { key: move.id }, number(move.wave), cell(move.kind), cell(move.deployment),
      cell(move.old_replica && end("from", move.old_replica), move.new_replica && end("to", move.new_replica)),
      cell(move.reason), cell(badge(present.get(move.id) ?? move.state)))));
}

function end(side, replica) {
  const place = placeOf(replica);
  return h("div", { key: side }, `${side} `, place === replica ? replica : [h("b", null, place), h("span", { class: "hint" }, ` ${replica}`)]);
}

function reasons(all) {
  if (all.length === 0) return null;
  const shown = [...all].sort((a, b) => (a.verdict === "chosen" ? 0 : 1) - (b.verdict === "chosen" ? 0 : 1)).slice(0, REASONS_SHOWN);
  return h("details", null, h("summary", null, h("b", null, "Reasons"), h("span", { class: "hint" }, `${count(all.length)} recorded with this plan`)),
    table("Reasons", [{ title: "Deployment" }, { title: "Verdict" }, { title: "Offer" }, { title: "Why" }, { title: "What would change it" }],
      shown.map((reason) => h("tr", { key: `${reason.deployment} ${reason.offer_id} ${reason.cluster}` }, cell(reason.deployment), cell(badge(reason.verdict)),
        cell(h("code", null, reason.offer_id)), cell(reason.text), cell(reason.would_change || "—")))),
    shown.length < all.length && h("p", { class: "hint" }, "The first ", count(shown.length), " are shown; all are in ", code(`headrace explain`), " and on Deployments under “Why there?”."));
}
