"""Keeps Redis calls on disk while Redis does not take them, and replays them when it does.

What a call does when it is made late is the Redis Function's business; which calls are spooled is decided by
who records clicks and events.
"""

from edge.spool.errors import SpoolError, SpoolFull, SpoolUnavailable
from edge.spool.replayer import Replayer
from edge.spool.spool import Spool

__all__ = ["Replayer", "Spool", "SpoolError", "SpoolFull", "SpoolUnavailable"]
