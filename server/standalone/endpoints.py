"""`endpoints.json`: where everything is, for programs. There only while the stack is ready to be used."""

import json
from pathlib import Path
from typing import TypedDict

from server.standalone.private_files import write_private

FILE = "endpoints.json"


class Endpoints(TypedDict):
    """The file's content. It holds credentials, so only its owner can read it."""

    edge_url: str
    grpc_target: str
    postgres_dsn: str
    redis_url: str
    s3_endpoint: str
    # Where browsers send uploads; presigned URLs begin with it.
    s3_upload_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    s3_bucket: str
    # Below it everybody reads pictures by their key.
    media_url: str
    smtp: str
    mailbox_url: str
    admin_token: str
    partner_token: str
    partner_id: str
    service_token: str
    # Of each process of ours, by its name: where Prometheus reads.
    metrics: dict[str, str]


def write_endpoints(state: Path, endpoints: Endpoints) -> None:
    """Writes the file in one step: whoever sees it sees all of it."""
    write_private(state / FILE, json.dumps(endpoints, indent=1) + "\n")


def remove_endpoints(state: Path) -> None:
    """Removes the file of an earlier run, if there is one."""
    (state / FILE).unlink(missing_ok=True)
