// Money: cost, revenue and margin by deployment, and what the cost was for.

import { h } from "./dom.js";
import { percent, short, usd } from "./format.js";
import { cell, choice, code, empty, number, sum, table, tile, tiles, trouble } from "./parts.js";

export const needs = ["margin"];

const PERIODS = [[1, "1 hour"], [24, "1 day"], [168, "7 days"], [720, "30 days"]];
const PHASES = ["serving", "idle", "starting", "draining", "overlap"];
const MEANING = {
  serving: "replicas in service", idle: "paid and unused", starting: "nodes and engines coming up",
  draining: "finishing requests before stopping", overlap: "old and new replica at once",
};
const HEIGHT = 26;

export function draw(live) {
  const rows = live.data.margin;
  const hours = live.query("margin").hours ?? 24;
  const head = choice("Period", PERIODS, hours, (picked) => live.ask("margin", { hours: picked }));
  const problem = trouble(live, needs);
  if (!rows) return [head, problem];
  if (rows.length === 0) {
    return [head, problem, empty("Nothing was metered in this period.", ["Costs appear with the first paid node, revenue with the first request through the front door of a deployment that has a ", code("price"), "."])];
  }
  const [cost, revenue] = [sum(rows, (row) => row.cost_usd), sum(rows, (row) => row.revenue_usd)];
  return [head, problem,
    tiles(tile("Revenue", usd(revenue)), tile("Cost", usd(cost)), tile("Gross profit", usd(revenue - cost)),
      tile("Gross margin", revenue > 0 ? percent((revenue - cost) / revenue) : "—", revenue > 0 ? "(revenue − cost) / revenue" : "no revenue in this period")),
    h("h2", null, "Cost by phase"), legend(rows), bars(rows),
    h("h2", null, "By deployment"),
    table("Margin by deployment", [{ title: "Deployment" }, ...["Requests", "Tokens in", "Tokens out", "Revenue", "Cost", "Cost per million out", "Margin"].map((title) => ({ title, class: "number" }))],
      rows.map((row) => h("tr", { key: row.deployment }, cell(name(row)), number(short(row.requests)), number(short(row.input_tokens)), number(short(row.output_tokens)),
        number(usd(row.revenue_usd)), number(usd(row.cost_usd)), number(row.output_tokens ? usd((row.cost_usd / row.output_tokens) * 1e6) : "—"),
        h("td", { class: `number ${row.margin !== null && row.margin < 0 ? "loss" : ""}` }, percent(row.margin)))))];
}

const name = (row) => row.deployment || "unassigned idle time";

function phasesOf(rows) {
  const seen = new Set(rows.flatMap((row) => Object.keys(row.cost_usd_by_phase)));
  return [...PHASES.filter((phase) => seen.has(phase)), ...[...seen].filter((phase) => !PHASES.includes(phase))];
}

function legend(rows) {
  const total = sum(rows, (row) => row.cost_usd);
  return h("ul", { class: "legend" }, phasesOf(rows).map((phase) => {
    const spent = sum(rows, (row) => row.cost_usd_by_phase[phase] ?? 0);
    return h("li", { key: phase, title: MEANING[phase] }, h("span", { class: `swatch phase-${phase}` }), h("b", null, phase), ` ${usd(spent)} `,
      h("span", { class: "hint" }, total > 0 ? percent(spent / total) : ""));
  }));
}

function bars(rows) {
  const most = Math.max(...rows.map((row) => row.cost_usd), 1e-12);
  return h("div", { class: "bars" }, rows.map((row) => {
    let from = 0;
    const parts = phasesOf(rows).filter((phase) => row.cost_usd_by_phase[phase] > 0).map((phase) => {
      const width = (row.cost_usd_by_phase[phase] / most) * 100;
      const part = h("rect", { key: phase, class: `phase-${phase}`, x: from.toFixed(3), y: "0", width: width.toFixed(3), height: HEIGHT },
        h("title", null, `${phase}: ${usd(row.cost_usd_by_phase[phase])}`));
      from += width;
      return part;
    });
    const said = phasesOf(rows).map((phase) => `${phase} ${usd(row.cost_usd_by_phase[phase] ?? 0)}`).join(", ");
    return h("div", { key: row.deployment, class: "bar-row" }, h("span", { class: "label" }, name(row)),
      h("svg", { viewBox: `0 0 100 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `Cost of ${name(row)}: ${said}` }, parts),
      h("span", { class: "number" }, usd(row.cost_usd)));
  }));
}
