"""Names that nothing else has yet. What the names are for is said where they are asked for."""

from __future__ import annotations


def free_name(name: str, taken: set[str], separator: str = "") -> str:
    """The name, with a number behind it when it is taken; taken from now on."""
    wanted, number = name, 2
    while wanted in taken:
        wanted, number = f"{name}{separator}{number}", number + 1
    taken.add(wanted)
    return wanted
