// A deployment's placement rules as sentences.

import { percent, plural } from "./format.js";

const CAPACITY = { "on-demand": "on-demand", spot: "spot", reserved: "reserved", "capacity-block": "capacity block" };

/** One sentence per rule; at least one. */
export function inWords({ rules, demand, disruption }) {
  const said = [
    only("Runs only on", rules.providers),
    only("Runs only in", rules.regions),
    only("Runs only under the law of", rules.jurisdictions),
    only("Runs only in the clusters", rules.clusters),
    only("Uses only", rules.accelerators),
    only("Rents only", rules.capacity_types.map((kind) => CAPACITY[kind] ?? kind)),
    rules.spot_ceiling < 1 && `At most ${percent(rules.spot_ceiling, 0)} of the replicas on spot.`,
    rules.spot_loss_share > 0 && `After losing its largest correlated spot pool, running replicas still serve ${percent(rules.spot_loss_share, 0)} of demand.`,
    rules.survivability && `After losing any one ${rules.survivability.domain}, ${percent(rules.survivability.share, 0)} of every origin's demand is still served.`,
    rules.spread && `No ${rules.spread.domain} holds more than ${percent(rules.spread.max_share, 0)} of the replicas.`,
    rules.pins.length > 0 && `At least one replica in ${list(rules.pins, "and")}.`,
    ...demand.filter((each) => each.jurisdictions.length > 0).map((each) => `Requests from ${each.origin} are served only in ${list(each.jurisdictions, "or")}.`),
  ].filter(Boolean);
  if (said.length === 0) said.push("May run anywhere, on any capacity.");
  said.push(`While moving: ${plural(disruption.max_surge, "extra replica")} at most, ${disruption.max_unavailable === 0 ? "none" : disruption.max_unavailable} may be missing.`);
  return said;
}

const only = (start, names) => names.length > 0 && `${start} ${list(names, "or")}.`;

function list(names, join) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${join} ${names.at(-1)}`;
}
