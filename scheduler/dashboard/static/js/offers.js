// The market: every offer, filtered, sorted and paged by the server.

import { get } from "./api.js";
import { h } from "./dom.js";
import { ago, count, day, perHour } from "./format.js";
import { history } from "./history.js";
import { badge, cell, code, empty, number, table } from "./parts.js";

export const needs = ["providers"];

const PAGE = 50;
const TYPING_MS = 250;
const REFRESH_MS = 15_000;
const COLUMNS = [
  ["provider", "Cloud"], ["region", "Region, zone"], ["", "Instance type"], ["accelerator", "Accelerators"], ["", "Capacity"],
  ["price", "Price, whole"], ["gpu_price", "Price per GPU"], ["", "Stock"], ["", "Source"], ["", ""],
];
const CAPACITY = [["", "any capacity"], ["on-demand", "on-demand"], ["spot", "spot"], ["reserved", "reserved"], ["capacity-block", "capacity block"]];

const state = { filter: { text: "", provider: "", accelerator: "", capacity_type: "" }, sort: "gpu_price", descending: false, offset: 0 };
let page = null;
let problem = null;
let asked = 0;
let loadedAt = -Infinity;
let typing = null;
let paint = () => {};

/** Called while the view is shown, with the function that draws it again. */
export function shown(repaint) {
  paint = repaint;
  if (performance.now() - loadedAt > REFRESH_MS) void load();
}

async function load() {
  const mine = ++asked;
  loadedAt = performance.now();
  try {
    const found = await get("/v1/offers", { ...state.filter, sort: state.sort, descending: state.descending, limit: PAGE, offset: state.offset });
    // An answer to an older question comes too late.
    if (mine !== asked) return;
    [page, problem] = [found, null];
  } catch (error) {
    if (mine === asked) problem = error;
  }
  paint();
}

function change(changes) {
  Object.assign(state, { offset: 0 }, changes);
  void load();
  paint();
}

const filterBy = (name, value) => change({ filter: { ...state.filter, [name]: value } });

function typed(name, value) {
  state.filter[name] = value;
  clearTimeout(typing);
  typing = setTimeout(() => filterBy(name, value), TYPING_MS);
}

export function draw(live) {
  return [filters(live), problem && h("div", { class: "notice bad", role: "alert" }, problem.message), page ? list() : !problem && h("p", { class: "hint" }, "Reading…")];
}

function filters(live) {
  const clouds = [...new Set([...(live.data.sources ?? []), ...(page?.offers ?? [])].map((each) => each.provider))].sort();
  const kinds = [...new Set((page?.offers ?? []).map((offer) => offer.accelerator))].sort();
  return h("form", { class: "filters", role: "search", "aria-label": "Filter offers", onsubmit: (event) => event.preventDefault() },
    h("label", null, "Search", h("input", { type: "search", name: "text", maxlength: "200", placeholder: "type, zone, country…", oninput: (event) => typed("text", event.target.value) })),
    h("label", null, "Cloud", h("input", { name: "provider", list: "clouds", placeholder: "any", onchange: (event) => filterBy("provider", event.target.value.trim()) }),
      h("datalist", { id: "clouds" }, clouds.map((name) => h("option", { key: name, value: name })))),
    h("label", null, "Accelerator", h("input", { name: "accelerator", list: "accelerators", placeholder: "any, e.g. L4-24GB-PCIe", onchange: (event) => filterBy("accelerator", event.target.value.trim()) }),
      h("datalist", { id: "accelerators" }, kinds.map((name) => h("option", { key: name, value: name })))),
    h("label", null, "Capacity", h("select", { name: "capacity_type", onchange: (event) => filterBy("capacity_type", event.target.value) },
      CAPACITY.map(([value, text]) => h("option", { key: value, value }, text)))));
}

function list() {
  if (page.total === 0) {
    const filtered = Object.values(state.filter).some(Boolean);
    return filtered ? empty("No offer matches.", "Loosen the filter: cloud and accelerator must match whole names, the search takes any part.")
      : empty("No offers are known yet.", ["The collectors bring them within a poll; see Providers. ", code("headrace providers"), " tells which are enabled."]);
  }
  const last = Math.min(state.offset + PAGE, page.total);
  return [
    table("Offers", COLUMNS.map(([sort, title]) => heading(sort, title)), page.offers.map(row)),
    h("nav", { class: "pager", "aria-label": "Pages of offers" },
      h("button", { type: "button", disabled: state.offset === 0, onclick: () => change({ offset: Math.max(0, state.offset - PAGE) }) }, "Previous"),
      h("span", { id: "offers-count", role: "status" }, `${count(state.offset + 1)} to ${count(last)} of ${count(page.total)} offers`),
      h("button", { type: "button", disabled: last >= page.total, onclick: () => change({ offset: state.offset + PAGE }) }, "Next")),
  ];
}

function heading(sort, title) {
  const numeric = ["price", "gpu_price"].includes(sort) ? "number" : undefined;
  if (!sort) return { title: title || h("span", { class: "unseen" }, "History"), class: numeric };
  const active = state.sort === sort;
  const arrow = active ? (state.descending ? " ↓" : " ↑") : "";
  const say = active ? (state.descending ? ", sorted descending" : ", sorted ascending") : "";
  return {
    class: numeric,
    title: h("button", { type: "button", class: "sort", "aria-label": `Sort by ${title}${say}`,
      onclick: () => change({ sort, descending: active && !state.descending }) }, title + arrow),
  };
}

function row(offer) {
  return h("tr", { key: offer.id, "data-offer": offer.id },
    cell(offer.provider, offer.account !== "default" && h("div", { class: "hint" }, offer.account)),
    cell(offer.region, h("div", { class: "hint" }, [offer.zone === offer.region ? "" : offer.zone, offer.jurisdiction].filter(Boolean).join(" · "))),
    cell(offer.instance_type, h("div", { class: "hint" }, `${offer.vcpus} vCPU · ${count(offer.memory_gib)} GiB`)),
    cell(`${offer.accelerator_count} × ${offer.accelerator}`),
    cell(badge(offer.capacity_type)),
    number(perHour(offer.usd_per_h, 3)),
    number(perHour(offer.usd_per_gpu_h, 3)),
    cell(h("span", { class: offer.availability === "sold out" || offer.availability === "0 left" ? "loss" : undefined }, offer.availability)),
    cell(badge(offer.source_kind), h("div", { class: "hint" }, offer.source_kind === "snapshot" ? `as of ${day(offer.observed_at)}` : ago(offer.observed_at))),
    cell(h("button", { type: "button", "aria-label": `History of ${offer.id}`, onclick: () => void history(offer) }, "History")));
}
