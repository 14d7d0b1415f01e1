// Numbers, times and amounts as people read them. Every number carries its unit.

const MICRO = 1e6;
export const HOURS_PER_MONTH = 730;
let skewMs = 0;

/** Take the control plane's clock as the truth, so that countdowns are right on a machine whose clock is not. */
export function setClock(serverTime) {
  skewMs = new Date(serverTime).getTime() - Date.now();
}

/** The control plane's present time in milliseconds. */
export function now() {
  return Date.now() + skewMs;
}

/** Dollars; cents by default, more digits for small amounts. */
export function usd(amount, digits) {
  if (amount === null || amount === undefined) return "—";
  const size = Math.abs(amount);
  const shown = digits ?? (size === 0 || size >= 1 ? 2 : size >= 0.01 ? 3 : 5);
  const text = size.toLocaleString("en-US", { minimumFractionDigits: shown, maximumFractionDigits: shown });
  return `${amount < 0 ? "−" : ""}$${text}`;
}

export const fromMicro = (micro) => (micro === null || micro === undefined ? null : micro / MICRO);
/** An hourly price: three digits below $10, where a tenth of a cent counts over a month. */
export const perHour = (amount, digits) => `${usd(amount, digits ?? (amount === 0 ? 0 : Math.abs(amount) < 10 ? 3 : 2))}/h`;
export const perMonth = (amountPerHour) => `${usd(amountPerHour * HOURS_PER_MONTH, 0)}/month`;

/** A share of 0 to 1 as percent. */
export function percent(share, digits = 1) {
  if (share === null || share === undefined) return "—";
  return `${share < 0 ? "−" : ""}${(Math.abs(share) * 100).toFixed(digits)} %`;
}

export function count(amount) {
  return amount === null || amount === undefined ? "—" : amount.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/** "1 replica", "2 replicas". */
export const plural = (amount, noun) => `${count(amount)} ${noun}${amount === 1 ? "" : "s"}`;

/** Large counts shortened: 12.3 k, 4.5 M. */
export function short(amount) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (amount >= size) return `${(amount / size).toFixed(1)} ${unit}`;
  return count(amount);
}

/** Milliseconds as "4.2 s", "3 min 05 s", "2 h 10 min". */
export function duration(ms) {
  return spelled(ms).replace(/ 00 (s|min)$/, "");
}

function spelled(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  if (seconds < 86400 * 2) return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

export const since = (time) => now() - new Date(time).getTime();

/** "12 s ago"; whole seconds, so that it does not flicker. */
export function ago(time) {
  if (!time) return "never";
  const ms = since(time);
  return ms < 1000 ? "just now" : `${duration(ms < 10000 ? Math.floor(ms / 1000) * 1000 : ms).replace(".0 s", " s")} ago`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const clock = (time) => CLOCK.format(new Date(time));
export const day = (time) => DAY.format(new Date(time));
/** Time of day for today, with the date otherwise. */
export const moment = (time) => (day(time) === day(now()) ? clock(time) : `${day(time)} ${clock(time)}`);
export const words = (name) => name.replaceAll("_", " ");
