"""AVIF where Pillow is built without it: by the plug-in. Nothing of the format itself."""

from __future__ import annotations

import importlib
from functools import cache

from PIL import features


@cache
def know_avif() -> None:
    """Registers AVIF with Pillow, and has it decoded by one thread, as a process with limits should.

    Does nothing where there is neither: `library` says so, and the other formats work.
    """
    name = "PIL.AvifImagePlugin" if features.check("avif") else "pillow_avif.AvifImagePlugin"
    try:
        plugin = importlib.import_module(name)
    except ModuleNotFoundError:
        return
    plugin.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]  # a setting that is a variable of the module
