// The fleet: clouds, their clusters, the nodes in them and the replicas on those, with the three things people do to a cluster.

import { post } from "./api.js";
import { h } from "./dom.js";
import { ago, count, fromMicro, perHour, perMonth, plural, since } from "./format.js";
import { badge, cell, code, empty, groups, number, sum, table, tile, tiles, trouble } from "./parts.js";
import { complain, confirm, notify } from "./question.js";

export const needs = ["clusters", "nodes", "placements", "status"];

const PAID_NOT_YET = new Set(["requested", "launching"]);
const ACTIONS = {
  cordon: {
    title: (id) => `Cordon ${id}?`, action: "Cordon",
    text: "Nothing new is placed there. What runs there stays and keeps serving.",
  },
  drain: {
    title: (id) => `Drain ${id}?`, action: "Drain", danger: true,
    text: "Every replica on it is replaced elsewhere first, then drained and stopped; its nodes are released once empty.",
  },
  uncordon: {
    title: (id) => `Open ${id} again?`, action: "Open",
    text: "New replicas may be placed there from the next decision on.",
  },
};

export function draw(live) {
  const { clusters, nodes, placements, status } = live.data;
  const problem = trouble(live, needs);
  if (!clusters || !nodes || !placements) return [problem];
  if (clusters.length === 0) {
    return [problem, empty("No clusters are declared.", ["Declare them in a fleet file and run ", code("headrace apply -f fleet.yaml"),
      ", or see the whole thing at work with ", code("headrace demo"), "."])];
  }
  const byCloud = groups(clusters, ({ cluster }) => cluster.provider);
  return [problem, summary(clusters, nodes, placements, status),
    [...byCloud].map(([provider, members]) => cloud(live, provider, members))];
}

function summary(clusters, nodes, placements, status) {
  const total = sum(clusters, (each) => each.usd_per_h);
  const ready = placements.filter((replica) => replica.state === "ready").length;
  const coming = placements.filter((replica) => ["requested", "starting", "warming"].includes(replica.state)).length;
  const troubled = nodes.filter((node) => node.interrupted).length;
  return tiles(
    tile("Cost", perHour(total), perMonth(total)),
    tile("Clusters", count(clusters.length), `${clusters.filter(({ cluster }) => cluster.state === "ready").length} ready`),
    tile("Nodes", count(nodes.length), troubled ? `${troubled} being reclaimed` : "none being reclaimed"),
    tile("Replicas ready", `${ready} of ${placements.length}`, coming ? `${coming} on the way` : "none on the way"),
    tile("Requests in flight", count(sum(placements, (replica) => replica.in_flight))),
    tile("Front door", status?.front_door ? h("code", { class: "small" }, status.front_door) : "none configured",
      status?.leads ? `this process leads, epoch ${status.epoch}` : "another process leads, or none", true));
}

function cloud(live, provider, members) {
  const paid = sum(members, (each) => each.usd_per_h);
  return h("section", { key: provider, class: "cloud", "aria-label": `Cloud ${provider}` },
    h("h2", null, provider, h("span", { class: "hint" },
      `${plural(members.length, "cluster")} · ${perHour(paid)} · ${perMonth(paid)}`)),
    members.map((member) => clusterCard(live, member)));
}

