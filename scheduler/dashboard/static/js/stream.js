// Follows the server-sent events. EventSource cannot send a key, so this reads the stream with fetch, resumes by Last-Event-ID, and
// treats a stream that is silent for longer than its keep-alive as broken.

import { request } from "./api.js";

const SILENCE_MS = 25_000;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];

/** Call `onEvent({sequence, kind, at, subject, message, data})` for each event and `onState(connected)` at changes; never ends. */
export async function follow(onEvent, onState) {
  let last = null;
  let failures = 0;
  for (;;) {
    try {
      const headers = last === null ? {} : { "last-event-id": String(last) };
      await readOnce(headers, (event) => {
        last = event.sequence;
        onEvent(event);
      }, () => {
        failures = 0;
        onState(true);
      });
    } catch (error) {
      if (error.name !== "AbortError" && error.status === undefined && !(error instanceof TypeError)) throw error;
    }
    onState(false);
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
    failures += 1;
  }
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function readOnce(headers, onEvent, onOpen) {
  const abort = new AbortController();
  let watch;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  const response = await request("/v1/events/stream", { headers, signal: abort.signal, cache: "no-store" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  onOpen();
  alive();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      buffer += value;
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      for (const block of blocks) parse(block, onEvent);
    }
  } finally {
    clearTimeout(watch);
  }
}

function parse(block, onEvent) {
  const fields = { id: "", data: "" };
  for (const line of block.split("\n")) {
    const cut = line.indexOf(":");
    if (cut > 0) fields[line.slice(0, cut)] = line.slice(cut + 1).trimStart();
  }
  if (fields.data) onEvent({ sequence: Number(fields.id), ...JSON.parse(fields.data) });
}
