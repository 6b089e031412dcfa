"""Writes requirements.lock: every distribution that a checkout needs, pinned with the hashes of its files.

    make lock            keeps the pins that still fit
    make lock UPGRADE=1  takes the newest versions that fit

One file serves Python 3.11 to 3.13 on every platform, through markers. It names no package index: whoever
installs decides where from. Our own two distributions are left out; they are installed from the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
OPTIONS = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
    "--no-emit-package=millrace-clients",
    "--extra=standalone",
    "--extra=dev",
    "--output-file=requirements.lock",
    "--quiet",
)
LOCAL = "millrace-clients[streams] @ ./clients\n"


def main() -> None:
    """Compiles the lock, and refuses one that would tie the project to an index."""
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    command = [str(UV), "pip", "compile", *OPTIONS, *upgrade, "pyproject.toml", "-"]
    subprocess.run(command, cwd=ROOT, input=LOCAL, text=True, check=True)  # noqa: S603  (our own command)
    if "://" in (ROOT / "requirements.lock").read_text():
        sys.exit("requirements.lock contains an address; it must name no index")


if __name__ == "__main__":
    main()
