// Says plainly what is real: which clouds' prices and machines are live, which are an old list, which are simulated.

import { h } from "./dom.js";
import { ago, day } from "./format.js";
import { badge, groups } from "./parts.js";

const MEANING = {
  live: "prices and stock as the cloud's own API tells them",
  snapshot: "a dated price list; stock is unknown",
  simulated: "a stand-in for the cloud: prices start from its dated price list, stock and machines are simulated, nothing is rented",
  declared: "machines and prices that you declared",
  none: "no offers are known",
};
const ORDER = ["live", "declared", "snapshot", "simulated", "none"];

export const needs = ["sources", "providers", "status"];

export function draw(live) {
  const { sources, providers, status } = live.data;
  if (!sources) return null;
  const clouds = groups(sources, (source) => source.kind);
  // Feeds that no cluster uses are told too: their offers are on the Offers page.
  const names = new Set(sources.map((source) => source.provider));
  for (const feed of providers ?? []) {
    if (!names.has(feed.provider) && feed.source_kind) {
      const kind = feed.source_kind;
      clouds.set(kind, [...(clouds.get(kind) ?? []), { provider: feed.provider, account: feed.account, offers: feed.offers, kind, observedAt: null }]);
    }
  }
  if (clouds.size === 0) return null;
  const kinds = ORDER.filter((kind) => clouds.has(kind));
  return h("aside", { class: `reality ${kinds.includes("live") ? "" : "nothing-live"}`, "aria-label": "What is real" },
    h("strong", null, kinds.includes("live") ? "What is real" : "No live cloud"),
    kinds.map((kind) => h("div", { key: kind, class: "source", "data-source": kind },
      badge(kind), h("b", null, clouds.get(kind).map(named).join(", ")), `: ${MEANING[kind]}`)),
    status?.simulated && h("div", { class: "source" }, String(status.simulated)));
}

function named(source) {
  const when = source.kind === "snapshot" && source.observedAt ? ` of ${day(source.observedAt)}`
    : source.kind === "live" && source.observedAt ? ` (${ago(source.observedAt)})` : "";
  return `${source.provider}${when}`;
}
