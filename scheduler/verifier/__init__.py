"""Judges a plan from three JSON documents alone: the problem, the plan, and the certificate of its lower bound.

Standard library only, and nothing of ours: whoever doubts a plan needs neither our solver nor our types, only these files.
Pools, options and rules are derived anew from the problem document; money is integer micro-USD and every comparison that
a verdict hangs on is made in integers or fractions. It must not know how a plan was found.
"""

from scheduler.verifier.reading import BadDocumentError
from scheduler.verifier.verdict import Verdict, verify

__all__ = ["BadDocumentError", "Verdict", "verify"]
