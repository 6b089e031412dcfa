"""Becomes another program after tying its life to the parent's; run by path, so it imports nothing of ours.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT...]

The kernel clears the death signal whenever credentials change, so privileges are dropped first. UID `-1`
keeps the caller's. All imports come before that: the interpreter's files may be out of the new user's reach.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def drop_privileges(uid: int, gid: int) -> None:
    """Becomes `uid` with `gid` as its only group; -1 as `uid` changes nothing."""
    if uid == -1:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Asks the kernel for `death_signal` when the parent dies; leaves at once if it died before that."""
    if (
        sys.platform == "linux"
        and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal) != 0
    ):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Does what the module promises; returns only by raising."""
    parent, death_signal, uid, gid = map(int, arguments[:4])
    program = arguments[4:]
    drop_privileges(uid, gid)
    die_with_parent(parent, death_signal)
    try:
        os.execvp(program[0], program)  # noqa: S606  (becoming the program is the point; there is no shell)
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
