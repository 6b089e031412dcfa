"""The proof as people read it: a table of queues and hours, and a last line that says whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from server.jobs.prove import Balance

_COLUMNS = ("hour (UTC)", "queue", "enqueued", "finished", "open", "pruned", "kept", "")


def table(balances: Sequence[Balance], *, since: datetime | None) -> Iterator[str]:
    """A line for each queue and hour from `since` on (None: all), and for each earlier one that is wrong."""
    shown = [each for each in balances if since is None or each.hour >= since or each.differences()]
    rows = [_COLUMNS, *map(_row, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        named = (cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True))
        counted = (cell.rjust(width) for cell, width in zip(row[2:-1], widths[2:-1], strict=True))
        yield "  ".join([*named, *counted, row[-1]]).rstrip()
    if left := len(balances) - len(shown):
        yield f"and {left:,} earlier lines that add up (--all shows them)"


def verdict(balances: Sequence[Balance]) -> list[str]:
    """One line that says that all adds up, or a line for each difference."""
    wrong = [str(each) for balance in balances for each in balance.differences()]
    if wrong:
        return wrong
    enqueued, ended = sum(each.enqueued for each in balances), sum(each.ended for each in balances)
    pruned, kept = sum(each.pruned for each in balances), sum(each.kept for each in balances)
    still_open = sum(each.open for each in balances)
    hours, queues = {each.hour for each in balances}, {each.queue for each in balances}
    return [
        f"OK: {enqueued:,} enqueued = {ended:,} finished + {still_open:,} open, and {ended:,} finished = "
        f"{pruned:,} pruned + {kept:,} kept (hours: {len(hours):,}, queues: {len(queues)})"
    ]


def _row(balance: Balance) -> tuple[str, ...]:
    counts = (balance.enqueued, balance.ended, balance.open, balance.pruned, balance.kept)
    mark = "<- " + "; ".join(each.equation for each in balance.differences()) if balance.differences() else ""
    return (f"{balance.hour:%Y-%m-%d %H:00}", balance.queue, *(f"{count:,}" for count in counts), mark)
