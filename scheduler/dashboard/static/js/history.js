// How an offer's price and availability went: two step charts on one time axis, and the changes as a table.

import { get } from "./api.js";
import { open, redraw } from "./dialog.js";
import { h } from "./dom.js";
import { clock, day, fromMicro, moment, now, perHour } from "./format.js";
import { badge, brief, cell, choice, empty, number, table } from "./parts.js";

const RANGES = [[6, "6 hours"], [24, "1 day"], [168, "7 days"], [720, "30 days"]];
const BUCKETS = ["none", "low", "medium", "high"];

/** Open the history of one offer. */
export async function history(offer) {
  const state = { offer, hours: 24, points: null, error: null, charts: [] };
  open(offer.instance_type, () => content(state), () => {
    clear(state);
    state.closed = true;
  });
  await load(state);
}

async function load(state) {
  try {
    state.points = await get("/v1/offers/history", { offer: state.offer.id, hours: state.hours });
    state.error = null;
  } catch (error) {
    state.error = error;
  }
  if (state.closed) return;
  redraw();
  plot(state);
}

function content(state) {
  const { offer, points, error } = state;
  return [
    h("p", null, h("code", null, offer.id), " ", badge(offer.source_kind)),
    choice("Period", RANGES, state.hours, (hours) => { state.hours = hours; void load(state); redraw(); }),
    error && h("div", { class: "notice bad", role: "alert" }, error.message),
    !points && !error && h("p", { class: "hint", role: "status" }, "Reading…"),
    points?.length === 0 && empty("No history in this period.", "Choose a longer one; a point is kept for every change."),
    h("h3", { hidden: !points?.length }, "Price, USD per hour for the whole instance"),
    h("div", { id: "chart-price", class: "chart", own: true, role: "img", "aria-label": "Price over time; the table below has the same values" }),
    h("h3", { hidden: !points?.length }, "Availability, in the cloud's own terms"),
    h("div", { id: "chart-stock", class: "chart", own: true, role: "img", "aria-label": "Availability over time; the table below has the same values" }),
    points?.length > 0 && table("Changes, newest first", [{ title: "Since" }, { title: "Until" }, { title: "Price", class: "number" }, { title: "Availability" }],
      [...points].reverse().slice(0, 50).map((point) => h("tr", { key: point.since }, brief(moment(point.since)),
        brief(point.until ? moment(point.until) : "now"), number(perHour(fromMicro(point.price_micro_usd_per_h), 4)), cell(point.availability)))),
  ];
}

/** Availability as a number on its own scale, null where unknown. */
export function level(text) {
  const [left] = text.match(/^\d+(?= left$)/) ?? [];
  if (left !== undefined) return Number(left);
  if (text.startsWith("score ")) return Number(text.slice(6));
  if (text.startsWith("stock ")) return BUCKETS.indexOf(text.slice(6));
  if (text === "available") return 1;
  return text === "sold out" ? 0 : null;
}

function scaleLabel(points) {
  const texts = points.map((point) => point.availability);
  if (texts.some((text) => text.startsWith("stock "))) return (value) => BUCKETS[value] ?? "";
  if (texts.some((text) => text === "available" || text === "sold out")) return (value) => ({ 0: "sold out", 1: "available" })[value] ?? "";
  return (value) => String(value);
}

function plot(state) {
  clear(state);
  if (!state.points?.length) return;
  const end = now() / 1000;
  const start = end - state.hours * 3600;
  const times = [];
  const prices = [];
  const stock = [];
  for (const point of state.points) {
    times.push(Math.max(start, new Date(point.since) / 1000));
    prices.push(fromMicro(point.price_micro_usd_per_h));
    stock.push(level(point.availability));
  }
  const final = state.points.at(-1);
  times.push(final.until ? new Date(final.until) / 1000 : end);
  prices.push(prices.at(-1));
  stock.push(stock.at(-1));
  const label = scaleLabel(state.points);
  const span = { min: start, max: end };
  state.charts.push(chart("chart-price", [times, prices], span, (value) => `$${value.toFixed(value < 1 ? 3 : 2)}`, "--series-1"));
  if (stock.some((value) => value !== null)) state.charts.push(chart("chart-stock", [times, stock], span, label, "--series-2"));
}

// The day where a day begins or the ticks are days; the time otherwise.
function tickLabel(time, stepS) {
  const at = new Date(time);
  const midnight = at.getHours() === 0 && at.getMinutes() === 0;
  return stepS >= 86_400 || midnight ? day(time).replace(/ \d{4}$/, "") : clock(time).slice(0, 5);
}

function clear(state) {
  for (const each of state.charts) each.destroy();
  state.charts = [];
}

function chart(id, data, span, label, colour) {
  const host = document.getElementById(id);
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--muted", "--line"].map((name) => style.getPropertyValue(name).trim());
  const stroke = style.getPropertyValue(colour).trim();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
  const { uPlot } = globalThis;
  return new uPlot({
    width: Math.max(280, host.clientWidth), height: 170, legend: { show: false }, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, range: () => [span.min, span.max] }, y: { range: (_, low, high) => [Math.min(0, low), (high || 1) * 1.15] } },
    axes: [{ ...axis, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickLabel(tick * 1000, step)) }, { ...axis, size: 78, values: (_, ticks) => ticks.map(label) }],
    series: [{}, { stroke, width: 2, fill: `${stroke}22`, paths: uPlot.paths.stepped({ align: 1 }), points: { show: data[0].length < 40, size: 5, fill: stroke } }],
  }, data, host);
}
