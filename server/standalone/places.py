"""Where a backing service that runs under another account keeps its files.

Inside the state folder when that account can reach it, else in a folder of ours on the system, named after
the state folder, so that cleaning up can find it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from server.standalone.accounts import Account, run_as

SYSTEM_STATE = Path("/var/lib/millrace")


class UnsafePlaceError(Exception):
    """A folder that we would have to trust belongs to somebody else."""


def outside_candidates(state: Path) -> tuple[Path, ...]:
    """The folders on the system that may hold files of the stack with this state folder."""
    name = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:16]
    return SYSTEM_STATE / name, Path(tempfile.gettempdir()) / f"millrace-{name}"


def can_write(account: Account | None, folder: Path) -> bool:
    """Whether the account can make and remove a file in the folder."""
    probe = folder / ".probe"
    return run_as(account, ("/bin/sh", "-c", 'echo > "$0" && rm "$0"', str(probe))).returncode == 0


def owned_folder(parent: Path, name: str, account: Account | None) -> Path:
    """The folder `name` in `parent`, made when missing, private to the account."""
    folder = parent / name
    folder.mkdir(mode=0o700, exist_ok=True)
    if account and folder.stat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)
    return folder


def place_for(state: Path, name: str, account: Account | None) -> Path:
    """A folder called `name` that the account owns and reaches; the same one on every start."""
    if account is None:
        return owned_folder(state, name, None)
    for candidate in outside_candidates(state):
        if (candidate / name).is_dir():
            return owned_folder(_trusted(candidate), name, account)
    inside = owned_folder(state, name, account)
    if any(inside.iterdir()) or can_write(account, inside):
        return inside
    inside.rmdir()
    return owned_folder(_outside(state), name, account)


def give(folder: Path, account: Account) -> None:
    """Makes the account the owner of the folder and of everything in it."""
    for place, _, files in os.walk(folder):
        for path in (place, *(os.path.join(place, file) for file in files)):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _outside(state: Path) -> Path:
    for candidate in outside_candidates(state):
        with contextlib.suppress(OSError):
            if candidate.parent == SYSTEM_STATE:
                _passable(SYSTEM_STATE)
            return _trusted(_passable(candidate))
    raise UnsafePlaceError("neither the system's state folder nor its temporary folder can be written")


def _passable(folder: Path) -> Path:
    """Makes the folder if missing; others may pass through it whatever our umask says."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o711)
    return folder


def _trusted(folder: Path) -> Path:
    """`folder` itself, unless somebody else made it (its name can be guessed) or it is a link."""
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        raise UnsafePlaceError(
            f"{folder} belongs to somebody else; remove it or choose another MILLRACE_STATE_DIR"
        )
    return folder


def remove_outside(state: Path) -> list[Path]:
    """Removes what the stack with this state folder keeps elsewhere; returns what was removed."""
    removed = []
    for candidate in outside_candidates(state):
        if candidate.is_dir() and not candidate.is_symlink() and candidate.lstat().st_uid == os.geteuid():
            shutil.rmtree(candidate)
            removed.append(candidate)
    with contextlib.suppress(OSError):  # other stacks may have their folders there
        SYSTEM_STATE.rmdir()
    return removed
