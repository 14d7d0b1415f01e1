"""The control loop: observe, reconcile, decide, act, route. One leader at a time, fenced by its epoch."""

from scheduler.control.decide import Decision, decide
from scheduler.control.loop import ControlLoop, LoopSettings, LoopStores, World

__all__ = ["ControlLoop", "Decision", "LoopSettings", "LoopStores", "World", "decide"]
