"""What one run of the tool was asked to do. Reading the command line is `command`'s business."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from edge.client_address import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`credentials` is None for plain text; `metrics_port` 0 for no metrics; `deadline` is in seconds."""

    upstream: str
    credentials: grpc.ChannelCredentials | None
    watches_health: bool
    host: str
    port: int
    deadline: float
    forwarded_headers: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    metrics_host: str
    metrics_port: int
    has_documents: bool
