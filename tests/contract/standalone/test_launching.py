"""A child's life is tied to its parent's, whatever ends the parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.standalone.accounts import bound_command, run_as, stand_in

# Says "told" when it gets its death signal, and waits for it.
CHILD = """
import signal, time
def leave(*_):
    print("told", flush=True)
    exit()
signal.signal(signal.SIGINT, leave)
print("up", flush=True)
time.sleep(20)
"""
# Starts the child, notes its number, and waits to be killed.
PARENT = """
import signal, subprocess, sys, time
from server.standalone.accounts import bound_command, stand_in
number, account, *child = sys.argv[1:]
command = bound_command(child, stand_in() if account == "other" else None, signal.SIGINT)
started = subprocess.Popen(command, start_new_session=True, cwd="/")
open(number, "w").write(str(started.pid))
time.sleep(20)
"""


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def python_for_others() -> str:
    """A Python that other accounts can run too; this one may be in root's own folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another account")
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if run_as(stand_in(), (candidate, "-V")).returncode == 0:
            return candidate
    pytest.skip("no Python here that another account can run")


@pytest.mark.parametrize("account", ["same", "other"])
def test_killing_the_parent_ends_the_child(account: str, tmp_path: Path) -> None:
    """The child gets its own death signal, also after it became another account."""
    python = sys.executable if account == "same" else python_for_others()
    number = tmp_path / "pid"
    command = (sys.executable, "-c", PARENT, str(number), account, python, "-c", CHILD)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        # The child holds the pipe too, so reading to the end waits for it.
        assert parent.stdout.read() == "told\n"
    deadline = time.monotonic() + 5
    while not ended(int(number.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_of_a_dead_parent_never_starts() -> None:
    """When the parent died before the kernel could be asked, the program is not run."""
    command = list(bound_command(("/bin/echo", "ran"), None, signal.SIGKILL))
    command[4] = "1"  # somebody else's number
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_missing_program_is_named() -> None:
    """A program that is not there gives its name and the reason."""
    done = run_as(None, ("/no/such/program",))
    assert done.returncode == 1
    assert "/no/such/program: No such file or directory" in done.stderr
