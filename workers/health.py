"""Whether a worker can work: the last word on each thing it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Health:
    """States by dependency; ready when every one was well when last used. Any thread may read it."""

    def __init__(self, dependencies: Iterable[str]) -> None:
        self._well = dict.fromkeys(dependencies, False)

    def report(self, dependency: str, *, well: bool) -> None:
        """Say how using a dependency went."""
        self._well[dependency] = well

    @property
    def ready(self) -> bool:
        """Whether everything was well when last used."""
        return all(self._well.values())

    def states(self) -> Mapping[str, str]:
        """Each dependency with `ok` or `failing`."""
        return {name: "ok" if well else "failing" for name, well in self._well.items()}
