"""Performs the steps of the Dockerfile in a folder, for machines without a container engine.

    python -m tools.image_steps FOLDER      makes the image's files below FOLDER, says how large they are

The base image is stood in for by a copy of the Python that runs this. Steps run as this account and see this
machine: what is proved is that they succeed, and that their result is whole; not how an engine isolates it.
Packages of the base's distribution are not installed; those of this machine stand in for them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from tools.image_file import Instruction, UnreadableImageFile, context_files, read_instructions

ROOT = Path(__file__).resolve().parent.parent
BASE = "/usr/local"
NOT_IN_BASE = shutil.ignore_patterns(
    "__pycache__", "site-packages", "test", "tests", "idle_test", "*.a", "EXTERNALLY-MANAGED"
)
# Said about the image, for engines and people; nothing is done.
NO_STEPS = {"EXPOSE", "HEALTHCHECK", "LABEL"}
ASK_FOR_PACKAGES = "import site; print(site.getsitepackages()[0])"  # a distribution's Python has its own idea


@dataclass
class Stage:
    """One stage of the build: its files, and what it says of the containers made from it."""

    root: Path
    base: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    stop_signal: str = ""
    entrypoint: tuple[str, ...] = ()

    def place(self, path: str) -> Path:
        """Where the absolute or, from the work folder, relative `path` of the image lies on this machine."""
        absolute = os.path.normpath(os.path.join(self.workdir, path))
        if absolute == BASE or absolute.startswith(f"{BASE}/"):
            return self.base / absolute.removeprefix(BASE).lstrip("/")
        return self.root / absolute.lstrip("/")


class Build:
    """Takes the steps one after another; the last stage is the image."""

    def __init__(self, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._base = folder / "base"
        self._stages: dict[str, Stage] = {}
        self._arguments: dict[str, str] = {}
        self._instructions = read_instructions((context / "Dockerfile").read_text(encoding="utf-8"))
        # Every folder that the file itself names; its commands find them below ours instead.
        self._named = {BASE, *filter(None, map(_named_folder, self._instructions))}

    def perform(self) -> Stage:
        """Run every step and return the image. Raises CalledProcessError for the first that fails."""
        before = os.umask(0o022)  # an engine's; under a stricter one the image's account could read nothing
        try:
            copy_python(self._base)
            for instruction in self._instructions:
                self._take(instruction)
        finally:
            os.umask(before)
        return self._stage

    def _take(self, instruction: Instruction) -> None:
        step = getattr(self, f"_{instruction.word.lower()}", None)
        if step is not None:
            step(instruction)
        elif instruction.word not in NO_STEPS:
            raise UnreadableImageFile(f"line {instruction.line}: {instruction.word} is not performed")

    @property
    def _stage(self) -> Stage:
        return list(self._stages.values())[-1]

    def _arg(self, instruction: Instruction) -> None:
        name, _, value = instruction.rest.partition("=")
        self._arguments[name] = value

    def _from(self, instruction: Instruction) -> None:
        name = instruction.rest.partition(" AS ")[2] or f"stage-{len(self._stages)}"
        root = self._folder / name
        root.mkdir(parents=True)
        path = f"{self._base / 'bin'}:{os.environ['PATH']}"
        self._stages[name] = Stage(root, self._base, environment={"PATH": path})

    def _env(self, instruction: Instruction) -> None:
        stage = self._stage
        for name, value in re.findall(r"(\w+)=(\S+)", instruction.rest):
            expanded = value.replace("$PATH", stage.environment["PATH"])
            stage.environment[name] = self._on_this_machine(expanded)

    def _workdir(self, instruction: Instruction) -> None:
        self._stage.workdir = instruction.rest
        self._stage.place(".").mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.rest.split()
        if origin := instruction.flag("from"):
            source, copy = self._stages[origin].place(sources[0]), self._stage.place(target)
            # Linked, since no later step changes a file; there are ten thousand.
            shutil.copytree(source, copy, symlinks=True, copy_function=os.link)
            return
        for file in context_files(self._context):
            origins = (Path(one) for one in sources if file == Path(one) or Path(one) in file.parents)
            for named in origins:
                _copy_file(self._context / file, self._stage.place(target), file, named)

    def _run(self, instruction: Instruction) -> None:
        if instruction.rest.startswith("apt-get "):
            return
        subprocess.run(  # noqa: S603  (the steps of our own Dockerfile)
            ["/bin/sh", "-ec", self._on_this_machine(instruction.rest)],
            cwd=self._stage.place("."),
            env={**os.environ, **self._stage.environment},
            check=True,
        )

    def _user(self, instruction: Instruction) -> None:
        self._stage.user = instruction.rest

    def _stopsignal(self, instruction: Instruction) -> None:
        self._stage.stop_signal = instruction.rest

    def _entrypoint(self, instruction: Instruction) -> None:
        self._stage.entrypoint = tuple(json.loads(instruction.rest))

    def _on_this_machine(self, text: str) -> str:
        """The text with the folders that the file names replaced by where they lie here."""
        either = "|".join(sorted(map(re.escape, self._named), reverse=True))
        found = re.compile(rf"(?<![\w./-])(?:{either})(?=[/:\s'\"]|$)")
        return found.sub(lambda match: str(self._stage.place(match[0])), text)


def copy_python(target: Path) -> None:
    """Copies the Python below this one's virtual environment, with pip, as the base image has it."""
    prefix, version = Path(sys.base_prefix), f"python3.{sys.version_info.minor}"
    (target / "bin").mkdir(parents=True)
    shutil.copy2(Path(sys.base_exec_prefix) / "bin" / version, target / "bin" / version)
    for name in ("python", "python3"):
        (target / "bin" / name).symlink_to(version)
    shutil.copytree(prefix / "lib" / version, target / "lib" / version, ignore=NOT_IN_BASE, symlinks=True)
    headers = Path(sysconfig.get_path("include"))
    if headers.is_dir():
        shutil.copytree(headers, target / "include" / version)
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, target / "lib" / library.name, follow_symlinks=False)
    packages = Path(site.getsitepackages()[0])
    asked = [str(target / "bin" / version), "-I", "-c", ASK_FOR_PACKAGES]
    copied = Path(subprocess.check_output(asked, text=True).strip())  # noqa: S603  (the copy just made)
    for folder in (packages / "pip", *packages.glob("pip-*.dist-info")):
        shutil.copytree(folder, copied / folder.name)


def _named_folder(instruction: Instruction) -> str | None:
    if instruction.word not in {"WORKDIR", "COPY"}:
        return None
    folder = instruction.rest.split()[-1]
    return folder if folder.startswith("/") else None


def _copy_file(file: Path, target: Path, path: Path, source: Path) -> None:
    """A folder's content goes into the target, a file beside the others there."""
    inside = path.relative_to(source) if path != source else Path(path.name)
    copy = target / inside
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, copy)


def main() -> None:
    """Make the image's files and list what is large among them."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    image = Build(ROOT, Path(sys.argv[1]).resolve()).perform()
    packages = next(image.place("/opt/millrace").glob("lib/python3.*/site-packages"))
    sizes = {entry.name: _size(entry) for entry in packages.iterdir()}
    for name, size in sorted(sizes.items(), key=lambda entry: -entry[1])[:20]:
        print(f"{size / 1e6:8.1f} MB  {name}")
    print(f"{sum(sizes.values()) / 1e6:8.1f} MB  in all")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    main()
