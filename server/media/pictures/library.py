"""Which library reads and writes pictures here, and whether it can do what we need of it.

    python -m server.media.pictures.library      says so as a JSON object, or leaves with what to install

Importing this imports no such library. What is done with it is for the other modules of this folder.
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec

_CHECK_SECONDS: Final = 60
_INSTALL: Final = "`make setup` installs one with both; pillow-simd needs libwebp and Little CMS when built"


class PictureLibraryUnfit(RuntimeError):  # noqa: N818 - it names what is so
    """Pictures cannot be processed with what is installed; the text says what is missing and what to do."""


class PictureLibrary(msgspec.Struct, frozen=True):
    """What is installed: `name` with its version, and what it can do. AVIF may come from a plug-in."""

    name: str
    webp: bool
    avif: bool
    icc: bool

    def __str__(self) -> str:
        able = ", ".join(word for word in ("webp", "avif", "icc") if getattr(self, word))
        return f"{self.name} ({able})"


def check_library() -> PictureLibrary:
    """What this process has. Raises PictureLibraryUnfit unless it has WebP and colour profiles."""
    try:
        from PIL import __version__, features  # noqa: PLC0415 - most processes never need it
    except ImportError as error:
        raise PictureLibraryUnfit(f"no library of pictures can be imported ({error}); {_INSTALL}") from error
    name = "pillow-simd" if _version("pillow-simd") == __version__ else "pillow"
    has_avif = features.check("avif") or importlib.util.find_spec("pillow_avif") is not None
    webp, icc = bool(features.check("webp")), bool(features.check("littlecms2"))
    library = PictureLibrary(f"{name} {__version__}", webp, bool(has_avif), icc)
    lacking = [what for what, is_there in (("WebP", webp), ("colour profiles", icc)) if not is_there]
    if lacking:
        raise PictureLibraryUnfit(f"{library.name} lacks {' and '.join(lacking)}; {_INSTALL}")
    return library


@functools.cache
def library_of_a_fresh_process() -> PictureLibrary:
    """The answer of `check_library` in a process of its own: ours imports nothing, and outlives its crash.

    Takes some tenths of a second, once. Raises PictureLibraryUnfit.
    """
    command = [sys.executable, "-m", "server.media.pictures.library"]
    try:
        done = subprocess.run(  # noqa: S603  (ourselves)
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_CHECK_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PictureLibraryUnfit(f"the library of pictures could not be asked: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}; {_INSTALL}"
        raise PictureLibraryUnfit(said)
    return msgspec.json.decode(done.stdout, type=PictureLibrary)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def main() -> None:
    """Says which it is."""
    try:
        print(msgspec.json.encode(check_library()).decode())
    except PictureLibraryUnfit as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
