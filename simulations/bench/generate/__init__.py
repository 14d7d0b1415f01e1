"""``headrace bench generate``: placement problems of any size, from real prices, throughput and traffic where they are known.

A problem is feasible by construction: a plan is planted first, and every cap and quota leaves room for it. What no source tells
(clouds beyond the real ones, caps, quotas, hazards, rules) is drawn from a seeded generator and named as synthetic in the document.
"""
