"""Which unprivileged account stands in for root where a program refuses root, and running things as it.

Where that account's files go is decided in `places`.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
# nobody before postgres: the latter may own a real database on this machine.
PREFERRED = ("nobody", "postgres", "daemon")


class NoAccountError(Exception):
    """Root is running us and the machine has no other account to hand a program to."""


@dataclass(frozen=True)
class Account:
    """An entry of the password database."""

    name: str
    uid: int
    gid: int


def stand_in(wanted: str | None = None) -> Account | None:
    """The account to use in place of root, `wanted` by name if given; None when we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    names = (wanted,) if wanted else (*PREFERRED, *known)
    for name in names:
        if name in known:
            entry = known[name]
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if wanted:
        raise NoAccountError(f"MILLRACE_POSTGRES_ACCOUNT names {wanted!r}, which is no account except root's")
    raise NoAccountError(
        "PostgreSQL refuses to run as root and there is no other account; make one: useradd --system millrace"
    )


def bound_command(
    command: Sequence[str], account: Account | None, death_signal: signal.Signals
) -> tuple[str, ...]:
    """The command run as `account` (None: as ourselves) and sent `death_signal` should this process die."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    bound_to = (str(os.getpid()), str(int(death_signal)), str(uid), str(gid))
    return (sys.executable, "-I", "-S", str(LAUNCH), *bound_to, *command)


def run_as(
    account: Account | None, command: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a short command to its end as `account` (None: as ourselves) and returns it with its output.

    The working folder is `/`, which every account can enter.
    """
    return subprocess.run(  # noqa: S603  (the launcher and programs that we located ourselves)
        bound_command(command, account, signal.SIGKILL),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
