// Deployments: demand, replicas, rules in words, money, and the way to "why there?".

import { h } from "./dom.js";
import { explain } from "./explain.js";
import { count, fromMicro, percent, perHour, plural, short, usd } from "./format.js";
import { badge, code, empty, groups, sum, trouble } from "./parts.js";
import { inWords } from "./rules.js";

export const needs = ["deployments", "placements", "demand", "margin", "plans"];

const ENDED = new Set(["rejected", "superseded", "proposed", "failed"]);

export function draw(live) {
  const { deployments, placements } = live.data;
  const problem = trouble(live, needs);
  if (!deployments || !placements) return [problem];
  if (deployments.length === 0) {
    return [problem, empty("Nothing is to be served yet.", ["Declare a model and a deployment in a fleet file, look at ",
      code("headrace plan -f fleet.yaml"), " and then run ", code("headrace apply -f fleet.yaml"), "."])];
  }
  const ordered = [...deployments].sort((a, b) => b.priority - a.priority || a.id.localeCompare(b.id));
  return [problem, h("div", { class: "cards" }, ordered.map((deployment) => card(live, deployment)))];
}

function card(live, deployment) {
  const replicas = live.data.placements.filter((replica) => replica.deployment === deployment.id);
  const ready = replicas.filter((replica) => replica.state === "ready").length;
  const wanted = wantedReplicas(live, deployment) ?? replicas.length;
  const margin = (live.data.margin ?? []).find((row) => row.deployment === deployment.id);
  return h("article", { key: deployment.id, class: "card deployment", "data-deployment": deployment.id, "aria-label": `Deployment ${deployment.id}` },
    h("header", null,
      h("h3", null, deployment.id),
      h("span", { class: "place" }, `${deployment.model} · ${deployment.engine} · for ${deployment.tenant}`),
      h("span", { class: `badge ${ready >= wanted && ready > 0 ? "good" : "warn"}` }, `${ready} of ${wanted} ready`),
      deployment.best_effort && badge("best effort"),
      h("span", { class: "buttons" }, h("button", {
        type: "button", class: "primary", "aria-label": `Why is ${deployment.id} there?`, onclick: () => explain(deployment.id),
      }, "Why there?"))),
    h("dl", { class: "facts-grid" },
      fact("Demand", demandText(live, deployment)),
      fact("Where", whereText(replicas)),
      fact("Latency target", `first token ${count(deployment.slo.ttft_ms)} ms · each further one ${count(deployment.slo.tpot_ms)} ms · ${percent(deployment.slo.availability, 2)} available`),
      fact("Price", priceText(deployment)),
      fact(`Margin, last ${live.query("margin").hours ?? 24} h`, marginText(margin)),
      fact("Replicas", `${deployment.min_replicas} to ${deployment.max_replicas} · headroom ${percent(deployment.headroom, 0)} · priority ${deployment.priority}`)),
    h("h4", null, "Rules"),
    h("ul", { class: "rules" }, inWords(deployment).map((line) => h("li", null, line))));
}

const fact = (label, value) => h("div", null, h("dt", null, label), h("dd", null, value));

// The newest plan that is or was carried out says how many are wanted; a preview does not count.
function wantedReplicas(live, deployment) {
  const plan = (live.data.plans ?? []).find((each) => !ENDED.has(each.state));
  const placed = plan?.target.placements.filter((placement) => placement.deployment === deployment.id);
  return placed && placed.length > 0 ? sum(placed, (placement) => placement.replicas) : null;
}

function demandText(live, deployment) {
  const declared = deployment.demand.map((each) => `${count(each.tokens_per_s)} tokens/s from ${each.origin}${each.bucket === "all" ? "" : ` (${each.bucket})`}`);
  const seen = (live.data.demand ?? []).find((row) => row.deployment === deployment.id);
  if (!seen) return declared.join(", ");
  const metered = seen.requests === 0 ? "no traffic in the last 15 min"
    : `${count(seen.observed)} tokens/s seen (peak ${count(seen.peak)}), ${plural(seen.requests, "request")}, ${percent(seen.failure_share)} failed`;
  return [declared.join(", "), h("div", { class: "hint" }, metered)];
}

function whereText(replicas) {
  if (replicas.length === 0) return "nowhere yet";
  return [...groups(replicas, (replica) => replica.cluster)].map(([cluster, members]) =>
    h("div", { key: cluster }, h("b", null, cluster), ` ${plural(members.length, "replica")}`,
      h("span", { class: "hint" }, ` ${[...groups(members, (replica) => replica.state)].map(([state, some]) => `${some.length} ${state}`).join(", ")}`)));
}

function priceText(deployment) {
  const book = deployment.price_book;
  const cap = deployment.budget_micro_usd_per_h;
  return [book === null ? "no price book: cost only"
    : `${usd(fromMicro(book.input_micro_usd_per_mtok))} in, ${usd(fromMicro(book.output_micro_usd_per_mtok))} out per million tokens`,
  cap !== null && h("div", { class: "hint" }, `budget ${perHour(fromMicro(cap))}`)];
}

function marginText(row) {
  if (!row) return "nothing metered yet";
  return [h("b", { class: row.margin !== null && row.margin < 0 ? "loss" : undefined }, percent(row.margin)),
    h("div", { class: "hint" }, `${usd(row.revenue_usd)} revenue − ${usd(row.cost_usd)} cost · ${short(row.output_tokens)} tokens out`)];
}
