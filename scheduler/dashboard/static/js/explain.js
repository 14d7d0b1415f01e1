// "Why there?": a fresh solve's reasons for one deployment, each no with what would turn it into a yes.

import { get } from "./api.js";
import { open, redraw } from "./dialog.js";
import { h } from "./dom.js";
import { count, percent, perHour, plural, words } from "./format.js";
import { badge, cell, empty, groups, table } from "./parts.js";

const FIRST = 12;

/** Open the explanation of one deployment. */
export async function explain(deployment) {
  const state = { answer: null, error: null, all: new Set() };
  let stillOpen = true;
  open(`Why ${deployment} is where it is`, () => content(state), () => { stillOpen = false; });
  try {
    state.answer = await get("/v1/explain", { deployment });
  } catch (error) {
    state.error = error;
  }
  if (stillOpen) redraw();
}

function content(state) {
  if (state.error) return h("div", { class: "notice bad", role: "alert" }, state.error.message);
  if (!state.answer) return h("p", { class: "hint", role: "status" }, "Solving the present world to answer…");
  const { reasons, bindings, unmet, gap, bound_usd_per_h: bound, cost_usd_per_h: cost } = state.answer;
  const chosen = reasons.filter((reason) => reason.verdict === "chosen");
  const rejected = groups(reasons.filter((reason) => reason.verdict !== "chosen"), (reason) => reason.rule);
  return [
    h("p", { class: "proof" }, "Whole fleet, as the objective counts it: ", h("b", null, perHour(cost)), ", proven bound ", h("b", null, perHour(bound)), ", gap ", h("b", null, percent(gap, 2)), "."),
    unmet.length > 0 && h("div", { class: "notice bad" }, h("ul", null, unmet.map((each) =>
      h("li", null, `${count(each.tokens_per_s)} tokens/s from ${each.origin} are not served.`)))),
    h("h3", null, "Chosen"),
    chosen.length === 0 ? empty("It is placed nowhere.", "The rejected offers below say what stands in the way.")
      : h("ul", { class: "reasons" }, chosen.map((reason) =>
        h("li", { key: reason.offer_id + reason.cluster }, h("div", null, badge("chosen"), h("b", null, reason.cluster), h("code", null, reason.offer_id)), h("p", null, reason.text)))),
    bindings.length > 0 && [h("h3", null, "What holds the cost up"), h("ul", { class: "reasons" }, bindings.map((binding) =>
      h("li", { key: binding.constraint }, h("div", null, h("b", null, words(binding.constraint))), h("p", null, binding.text))))],
    h("h3", null, `Not chosen: ${plural(reasons.length - chosen.length, "offer")}`),
    [...rejected].map(([rule, members]) => ruleGroup(state, rule, members)),
  ];
}

function ruleGroup(state, rule, members) {
  const shown = state.all.has(rule) ? members : members.slice(0, FIRST);
  return h("details", { key: rule, open: members.length <= FIRST },
    h("summary", null, h("b", null, rule), h("span", { class: "hint" }, plural(members.length, "offer"))),
    table(`Offers rejected by ${rule}`, [{ title: "Offer" }, { title: "Why not" }, { title: "What would change it" }],
      shown.map((reason) => h("tr", { key: reason.offer_id + reason.cluster },
        cell(h("code", null, reason.offer_id), h("div", { class: "hint" }, reason.cluster)), cell(reason.text), cell(reason.would_change || "—")))),
    shown.length < members.length && h("button", {
      type: "button", onclick: () => { state.all.add(rule); redraw(); },
    }, `Show all ${count(members.length)}`));
}
