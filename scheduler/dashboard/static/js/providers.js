// Feeds: how fresh each is, what failed, what was quarantined, and which offers are being left alone after a refusal.

import { h } from "./dom.js";
import { ago, count, duration, moment, percent } from "./format.js";
import { badge, brief, cell, code, empty, number, table, trouble } from "./parts.js";

export const needs = ["providers", "caps"];

export function draw(live) {
  const { providers, caps } = live.data;
  const problem = trouble(live, needs);
  if (!providers) return [problem];
  const backoffs = Object.entries(caps ?? {});
  return [problem,
    providers.length === 0 ? empty("No feed has reported yet.", ["The leader reads the first one within seconds of its start. Which ones there are is set in the file of ",
      code("headrace serve --config FILE"), "."]) : feeds(providers),
    h("h2", null, "Backoffs in force"),
    backoffs.length === 0 ? h("p", { class: "hint" }, "No offer refused a launch lately.")
      : table("Backoffs", [{ title: "Offer" }, { title: "May launch", class: "number" }, { title: "Confidence", class: "number" }, { title: "Until" }, { title: "Evidence" }],
        backoffs.map(([offer, cap]) => h("tr", { key: offer }, cell(h("code", null, offer)), number(`${count(cap.nodes)} nodes`), number(percent(cap.confidence, 0)),
          cell(cap.until ? moment(cap.until) : "further notice"), cell(cap.reason))))];
}

function feeds(providers) {
  return table("Feeds", [{ title: "Feed" }, { title: "Source" }, { title: "Freshness" }, { title: "Last success" }, { title: "Target" },
    { title: "Offers", class: "number" }, { title: "Quarantined rows", class: "number" }, { title: "Problems" }],
  providers.map((feed) => h("tr", { key: `${feed.provider}/${feed.account}`, "data-feed": feed.provider },
    cell(h("strong", null, feed.provider), h("div", { class: "hint" }, feed.account)),
    cell(feed.source_kind ? badge(feed.source_kind) : "—"),
    cell(feed.stopped ? badge("stopped", { class: "badge bad" }) : badge(feed.freshness)),
    brief(ago(feed.last_success_at)),
    brief(`within ${duration(feed.target_s * 1000)}`),
    number(count(feed.offers)),
    number(h("span", { class: feed.quarantined > 0 ? "loss" : undefined }, count(feed.quarantined))),
    cell(problems(feed)))));
}

function problems(feed) {
  const lines = [
    feed.stopped && `Stopped until someone acts: ${feed.stopped}`,
    feed.failed_scopes.length > 0 && `No answer from ${feed.failed_scopes.join(", ")}; older rows are kept and marked stale.`,
    feed.last_error && `Last error: ${feed.last_error}`,
  ].filter(Boolean);
  return lines.length === 0 ? h("span", { class: "hint" }, "none") : lines.map((line) => h("div", { class: "loss" }, line));
}
