// What the page knows, and when it asks again: at once (debounced) when an event says so, every 2 seconds while the stream is away,
// and now and then for figures that change without an event (load, margin).

import { get } from "./api.js";
import { setClock } from "./format.js";
import { follow } from "./stream.js";

const DEBOUNCE_MS = 120;
const POLL_MS = 2000;
const EVENTS_KEPT = 300;

// kinds: prefixes of event kinds that make it old. every: seconds between refreshes without any event.
const RESOURCES = {
  status: { path: "/v1/status", kinds: ["node_", "replica_", "cluster_", "plan_", "leader_"], every: 4 },
  clusters: { path: "/v1/clusters", kinds: ["cluster_", "node_", "replica_"], every: 4 },
  nodes: { path: "/v1/nodes", kinds: ["node_", "interruption_"], every: 8 },
  placements: { path: "/v1/placements", kinds: ["replica_", "move_", "cluster_"], every: 2 },
  deployments: { path: "/v1/deployments", kinds: ["deployment_"], every: 15 },
  demand: { path: "/v1/demand", kinds: ["deployment_"], every: 10 },
  migrations: { path: "/v1/migrations", query: { limit: 60 }, kinds: ["move_", "plan_"], every: 6 },
  plans: { path: "/v1/plans", query: { limit: 12 }, kinds: ["plan_"], every: 15 },
  margin: { path: "/v1/margin", kinds: [], every: 10 },
  providers: { path: "/v1/providers", kinds: ["provider_"], every: 15 },
  quarantined: { path: "/v1/providers/problems", kinds: ["provider_"], every: 15 },
  caps: { path: "/v1/caps", kinds: ["stockout", "quota_"], every: 15 },
  sources: { load: sources, kinds: [], every: 60 },
};

export class Live {
  /** `onChange()` is called after anything changed. */
  constructor(onChange) {
    this.data = {};
    this.errors = {};
    this.events = [];
    this.connected = false;
    this._onChange = onChange;
    this._queries = {};
    this._loadedAt = {};
    this._running = new Map();
    this._wanted = new Set();
    this._due = new Set();
    this._timer = null;
  }

  /** Begin to follow; never returns. */
  async start() {
    setInterval(() => this._poll(), POLL_MS);
    document.addEventListener("visibilitychange", () => this._poll());
    await this._firstEvents();
    await follow((event) => this._happened(event), (connected) => this._stream(connected));
  }

  /** What the visible view needs; what is missing or old is fetched. */
  want(names) {
    this._wanted = new Set(names);
    this._poll();
  }

  /** Set the query of a resource, such as the hours of the margin. */
  ask(name, query) {
    this._queries[name] = query;
    this.refresh(name);
  }

  query(name) {
    return this._queries[name] ?? RESOURCES[name].query ?? {};
  }

  /** Fetch soon; calls that come together become one. */
  refresh(...names) {
    for (const name of names) this._due.add(name);
    this._timer ??= setTimeout(() => {
      this._timer = null;
      const due = [...this._due];
      this._due.clear();
      for (const name of due) void this._fetch(name);
    }, DEBOUNCE_MS);
  }

  _happened(event) {
    this._remember([event]);
    this.refresh(...[...this._wanted].filter((name) => RESOURCES[name].kinds.some((kind) => event.kind.startsWith(kind))));
    this._onChange();
  }

  _stream(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    // Whatever was missed while away is read anew.
    if (connected) this.refresh(...this._wanted);
    this._onChange();
  }

  _poll() {
    if (document.hidden) return;
    const old = [...this._wanted].filter((name) => {
      const every = this.connected ? RESOURCES[name].every * 1000 : Math.min(POLL_MS, RESOURCES[name].every * 1000);
      return performance.now() - (this._loadedAt[name] ?? -Infinity) >= every - 100;
    });
    if (old.length > 0) this.refresh(...old);
    if (!this.connected) void this._firstEvents();
  }

  async _fetch(name) {
    if (this._running.has(name)) {
      // Asked again while on its way: that answer may be too old.
      this._running.set(name, true);
      return;
    }
    this._running.set(name, false);
    const resource = RESOURCES[name];
    try {
      this.data[name] = await (resource.load ? resource.load(this.data) : get(resource.path, this.query(name)));
      delete this.errors[name];
      if (name === "status") setClock(this.data.status.time);
    } catch (error) {
      this.errors[name] = error;
    }
    this._loadedAt[name] = performance.now();
    const again = this._running.get(name);
    this._running.delete(name);
    if (again) this.refresh(name);
    this._onChange();
  }

  async _firstEvents() {
    try {
      this._remember(await get("/v1/events", { limit: 100 }));
      delete this.errors.events;
    } catch (error) {
      this.errors.events = error;
    }
    this._onChange();
  }

  _remember(events) {
    const known = new Set(this.events.map((event) => event.sequence));
    const fresh = events.filter((event) => !known.has(event.sequence));
    if (fresh.length === 0) return;
    this.events = [...this.events, ...fresh].sort((a, b) => b.sequence - a.sequence).slice(0, EVENTS_KEPT);
  }
}

// Where the prices of each cloud in the fleet come from: one offer per (provider, account) tells it.
async function sources(data) {
  const clusters = data.clusters ?? (await get("/v1/clusters"));
  const pairs = new Map(clusters.map(({ cluster }) => [`${cluster.provider}/${cluster.account}/`, cluster]));
  return Promise.all([...pairs].map(async ([prefix, { provider, account }]) => {
    const page = await get("/v1/offers", { provider, text: prefix, limit: 1 });
    const offer = page.offers[0];
    return { provider, account, offers: page.total, kind: offer?.source_kind ?? "none", observedAt: offer?.observed_at ?? null };
  }));
}
