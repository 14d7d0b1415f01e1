// Feeds: how fresh each is, how its adapter was proved, what failed, which rows were quarantined, and what is left alone after a refusal.

import { h } from "./dom.js";
import { ago, count, duration, moment, plural, since } from "./format.js";
import { badge, brief, cell, code, empty, number, table, told, trouble } from "./parts.js";

export const needs = ["providers", "quarantined", "caps"];

export function draw(live) {
  const { providers, quarantined, caps } = live.data;
  const problem = trouble(live, needs);
  if (!providers) return [problem];
  return [problem,
    providers.length === 0 ? empty("No feed has reported yet.", ["The leader reads the first one within seconds of its start. Which ones there are is set in the file of ",
      code("headrace serve --config FILE"), "; ", code("headrace providers add KIND"), " sets one up."]) : feeds(providers),
    caps && held(Object.entries(caps)),
    quarantined && distrusted(quarantined)];
}

function feeds(providers) {
  return table("Feeds", [{ title: "Feed" }, { title: "Source" }, { title: "Freshness" }, { title: "Age / target" },
    { title: "Offers", class: "number" }, { title: "Quarantined", class: "number" }, { title: "Proved" }, { title: "Problems" }],
  providers.map((feed) => h("tr", { key: `${feed.provider}/${feed.account}`, "data-feed": feed.provider },
    cell(h("strong", null, feed.provider), h("div", { class: "hint" }, feed.account)),
    cell(feed.source_kind ? badge(feed.source_kind) : "—"),
    cell(feed.stopped ? badge("stopped", { class: "badge bad" }) : badge(feed.freshness)),
    age(feed),
    number(count(feed.offers)),
    number(h("span", { class: feed.quarantined > 0 ? "loss" : undefined }, count(feed.quarantined))),
    told(feed.proved || h("span", { class: "hint" }, "not proved")),
    told(problems(feed)))));
}

function age(feed) {
  const target = duration(feed.target_s * 1000);
  if (!feed.last_success_at) return brief(h("span", { class: "loss" }, "never read"), ` / ${target}`);
  const ms = since(feed.last_success_at);
  const text = ms < 10000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms);
  return brief(h("span", { class: ms > feed.target_s * 1000 ? "loss" : undefined, title: moment(feed.last_success_at) }, text), ` / ${target}`);
}

function problems(feed) {
  const lines = [
    feed.stopped && `Stopped until someone acts: ${feed.stopped}`,
    feed.failed_scopes.length > 0 && `No answer from ${feed.failed_scopes.join(", ")}; older rows are kept and marked stale.`,
    feed.last_error && feed.last_error !== feed.stopped && `Last error: ${feed.last_error}`,
  ].filter(Boolean);
  return lines.length === 0 ? h("span", { class: "hint" }, "none") : lines.map((line) => h("div", { class: "loss" }, line));
}

function held(caps) {
  return [h("h2", null, "Held back", h("span", { class: "hint" }, "left alone after a refusal, until the time named")),
    caps.length === 0 ? h("p", { class: "hint" }, "No offer refused a launch lately.")
      : table("Held back", [{ title: "What" }, { title: "Until" }, { title: "Why" }],
        caps.map(([scope, cap]) => h("tr", { key: scope, "data-held": scope }, told(h("code", null, scope)),
          brief(cap.until ? moment(cap.until) : "further notice"), told(cap.reason))))];
}

function distrusted(rows) {
  return [h("h2", null, "Quarantined rows", h("span", { class: "hint" }, "not offered; a former price is kept until a complete reading no longer lists the row")),
    rows.length === 0 ? h("p", { class: "hint" }, "Every row that was read made sense.")
      : table(`Quarantined: ${plural(rows.length, "row")}`, [{ title: "Feed" }, { title: "Where" }, { title: "Row" }, { title: "Why" }, { title: "Seen", class: "number" }],
        rows.map(({ feed, account, quarantined: row, at }) => h("tr", { key: `${feed}/${account}/${row.scope}/${row.row}`, "data-quarantined": row.row },
          cell(h("strong", null, feed), h("div", { class: "hint" }, account)), cell(row.scope), cell(h("code", null, row.row)),
          told(row.reason), h("td", { class: "number" }, ago(at)))))];
}
