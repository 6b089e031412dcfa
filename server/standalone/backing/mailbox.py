"""The mail catcher of one stack: an SMTP server that sends nothing on, and a page that shows what arrived."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from server.standalone.children import Child, ChildSpec, running
from server.standalone.ports import free_port
from server.standalone.probes import accepts, all_of, http_ok

PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """Where mail is taken and shown once started. JSON is at `{url}/api/mails`, optionally `?to=address`."""

    folder: Path
    smtp_port: int
    http_port: int

    @property
    def smtp(self) -> str:
        """`host:port`, plain SMTP without authentication."""
        return f"127.0.0.1:{self.smtp_port}"

    @property
    def url(self) -> str:
        """The page for people."""
        return f"http://127.0.0.1:{self.http_port}"

    def child(self, log: Path) -> ChildSpec:
        """The one process that does both."""
        arguments = (str(self.folder), str(self.smtp_port), str(self.http_port))
        return ChildSpec(
            name="mailbox",
            command=(sys.executable, "-m", "server.standalone.mailbox", *arguments),
            environment=os.environ,
            folder=PROJECT,
            log=log,
            ready=all_of([http_ok(self.http_port, "/api/mails"), accepts(self.smtp_port)]),
            stop_within=3.0,
        )


def prepare(state: Path, *, smtp_port: int, http_port: int) -> Mailbox:
    """The mailbox whose mails are kept under `state`."""
    return Mailbox(folder=state / "mailbox", smtp_port=smtp_port, http_port=http_port)


@contextlib.asynccontextmanager
async def running_mailbox(state: Path) -> AsyncIterator[tuple[Mailbox, Child]]:
    """A started mailbox with its files under `state`, for tests."""
    smtp_port = free_port()
    mailbox = prepare(state, smtp_port=smtp_port, http_port=free_port(frozenset({smtp_port})))
    async with running(mailbox.child(state / "mailbox.log")) as child:
        yield mailbox, child
