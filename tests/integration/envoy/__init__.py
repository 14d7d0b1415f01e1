"""A real Envoy before scripted engines."""
