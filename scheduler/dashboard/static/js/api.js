// Calls to the JSON API. A problem document becomes a Problem; a missing key is asked for once and kept for this browser tab.

import { askForKey } from "./question.js";

const KEY = "headrace.key";

/** What the API refused, in its own words. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `The control plane answered ${status}.`);
    this.status = status;
    this.conflicts = document.conflicts ?? [];
    this.remedies = document.remedies ?? [];
  }
}

/** GET a path with query parameters; empty ones are left out. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return call(text ? `${path}?${text}` : path, {});
}

/** POST to a path; with a body only where one is given. */
export function post(path, body) {
  const options = { method: "POST" };
  if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  return call(path, options);
}

async function call(path, options) {
  const response = await request(path, options);
  if (response.status === 204) return null;
  return response.json();
}

/** fetch() with the key; asks for one where the API wants it. Throws Problem for every other refusal. */
export async function request(path, options) {
  for (;;) {
    const used = sessionStorage.getItem(KEY);
    const response = await reach(path, withKey(options, used));
    if (response.ok) return response;
    const problem = new Problem(response.status, await documentOf(response));
    if (response.status !== 401) throw problem;
    // Another call may have asked meanwhile: then try what it got.
    if (sessionStorage.getItem(KEY) === used) sessionStorage.setItem(KEY, await askForKey(problem.message));
  }
}

function withKey(options, key) {
  if (!key) return options;
  return { ...options, headers: { ...options.headers, authorization: `Bearer ${key}` } };
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The control plane does not answer. What is shown may be old; serving is not affected." });
  }
}

async function documentOf(response) {
  const type = response.headers.get("content-type") ?? "";
  return type.includes("json") ? response.json() : {};
}
