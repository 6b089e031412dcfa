"""What the drain reads from its environment, once. Nothing else of it reads environment variables."""

from __future__ import annotations

from pydantic import Field

from server.environment import CommaList
from workers.process_settings import ProcessSettings


class DrainSettings(ProcessSettings):
    """What every such process reads, how many shards there are to drain, and how events are judged."""

    stream_shards: int = Field(default=1, ge=1, le=100)

    # After how many days raw events go; those older are not taken any more.
    event_retention_days: int = Field(default=90, ge=32, le=3650)
    # Hosts of the shop beside those that links may lead to: who comes from there comes from no other place.
    own_hosts: CommaList = ()
