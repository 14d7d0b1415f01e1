"""What is asked of the fleet: demand as declared and as metered. Pure; forecasting and scaling build on it."""

from scheduler.demand.observe import DemandView, observe

__all__ = ["DemandView", "observe"]
