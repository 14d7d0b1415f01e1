// Which cluster a replica is, or was, on. Moves name replicas only; those that ended are known from the plans that made them.

import { get } from "./api.js";

const clusterOf = new Map();
const askedPlans = new Set();

/** The cluster of a replica; its own id where that is not known. */
export const placeOf = (replica) => clusterOf.get(replica) ?? replica;

/** Remember what the page has read anyway: running replicas, and the new ones of plans. */
export function remember(placements, plans = []) {
  for (const replica of placements ?? []) clusterOf.set(replica.id, replica.cluster);
  for (const plan of plans ?? []) for (const replica of plan.new_replicas) clusterOf.set(replica.id, replica.cluster);
}

/** Read the plans of moves whose replicas are unknown, each once; `found` is called after every answer. */
export function lookUp(moves, found) {
  for (const move of moves ?? []) {
    const known = [move.old_replica, move.new_replica].every((id) => !id || clusterOf.has(id));
    if (known || askedPlans.has(move.plan)) continue;
    askedPlans.add(move.plan);
    void get(`/v1/plans/${encodeURIComponent(move.plan)}`).then((plan) => {
      remember([], [plan]);
      found();
      // Without an answer the row shows the replica's id instead: enough, and the next opening of the page asks again.
    }, () => {});
  }
}
