"""Tells a call that Redis cannot take now from one that it will never take."""

from typing import Final

from millrace.streams.redis_errors import RedisFailure, RedisReplyError

# First words of replies that speak of Redis's state, or of our access to it, and not of the call.
_OF_REDIS: Final = frozenset(
    {
        "ASK",
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOAUTH",
        "NOGOODSLAVE",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNKILLABLE",
        "WRONGPASS",
    }
)


def is_for_good(failure: RedisFailure) -> bool:
    """Whether the same call would be refused again by a Redis in good health."""
    return isinstance(failure, RedisReplyError) and failure.code not in _OF_REDIS
