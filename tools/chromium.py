"""Finds a Chromium for the tests of pages, or installs one where that is possible without asking.

    python tools/chromium.py        says where it is; installs it when it is missing

As root on Debian and Ubuntu it is installed with apt-get; elsewhere that is left to whoever owns the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ADVICE = """\
No Chromium is on PATH. Install one, or say where it is with MILLRACE_CHROMIUM:
    apt-get install chromium                  (Debian, Ubuntu)
    brew install --cask chromium              (macOS)"""
INSTALL_SECONDS = 600


def find_chromium() -> Path | None:
    """The program that MILLRACE_CHROMIUM names, else the first one on PATH."""
    named = os.environ.get("MILLRACE_CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    return Path(found) if found else None


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_chromium() -> Path | None:
    """Installs Debian's package; None when that did not give a Chromium."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "chromium"]):
        # When there is a problem, what counts is whether a Chromium is there afterwards.
        subprocess.run(  # noqa: S603 - our own arguments
            ["apt-get", *command],  # noqa: S607 - apt-get is where the distribution put it
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    return find_chromium()


def main() -> None:
    chromium = find_chromium()
    if chromium is None and can_install():
        print("installing Chromium with apt-get", flush=True)
        chromium = install_chromium()
    if chromium is None:
        sys.exit(ADVICE)
    print(chromium)


if __name__ == "__main__":
    main()
