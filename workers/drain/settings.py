"""What the drain reads from its environment, once. Nothing else of it reads environment variables."""

from __future__ import annotations

from pydantic import Field

from workers.process_settings import ProcessSettings


class DrainSettings(ProcessSettings):
    """What every such process reads, and how many shards there are to drain."""

    stream_shards: int = Field(default=1, ge=1, le=100)
