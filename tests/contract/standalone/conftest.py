"""Children to supervise, and the marks by which to find what they left behind."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.standalone.children import ChildSpec
from server.standalone.probes import at_once


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts can pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="millrace-stack-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


class MakeChild:
    """Makes children that run a few lines of Python."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, code: str, *, stop_within: float = 5.0) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(sys.executable, "-I", "-S", "-c", code),
            environment=os.environ,
            folder=self._folder,
            log=self._folder / f"{name}.log",
            ready=at_once,
            stop_within=stop_within,
        )


@pytest.fixture
def make_child(tmp_path: Path) -> MakeChild:
    return MakeChild(tmp_path)
