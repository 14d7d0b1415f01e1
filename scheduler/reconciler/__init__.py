"""Carries a plan out: persisted state machines that compare what is with what should be, one step at a time.

``step`` is pure: it takes everything that is known and returns rows to write and actions to take. It re-derives both from
the full observation each time, so that a process killed anywhere resumes from what is stored. ``execute`` is the only
part that touches the world.
"""

from scheduler.reconciler.actions import REFUSALS, Action, FindNode, LaunchNode, Outcome, TerminateNode
from scheduler.reconciler.execute import Executor
from scheduler.reconciler.sight import ReconcileSettings, Sight
from scheduler.reconciler.step import Step, absorb, accept, step

__all__ = [
    "REFUSALS",
    "Action",
    "Executor",
    "FindNode",
    "LaunchNode",
    "Outcome",
    "ReconcileSettings",
    "Sight",
    "Step",
    "TerminateNode",
    "absorb",
    "accept",
    "step",
]
