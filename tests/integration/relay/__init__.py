"""A real Envoy, a real relay and scripted engines, as processes."""
