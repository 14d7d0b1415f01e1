"""The ops dashboard: one static page that shows the fleet, and changes it, through the public JSON API.

The page holds no data and no rights of its own: the browser reads ``/v1/...`` and the event stream with the person's own
key. This room must not know the stores, the loop or the API's code; it serves files.
"""

from scheduler.dashboard.page import mount

__all__ = ["mount"]
