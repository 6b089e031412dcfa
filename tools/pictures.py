"""Decides which library reads and writes an environment's pictures, pillow-simd or Pillow, and provides it.

    python tools/pictures.py PYTHON      for the environment of PYTHON, for any processor of the architecture

pillow-simd is wanted where it can be built with WebP and colour profiles, unless `MILLRACE_PILLOW` says
otherwise. `MILLRACE_PILLOW_WHEEL` names a wheel of it, which spares the form above its build. Runs with any
Python from 3.8 on. How it is built and takes Pillow's place is for `pillow_simd`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # an isolated Python does not look beside the file that it runs
    sys.path.insert(0, str(ROOT))

from tools.compiling import (  # noqa: E402
    Machine,
    has_avx2,
    how_to_install,
    install_headers,
    look,
    may_install_headers,
)
from tools.pillow_simd import CannotBuild, Target, build, kept_wheel, put_in, target_of  # noqa: E402

VARIABLE = "MILLRACE_PILLOW"
WHEEL_VARIABLE = "MILLRACE_PILLOW_WHEEL"
AUTO, STOCK, SIMD = CHOICES = ("auto", "stock", "simd")
ARCHITECTURES = {"x86_64", "amd64"}
SYSTEMS = {"Linux", "Darwin"}


def chosen() -> str:
    """What `MILLRACE_PILLOW` says. Raises CannotBuild for anything else than the three words."""
    choice = os.environ.get(VARIABLE) or AUTO
    if choice not in CHOICES:
        raise CannotBuild(f"{VARIABLE} is {choice!r}; it may be {', '.join(CHOICES)}")
    return choice


def still_serves(record: Mapping[str, Any], choice: str, *, avx2: bool) -> bool:
    """Whether an environment with this record is what the choice would come to now, on this processor."""
    if record.get("avx2") and not avx2:
        return False
    has_simd = record.get("library") == SIMD
    if choice == AUTO:
        return has_simd or record.get("choice") == AUTO
    return has_simd == (choice == SIMD)


def obstacle(machine: Machine) -> str | None:
    """Why pillow-simd cannot be built on such a machine; None when it can."""
    if machine.architecture.lower() not in ARCHITECTURES or machine.system not in SYSTEMS:
        return f"pillow-simd is not for {machine.system} on {machine.architecture}"
    if machine.compiler is None:
        return f"there is no C compiler{_advice(machine)}"
    if machine.missing:
        names = ", ".join(library.name for library in machine.missing)
        return f"there are no headers of {names}{_advice(machine)}"
    return None


def _advice(machine: Machine) -> str:
    command = how_to_install(machine)
    return f"; for pillow-simd: {command} && {VARIABLE}={SIMD} make setup" if command else ""


def provide(
    target: Target, choice: str, say: Callable[[str], None], *, portable: bool = False
) -> dict[str, Any]:
    """Makes the wanted library the environment's and returns the record of it. Pillow must be whole before.

    `portable` leaves AVX2 alone. Raises CannotBuild where `simd` was asked for and Pillow had to stay.
    """
    if choice == STOCK:
        return {"choice": choice, "library": STOCK}
    avx2 = has_avx2() and not portable
    try:
        wheel = kept_wheel(target, avx2=avx2) or _built(target, say, avx2=avx2)
        put_in(target, wheel)
    except (CannotBuild, OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(target.workshop, ignore_errors=True)  # a wheel that failed is not tried again
        if choice == SIMD:
            raise CannotBuild(f"{VARIABLE}={SIMD}, but {error}") from error
        say(f"pictures: Pillow serves, since {error}")
        return {"choice": choice, "library": STOCK}
    say(f"pictures: pillow-simd, for {'AVX2' if avx2 else 'SSE4'}")
    return {"choice": choice, "library": SIMD, "avx2": avx2}


def _built(target: Target, say: Callable[[str], None], *, avx2: bool) -> Path:
    machine = _with_headers(look(target.python), target, say)
    if (why := obstacle(machine)) is not None:
        raise CannotBuild(why)
    say("building pillow-simd (about 20 seconds, once)")
    try:
        return build(target, str(machine.compiler), avx2=avx2)
    except CannotBuild as error:
        # An index that was away, most likely; of itself the set-up does not try again.
        raise CannotBuild(f"{error}\n    To try again: {VARIABLE}={SIMD} make setup") from error


def _with_headers(machine: Machine, target: Target, say: Callable[[str], None]) -> Machine:
    """The machine after an attempt to install what alone is in the way, where that is ours to do."""
    wanted = machine.missing and machine.all_packaged and obstacle(machine.with_headers()) is None
    if not wanted or not may_install_headers():
        return machine
    say(f"installing headers with apt-get: {' '.join(machine.packages)}")
    if not install_headers(machine):
        say("apt-get could not install them")
    return look(target.python)


def main() -> None:
    """For the image: a portable build, or Pillow where that cannot be."""
    target = target_of(Path(sys.argv[1]), Path(sys.executable))
    try:
        if given := os.environ.get(WHEEL_VARIABLE):
            put_in(target, Path(given))
        else:
            provide(target, chosen(), lambda line: print(f"setup: {line}", flush=True), portable=True)
    except CannotBuild as error:
        sys.exit(f"setup: {error}")
    finally:
        shutil.rmtree(target.workshop, ignore_errors=True)


if __name__ == "__main__":
    main()
