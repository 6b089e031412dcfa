"""Builds pillow-simd for an environment and lets it take Pillow's place there, or leaves Pillow as it was.

Both own the folder `PIL`, so only one of them is ever whole. The new one is built and tried out beside the
environment, and takes the old one's place by renaming. Runs with any Python from 3.8 on and needs the
standard library alone; what it is built with, setuptools and pybind11, are installed where pip is. Whether
it is wanted is not decided here.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.compiling import ask

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-simd.lock"
# Those required make the build fail when they are not found; the others nobody here asks for.
REQUIRED = ("jpeg", "zlib", "webp", "lcms")
LEFT_OUT = ("avif", "tiff", "freetype", "raqm", "jpeg2000", "imagequant", "xcb")
OPTIONS = (*(f"{name}=enable" for name in REQUIRED), *(f"{name}=disable" for name in LEFT_OUT))
BUILD_SECONDS, INSTALL_SECONDS, CHECK_SECONDS = 900, 120, 60
# With what pip leaves when it is killed.
OWNED = ("PIL", "pillow.libs", "pillow-*.dist-info", "pillow_simd*", "~il*", "~IL*")
CHECK = """\
import io
import pillow_avif
from PIL import Image, ImageCms, __version__
picture = Image.new("RGB", (64, 48), (200, 30, 90)).resize((32, 24), Image.Resampling.LANCZOS)
for name in ("WEBP", "AVIF", "JPEG", "PNG"):
    written = io.BytesIO()
    picture.save(written, name)
    again = Image.open(written, formats=(name,))
    again.load()
    if again.size != (32, 24):
        raise SystemExit(f"{name} came back as {again.size}")
ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("sRGB"))
print(__version__)"""


class CannotBuild(Exception):  # noqa: N818 - it names what is so
    """Pillow-simd cannot be had here; the text says why and, where known, what to do."""


@dataclass(frozen=True)
class Target:
    """The environment whose library it is: its Python, and the Python whose pip builds and installs."""

    python: Path
    builder: Path
    packages: Path
    tag: str

    @property
    def workshop(self) -> Path:
        """Where wheels are built and kept: in the environment's folder, so that renaming suffices."""
        return self.python.parent.parent / "millrace-pictures"


def target_of(python: Path, builder: Path | None = None) -> Target:
    """The environment of a Python that starts."""
    facts = ask(python)
    return Target(python, builder or python, Path(facts["packages"]), facts["tag"])


def kept_wheel(target: Target, *, avx2: bool) -> Path | None:
    """The wheel that was built before for this environment and the locked version."""
    return next(iter(_folder_of_wheel(target, avx2=avx2).glob("*.whl")), None)


def _folder_of_wheel(target: Target, *, avx2: bool) -> Path:
    told = (LOCK.read_text(), target.tag, avx2, OPTIONS)
    return target.workshop / hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def build(target: Target, compiler: str, *, avx2: bool) -> Path:
    """Builds the locked source; the wheel is kept where it is once all of it is there. Raises CannotBuild."""
    kept = _folder_of_wheel(target, avx2=avx2)
    shutil.rmtree(target.workshop, ignore_errors=True)  # what an earlier lock or a killed build left
    target.workshop.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=target.workshop) as folder:
        sources, wheels = Path(folder, "sources"), Path(folder, "wheels")
        own_tools = ("--no-deps", "--no-build-isolation")
        # Two steps, since pip would keep a wheel of its own making without minding how it was made.
        locked = ("--require-hashes", "--no-binary=:all:", f"--requirement={LOCK}")
        _pip(target, "download", *own_tools, *locked, f"--dest={sources}")
        settings = [f"--config-settings={option}" for option in OPTIONS]
        uncached = ("--no-index", "--no-cache-dir", f"--wheel-dir={wheels}", str(next(sources.iterdir())))
        command = f"{compiler} {'-mavx2' if avx2 else '-msse4'}"
        _pip(target, "wheel", *own_tools, *settings, *uncached, seconds=BUILD_SECONDS, CC=command)
        wheels.rename(kept)
    return next(kept.glob("*.whl"))


def put_in(target: Target, wheel: Path) -> None:
    """Tries the wheel out, and lets it take Pillow's place; else Pillow is as it was. Raises CannotBuild."""
    target.workshop.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.workshop) as folder:
        tried, before = Path(folder, "tried"), Path(folder, "before")
        before.mkdir()
        unpack = ("--no-deps", "--no-index", "--no-compile", f"--target={tried}", str(wheel))
        _pip(target, "install", *unpack)
        check(target.python, beside=tried)
        with swapped(target.packages, tried, before):
            check(target.python)


@contextlib.contextmanager
def swapped(packages: Path, new: Path, before: Path) -> Iterator[None]:
    """Moves the library into `before` and the one in `new` to its place; back again when the block fails."""
    moved_out = _owned(packages)
    moved_in = [packages / entry.name for entry in new.iterdir()]
    try:
        for entry in moved_out:
            entry.rename(before / entry.name)
        for entry in moved_in:
            (new / entry.name).rename(entry)
        yield
    except BaseException:
        for entry in moved_in:
            if not (new / entry.name).exists():  # it was moved in
                shutil.rmtree(entry, ignore_errors=True)
        for left in before.iterdir():
            left.rename(packages / left.name)
        raise


def check(python: Path, beside: Path | None = None) -> None:
    """Encodes and decodes in a fresh process, with what lies `beside` first. Raises CannotBuild."""
    environment = {**os.environ, **({"PYTHONPATH": str(beside)} if beside else {})}
    _run([str(python), "-c", CHECK], CHECK_SECONDS, environment)


def clear_doubtful(packages: Path) -> None:
    """Removes whatever there is of either library unless it is Pillow, whole; pip then puts Pillow there."""
    if not pillow_is_whole(packages):
        for entry in _owned(packages):
            shutil.rmtree(entry, ignore_errors=True)


def pillow_is_whole(packages: Path) -> bool:
    """Whether every file that Pillow's record names is there in its size, and nothing of pillow-simd is."""
    records = list(packages.glob("pillow-*.dist-info/RECORD"))
    if len(records) != 1 or list(packages.glob("pillow_simd*")):
        return False
    with records[0].open(newline="") as record:
        return all(_has_size(packages / path, size) for path, _, size in csv.reader(record))


def _has_size(file: Path, size: str) -> bool:
    try:
        return not size or file.stat().st_size == int(size)
    except OSError:
        return False


def _owned(packages: Path) -> list[Path]:
    return sorted({entry for pattern in OWNED for entry in packages.glob(pattern)})


def _pip(target: Target, verb: str, *arguments: str, seconds: float = INSTALL_SECONDS, **added: str) -> None:
    command = [str(target.builder), "-I", "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    _run([*command, verb, *arguments], seconds, {**os.environ, **added})


def _run(command: list[str], seconds: float, environment: Mapping[str, str]) -> None:
    """Raises CannotBuild with the last words of a command that fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603  (our own commands)
            command, env=environment, cwd=ROOT, text=True, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"it took longer than {seconds:.0f} seconds") from None
    if done.returncode != 0:
        raise CannotBuild("\n    ".join(["it failed:", *done.stdout.strip().splitlines()[-15:]]))
