"""An S3 server for one stack: rclone over a folder, checking signatures against one generated key pair."""

import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from server.standalone import programs
from server.standalone.children import Child, ChildSpec, running
from server.standalone.ports import free_port
from server.standalone.private_files import write_private
from server.standalone.probes import accepts

BUCKET = "media"


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """A server over `folder`, each subfolder a bucket, and how to reach it once started."""

    program: Path
    folder: Path
    port: int
    access_key: str
    secret_key: str
    bucket: str = BUCKET

    @property
    def endpoint(self) -> str:
        """The base URL; buckets are the first path segment."""
        return f"http://127.0.0.1:{self.port}"

    def child(self, log: Path) -> ChildSpec:
        """The server process; the key pair goes by environment, out of the command line."""
        own = {"RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"', "RCLONE_CONFIG": os.devnull}
        return ChildSpec(
            name="s3",
            command=(str(self.program), "serve", "s3", "--addr", f"127.0.0.1:{self.port}", str(self.folder)),
            environment={**os.environ, **own},
            folder=self.folder,
            log=log,
            ready=accepts(self.port),
            stop_within=5.0,
        )


def prepare(state: Path, *, port: int) -> ObjectStore:
    """Finds the program, and makes the folder, the bucket and the key pair when they are not there yet."""
    folder = state / "s3"
    (folder / BUCKET).mkdir(mode=0o700, parents=True, exist_ok=True)
    keys_file = state / "s3.keys.json"
    if not keys_file.exists():
        pair = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
        write_private(keys_file, json.dumps(pair))
    return ObjectStore(program=find_program(), folder=folder, port=port, **json.loads(keys_file.read_text()))


def find_program() -> Path:
    """The wheel's rclone, else one on PATH."""
    found = programs.script("rclone") or programs.on_path(("rclone",))
    if found is None:
        raise programs.missing("rclone (the S3 server)", "rclone", "rclone")
    return found


@contextlib.asynccontextmanager
async def running_object_store(
    state: Path, *, port: int | None = None
) -> AsyncIterator[tuple[ObjectStore, Child]]:
    """A started server with its files under `state`, for tests."""
    store = prepare(state, port=port or free_port())
    async with running(store.child(state / "s3.log")) as child:
        yield store, child
