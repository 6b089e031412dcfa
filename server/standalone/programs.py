"""Finding the programs of the backing services: a wheel in this environment, then PATH, then a message."""

import importlib.util
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

WHEELS = "tools/setup.py installs the wheel where one exists for this Python and platform"


class ProgramMissingError(Exception):
    """A backing service has no program on this machine; the message names the command that installs one."""


def wheel_folder(package: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def script(name: str) -> Path | None:
    """A program that a wheel put beside this interpreter's scripts."""
    candidate = Path(sysconfig.get_path("scripts")) / name
    return candidate if candidate.exists() else None


def on_path(names: Iterable[str], folders: Iterable[Path] = ()) -> Path | None:
    """The first of `names` on PATH or in `folders`."""
    wanted = tuple(names)
    for name in wanted:
        found = shutil.which(name)
        if found:
            return Path(found).resolve()
    return next((folder / name for folder in folders for name in wanted if (folder / name).exists()), None)


def missing(service: str, debian_package: str, brew_package: str) -> ProgramMissingError:
    """The error for a service without a program."""
    command = (
        f"brew install {brew_package}" if sys.platform == "darwin" else f"apt-get install {debian_package}"
    )
    return ProgramMissingError(f"{service} was not found ({WHEELS}); install it with: {command}")
