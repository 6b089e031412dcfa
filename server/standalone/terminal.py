"""What the supervisor tells whoever started it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from server.standalone.endpoints import Endpoints

Say = Callable[[str], None]


def say(message: str) -> None:
    """One line of news."""
    print(f"millrace: {message}", flush=True)


def show(
    endpoints: Endpoints, *, logs: Path, metrics: Mapping[str, int], pictures: str | None, seconds: float
) -> None:
    """The table of addresses and tokens, once everything is ready."""
    rows = {
        "shop's door": endpoints["edge_url"],
        "documents": f"{endpoints['edge_url']}/api/docs",
        "dashboard": f"{endpoints['edge_url']}/api/v1/analytics/dashboard  (with the admin token)",
        "gRPC": endpoints["grpc_target"],
        "PostgreSQL": endpoints["postgres_dsn"],
        "Redis": endpoints["redis_url"],
        "S3": f"{endpoints['s3_endpoint']}  bucket {endpoints['s3_bucket']}",
        "pictures": f"{endpoints['media_url']}  (uploads {endpoints['s3_upload_endpoint']})",
        **({"made with": pictures} if pictures else {}),
        "mail": f"{endpoints['mailbox_url']}  (SMTP {endpoints['smtp']})",
        "metrics": "  ".join(f"{name} :{port}" for name, port in sorted(metrics.items())),
        "logs": str(logs),
        "admin token": endpoints["admin_token"],
        "partner token": f"{endpoints['partner_token']}\n  {'':15}of partner {endpoints['partner_id']}",
    }
    print()
    for name, value in rows.items():
        print(f"  {name:<15}{value}")
    print("\n  These keys, passwords and tokens are for development on this machine only.\n", flush=True)
    say(f"ready after {seconds:.1f} s; `make demo` sends visitors, Ctrl-C stops everything")


def stopwatch() -> Callable[[], float]:
    """Seconds since now."""
    started = time.monotonic()
    return lambda: time.monotonic() - started
