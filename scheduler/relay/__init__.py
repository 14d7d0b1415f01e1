"""Holds requests while no replica is ready, and continues streams whose replica died. Knows Envoy by HTTP only.

What to do for a deployment arrives with each request, in headers that Envoy sets; the relay has no configuration and no memory
beyond the requests in flight, and Envoy goes around it while it is down.
"""
