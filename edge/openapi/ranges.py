"""Whole numbers written as text: a pattern for those between two ends."""

from __future__ import annotations

from itertools import groupby


def integer_pattern(low: int, high: int) -> str:
    """A pattern of exactly the whole numbers from `low` to `high`, without leading zeros."""
    alternatives: list[str] = []
    if low < 0:
        negative = "|".join(_natural(max(1, -high), -low))
        alternatives.append(f"-(?:{negative})" if "|" in negative else f"-{negative}")
    if high >= 0:
        alternatives += _natural(max(0, low), high)
    return f"^(?:{'|'.join(alternatives)})$" if len(alternatives) > 1 else f"^{alternatives[0]}$"


def _natural(low: int, high: int) -> list[str]:
    """Alternatives for the numbers from `low` to `high`, both 0 or more."""
    if low == 0:
        return ["0", *(_natural(1, high) if high else [])]
    blocks = [_block(start, stop) for start, stop in _blocks(low, high)]
    merged = []
    for prefix, group in groupby(blocks, key=lambda block: block[0]):
        counts = [count for _, count in group]
        merged.append(prefix + _repeated(min(counts), max(counts)))
    return merged


def _blocks(low: int, high: int) -> list[tuple[int, int]]:
    """Cuts the range where the digits behind a common beginning are free: 60-999 at 99."""
    stops = {high}
    free = 10
    while (stop := low // free * free + free - 1) < high:
        stops.add(stop)
        free *= 10
    free = 10
    while (stop := (high + 1) // free * free - 1) > low:
        stops.add(stop)
        free *= 10
    starts = [low, *(stop + 1 for stop in sorted(stops))]
    return list(zip(starts, sorted(stops), strict=False))


def _block(start: int, stop: int) -> tuple[str, int]:
    """The leading digits of a block as a pattern, and how many free digits follow them."""
    prefix, free = "", 0
    for first, last in zip(str(start), str(stop), strict=True):
        if (first, last) == ("0", "9") and prefix:
            free += 1
        else:
            prefix += first if first == last else f"[{first}-{last}]"
    return prefix, free


def _repeated(fewest: int, most: int) -> str:
    if most == 0:
        return ""
    if (fewest, most) == (0, 1):
        return "[0-9]?"
    if fewest == most:
        return "[0-9]" if most == 1 else f"[0-9]{{{most}}}"
    return f"[0-9]{{{fewest},{most}}}"
