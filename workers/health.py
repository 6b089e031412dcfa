"""Whether a worker can work: the last word on each thing it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Health:
    """States by dependency; ready when every one was well when last used. Any thread may read it."""

    def __init__(self, dependencies: Iterable[str]) -> None:
        self._well = dict.fromkeys(dependencies, False)
        self._notes: dict[str, str] = {}

    def report(self, dependency: str, *, well: bool, note: str | None = None) -> None:
        """Say how using a dependency went; a note is shown in place of the state until the next report."""
        if note is None:
            self._notes.pop(dependency, None)
        else:
            self._notes[dependency] = note
        self._well[dependency] = well

    @property
    def ready(self) -> bool:
        """Whether everything was well when last used."""
        return all(self._well.values())

    def states(self) -> Mapping[str, str]:
        """Each dependency with its note, or else with `ok` or `failing`."""
        notes = dict(self._notes)
        return {name: notes.get(name) or ("ok" if well else "failing") for name, well in self._well.items()}
