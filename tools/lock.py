"""Writes the lock files: distributions pinned with the hashes of their files.

    make lock            keeps the pins that still fit
    make lock UPGRADE=1  takes the newest versions that fit

`requirements.lock` is what a checkout needs, `requirements-runtime.lock` the part of it that our processes
need, and `requirements-build.lock` the part that builds and installs them; the image is made of the last two.
`requirements-simd.lock` is Pillow's faster fork alone, which takes Pillow's place where it can be built.
Each serves Python 3.11 to 3.13 on every platform, through markers. None names a package index: whoever
installs decides where from. Our own two distributions are left out; they are installed from the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
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
    "--quiet",
)
LOCK, RUNTIME_LOCK, BUILD_LOCK = "requirements.lock", "requirements-runtime.lock", "requirements-build.lock"
SIMD_LOCK = "requirements-simd.lock"
SIMD = "pillow-simd>=12.1,<13\n"
SIMD_BUILT_WITH = ("pybind11", "setuptools")
OURS = "millrace-clients[streams] @ ./clients\n"


def main() -> None:
    """Compiles the lock and then, bound to its versions, its two parts; and the one of Pillow's fork."""
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    write(LOCK, "--extra=standalone", "--extra=dev", *upgrade, "pyproject.toml", "-", listed=OURS)
    write_parts(ROOT)
    write(SIMD_LOCK, *upgrade, "-", listed=SIMD)


def write_parts(folder: Path) -> None:
    """Writes the runtime and the build lock into `folder`, anew, with the versions of requirements.lock."""
    bound = f"--constraints={LOCK}"
    for name in (RUNTIME_LOCK, BUILD_LOCK):
        (folder / name).unlink(missing_ok=True)
    write(RUNTIME_LOCK, bound, "pyproject.toml", "-", listed=OURS, folder=folder)
    write(BUILD_LOCK, bound, "-", listed="\n".join(build_requirements()), folder=folder)


def build_requirements() -> list[str]:
    """What builds the wheels of our two distributions and of pillow-simd, and installs all in the image."""
    projects = (ROOT / "pyproject.toml", ROOT / "clients" / "pyproject.toml")
    wanted = (tomllib.loads(project.read_text())["build-system"]["requires"] for project in projects)
    return sorted({"uv", *SIMD_BUILT_WITH}.union(*wanted))


def write(name: str, *arguments: str, listed: str, folder: Path = ROOT) -> None:
    """Compiles what `arguments` and the lines of `listed` ask for; refuses a lock that names an index."""
    file = folder / name
    command = [str(UV), "pip", "compile", *OPTIONS, f"--output-file={file}", *arguments]
    subprocess.run(command, cwd=ROOT, input=listed, text=True, check=True)  # noqa: S603  (our own command)
    if "://" in file.read_text():
        sys.exit(f"{name} contains an address; it must name no index")


def pins(lock: str) -> Mapping[str, str]:
    """The lines of a lock by distribution: version and marker, without the hashes."""
    lines = (line.removesuffix(" \\") for line in lock.splitlines() if line[:1].isalnum())
    return {line.partition("==")[0]: line for line in lines}


if __name__ == "__main__":
    main()
