"""The way of a request to an engine: what Envoy is told, and what it tells. Never in the request path itself."""
