"""Fake servers of real clouds' APIs, and the proof that an adapter reads and orders from them rightly, whatever goes wrong.

One module per cloud plays its vendor: paths, shapes, units, paging and error codes as the vendor documents them. Knows the adapters
only by their entry points; where the vendor publishes an SDK, the same fake is read by it too.
"""
