"""Spot decisions against recorded availability: cost and readiness by policy, beside a floor that knows the future."""
