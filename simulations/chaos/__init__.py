"""Faults against the real parts: Envoy, the relay and engines as processes of their own, under streams that are checked word by word."""
