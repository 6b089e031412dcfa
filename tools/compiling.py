"""What this machine can compile: its compiler, the headers it has, and how to come by those it lacks.

Runs with any Python from 3.8 on and needs the standard library alone. Building something is for others.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

ASK = """\
import json, platform, sys, sysconfig
print(json.dumps({"architecture": platform.machine(), "compiler": sysconfig.get_config_var("CC") or "cc",
    "include": sysconfig.get_path("include"), "prefix": sys.base_prefix, "minor": sys.version_info[1],
    "packages": sysconfig.get_path("platlib"), "tag": sys.version + str(sysconfig.get_config_var("SOABI")),
}))"""
ASK_SECONDS, TRIAL_SECONDS = 20, 30
# Only fetching hangs, so only fetching is cut off early: a dpkg killed at work would have to be repaired.
FETCH_SECONDS, UNPACK_SECONDS = 90, 300
APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=10", "-o", "Acquire::http::Timeout=20")
INSTALL = (*APT, "install", "--yes", "--no-install-recommends")


@dataclass(frozen=True)
class Library:
    """A library that must be there to compile against: a program that needs it, and who packs it."""

    name: str
    program: str
    flags: tuple[str, ...]
    debian: str
    brew: str


LIBRARIES = (
    Library(
        "JPEG",
        "#include <stdio.h>\n#include <jpeglib.h>\n"
        "int main(void) { struct jpeg_error_mgr e; return !jpeg_std_error(&e); }",
        ("-ljpeg",),
        "libjpeg-dev",
        "jpeg-turbo",
    ),
    Library(
        "zlib", "#include <zlib.h>\nint main(void) { return !zlibVersion(); }", ("-lz",), "zlib1g-dev", "zlib"
    ),
    Library(
        "WebP",
        "#include <webp/decode.h>\n#include <webp/encode.h>\n#include <webp/mux.h>\n#include <webp/demux.h>\n"
        "int main(void) { return !(WebPGetDecoderVersion() + WebPGetMuxVersion() + WebPGetDemuxVersion()); }",
        ("-lwebp", "-lwebpmux", "-lwebpdemux"),
        "libwebp-dev",
        "webp",
    ),
    Library(
        "Little CMS",
        "#include <lcms2.h>\nint main(void) { return !cmsGetEncodedCMMversion(); }",
        ("-llcms2",),
        "liblcms2-dev",
        "little-cms2",
    ),
)


@dataclass(frozen=True)
class Machine:
    """What is there: `compiler` is a path, None without one; `missing` are the libraries without headers."""

    system: str
    architecture: str
    compiler: str | None
    missing: tuple[Library, ...] = ()

    @property
    def packages(self) -> list[str]:
        """The system's packages of what is missing, the compiler left out."""
        of_system = (library.brew if self.system == "Darwin" else library.debian for library in self.missing)
        return [package for package in of_system if package]

    @property
    def all_packaged(self) -> bool:
        """Whether packages of the system have all that is missing; none has headers of a Python beside it."""
        return len(self.packages) == len(self.missing)

    def with_headers(self) -> Machine:
        """The same with nothing missing."""
        return replace(self, missing=())


def ask(python: Path) -> dict[str, str]:
    """Facts about a Python: architecture, compiler, include, prefix, minor, packages, tag."""
    answer = subprocess.run(  # noqa: S603  (an interpreter of ours)
        [str(python), "-I", "-c", ASK], capture_output=True, text=True, check=True, timeout=ASK_SECONDS
    )
    return {name: str(value) for name, value in json.loads(answer.stdout).items()}


def look(python: Path) -> Machine:
    """What this machine has to compile extensions of `python` with."""
    facts = ask(python)
    compiler = find_compiler(facts["compiler"])
    missing = [library for library in LIBRARIES if not (compiler and compiles(compiler, library))]
    if not Path(facts["include"], "Python.h").exists():
        missing.append(headers_of(facts))
    return Machine(platform.system(), facts["architecture"], compiler, tuple(missing))


def find_compiler(usual: str) -> str | None:
    """The path of `CC`, of the one that Python was built with, or of another; None when there is none."""
    wanted = os.environ.get("CC")
    words = [wanted] if wanted else [usual, "cc", "gcc", "clang"]
    found = (shutil.which(shlex.split(word)[0]) for word in words)
    return next(filter(None, found), None)


def headers_of(facts: dict[str, str]) -> Library:
    """The headers of a Python itself. Only a distribution's Python has them in a package of their own."""
    version = f"3.{facts['minor']}"
    package = f"python{version}-dev" if facts["prefix"] == "/usr" else ""
    return Library(f"Python {version}", "", (), package, "")


def compiles(compiler: str, library: Library) -> bool:
    """Whether a tiny program that needs the library can be compiled and linked."""
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler, "-x", "c", "-", "-o", f"{folder}/trial", *library.flags]
        try:
            done = subprocess.run(  # noqa: S603  (the compiler that builds the rest, too)
                command, input=library.program, text=True, capture_output=True, check=False,
                timeout=TRIAL_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def has_avx2() -> bool:
    """Whether this machine's processor has AVX2; False where nobody says."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if platform.system() == "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "hw.optional.avx2_0"]
            return subprocess.check_output(command, text=True, timeout=5).strip() == "1"  # noqa: S603
        return " avx2 " in f"{Path('/proc/cpuinfo').read_text()} ".replace("\n", " ")
    return False


def may_install_headers() -> bool:
    """Whether this is root on Debian or one of its kin, who may install packages unasked."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def install_headers(machine: Machine) -> bool:
    """Installs the packages of what is missing, within bounded time, and says whether that worked."""
    packages = machine.packages
    fetch = (*INSTALL, "--download-only", *packages)
    fetched = _quietly(fetch, FETCH_SECONDS) or (
        _quietly((*APT, "update"), FETCH_SECONDS) and _quietly(fetch, FETCH_SECONDS)
    )
    return fetched and _quietly((*INSTALL, *packages), UNPACK_SECONDS)


def how_to_install(machine: Machine) -> str:
    """The command by which a person gets the compiler and the headers that are missing; empty without one."""
    if not machine.all_packaged:
        return ""
    if machine.system == "Darwin":
        compiler = [] if machine.compiler else ["xcode-select --install"]
        headers = [f"brew install {' '.join(machine.packages)}"] if machine.packages else []
        return " && ".join([*compiler, *headers])
    compiler = [] if machine.compiler else ["gcc", "libc6-dev"]
    return " ".join(["apt-get install", *compiler, *machine.packages])


def _quietly(command: tuple[str, ...], seconds: float) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(  # noqa: S603  (our own commands)
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=seconds,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
