"""From a target to an ordered plan: what differs, in which order to change it, and whether that is worth it.

A pure stage: it knows neither solver nor store nor cloud.
"""

from scheduler.planner.draft import PlanContext, PlanSettings, make_plan
from scheduler.planner.view import decision_view

__all__ = ["PlanContext", "PlanSettings", "decision_view", "make_plan"]