function clusterCard(live, { cluster, ready_replicas, in_flight, usd_per_h }) {
  const nodes = live.data.nodes.filter((node) => node.cluster === cluster.id);
  const replicas = live.data.placements.filter((replica) => replica.cluster === cluster.id);
  const here = new Set(nodes.map((node) => node.id));
  const homeless = replicas.filter((replica) => !replica.nodes.some((id) => here.has(id)));
  return h("article", { key: cluster.id, class: "card", "data-cluster": cluster.id, "aria-label": `Cluster ${cluster.id}` },
    h("header", null,
      h("h3", null, cluster.id),
      h("span", { class: "place" }, [cluster.region, cluster.zones.join(", "), cluster.jurisdiction || "place unknown"].filter(Boolean).join(" · ")),
      badge(cluster.state, { title: leaseText(cluster) }),
      badge(cluster.schedulability, { "data-schedulability": cluster.schedulability }),
      h("span", { class: "facts" }, `${plural(ready_replicas, "ready replica")} · ${count(in_flight)} in flight · ${perHour(usd_per_h)}`),
      h("span", { class: "buttons" }, buttons(live, cluster))),
    nodes.length === 0 && homeless.length === 0
      ? h("p", { class: "hint pad" }, cluster.schedulability === "open" ? "No nodes. The plan rents some here when that is the best place." : "No nodes: it is empty.")
      : table(`Nodes of ${cluster.id}`, [{ title: "Node" }, { title: "State" }, { title: "Hardware" }, { title: "Capacity" },
        { title: "Price", class: "number" }, { title: "Replicas on it" }],
      [nodes.map((node) => nodeRow(node, replicas.filter((replica) => replica.nodes.includes(node.id)))),
        homeless.length > 0 && h("tr", { key: "homeless" }, h("td", { colspan: "5", class: "hint" }, "waiting for a node"),
          cell(homeless.map(replicaChip)))], "nodes"));
}

function leaseText(cluster) {
  if (!cluster.lease_until) return "its agent has not reported yet";
  const over = since(cluster.lease_until);
  return over > 0 ? `its agent's lease ran out ${ago(cluster.lease_until)}` : "its agent reports";
}

function buttons(live, cluster) {
  const offered = { open: ["cordon", "drain"], cordoned: ["uncordon", "drain"], draining: ["uncordon"] }[cluster.schedulability];
  return offered.map((action) => h("button", {
    type: "button", key: action, "aria-label": `${ACTIONS[action].action} ${cluster.id}`, "data-action": action,
    onclick: () => change(live, cluster.id, action),
  }, ACTIONS[action].action));
}

async function change(live, id, action) {
  const { title, text, action: label, danger } = ACTIONS[action];
  if (!(await confirm({ title: title(id), text, action: label, danger }))) return;
  try {
    const changed = await post(`/v1/clusters/${encodeURIComponent(id)}/${action}`);
    notify(`Cluster ${id} is ${changed.schedulability}.`);
  } catch (error) {
    complain(error);
  }
  live.refresh("clusters");
}

function nodeRow(node, replicas) {
  const hardware = node.instance_type;
  return h("tr", { key: node.id, class: node.interrupted ? "alarmed" : undefined },
    cell(h("strong", null, node.id), h("div", { class: "hint" }, node.zone)),
    cell(badge(node.state), node.reason && h("div", { class: "hint clip", title: node.reason }, node.reason)),
    cell(hardware.name, h("div", { class: "hint" }, `${hardware.accelerator_count} × ${hardware.accelerator}`)),
    cell(badge(node.capacity_type)),
    number(perHour(fromMicro(node.price_micro_usd_per_h), 3), PAID_NOT_YET.has(node.state) && h("div", { class: "hint" }, "not yet paid")),
    cell(replicas.length === 0 ? h("span", { class: "hint" }, "idle") : replicas.map(replicaChip)));
}

function replicaChip(replica) {
  const label = `${replica.id}: ${replica.state}, ${replica.in_flight} in flight, ${replica.weight} % of its full traffic`;
  return h("div", { key: replica.id, class: "replica", "data-replica": replica.id, title: replica.reason || label },
    badge(replica.state), h("span", { class: "name" }, replica.id),
    h("span", { class: "weight", role: "img", "aria-label": `weight ${replica.weight} %` },
      h("span", { css: { "--share": `${replica.weight}%` } })),
    h("span", { class: "hint" }, `${replica.weight} % · ${count(replica.in_flight)} in flight`),
    replica.restarts > 0 && h("span", { class: "hint" }, plural(replica.restarts, "restart")));
}
