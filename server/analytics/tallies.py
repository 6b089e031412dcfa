"""Counting events and clicks by quarter hour, before they are added to the rollups. No SQL lives here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    COUNTRY_ROLLUPS,
    DEVICE_ROLLUPS,
    PRODUCT_ROLLUPS,
    QUARTER_MINUTES,
    SOURCE_ROLLUPS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    RollupTable,
)

QUARTER_MS: Final = QUARTER_MINUTES * 60_000
QUARTERS_PER_DAY: Final = 96

# What adds to a product's row, and where in PRODUCT_ROLLUPS.counters; clicks come from the other stream.
_PRODUCT_COUNTERS: Final = {"product_view": 0, "add_to_cart": 1, "purchase": 2}
_PRODUCT_CLICKS: Final = 3

# Quarter hours since 1970, and the dimension's value: "" in tables without one.
Key: TypeAlias = tuple[int, str]


class CountedEvent(NamedTuple):
    """What the rollups and sessions need of an event. `occurred_ms`: Unix milliseconds."""

    type: str
    occurred_ms: int
    human: bool
    session_id: str
    user_id: str | None
    product_id: str | None
    source: str
    device: str
    country: str


class CountedClick(NamedTuple):
    """What the rollups need of a click of an affiliate link. `at_ms`: Unix milliseconds."""

    at_ms: int
    human: bool
    unique: bool
    product_id: str | None


class ClickFacts(Protocol):
    """A `CountedClick`, or a stream's `Click` as it is: copying each would cost what counting it does."""

    @property
    def at_ms(self) -> int: ...
    @property
    def human(self) -> bool: ...
    @property
    def unique(self) -> bool: ...
    @property
    def product_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Increments:
    """What is to be added to quarter-hour rows: counters, in the table's order, and the sketches' values."""

    counters: dict[RollupTable, dict[Key, list[int]]] = field(default_factory=lambda: defaultdict(dict))
    values: dict[RollupTable, dict[Key, tuple[set[str], ...]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def days(self) -> set[int]:
        """The UTC days touched, counted from 1970: those to be locked before."""
        keyed: list[dict[Key, Any]] = [*self.counters.values(), *self.values.values()]
        return {quarter // QUARTERS_PER_DAY for rows in keyed for quarter, _ in rows}

    def count(self, table: RollupTable, key: Key, counter: int, by: int) -> None:
        """Add to one counter of one row."""
        row = self.counters[table].get(key)
        if row is None:
            row = self.counters[table][key] = [0] * len(table.counters)
        row[counter] += by

    def see(self, table: RollupTable, key: Key, *seen: set[str]) -> None:
        """Add values to each of the row's sketches in turn."""
        kept = self.values[table].get(key)
        if kept is None:
            kept = self.values[table][key] = tuple(set() for _ in table.sketches)
        for values, more in zip(kept, seen, strict=True):
            values.update(more)


def tally_events(events: Iterable[CountedEvent]) -> Increments:
    """What the events add up to, each of them once. Bots are counted as such and nowhere else."""
    # One tuple for each event, of which there are few kinds; telling the tables apart is work per kind.
    kinds: Counter[tuple[int, str, bool, str, str, str]] = Counter()
    products: Counter[tuple[int, str, str]] = Counter()
    visitors: defaultdict[tuple[int, str, str, str], set[str]] = defaultdict(set)
    sessions: defaultdict[int, set[str]] = defaultdict(set)
    for kind, occurred_ms, human, session_id, user_id, product_id, source, device, country in events:
        quarter = occurred_ms // QUARTER_MS
        kinds[quarter, kind, human, source, device, country] += 1
        if not human:
            continue
        visitor = "s:" + session_id if user_id is None else "u:" + user_id
        visitors[quarter, source, device, country].add(visitor)
        sessions[quarter].add(session_id)
        if product_id is not None and kind in _PRODUCT_COUNTERS:
            products[quarter, product_id, kind] += 1
    increments = Increments()
    _count_kinds(increments, kinds)
    for (quarter, product_id, kind), events_of_it in products.items():
        increments.count(PRODUCT_ROLLUPS, (quarter, product_id), _PRODUCT_COUNTERS[kind], events_of_it)
    _see_visitors(increments, visitors)
    for quarter, seen in sessions.items():
        increments.see(VISITOR_ROLLUPS, (quarter, ""), set(), seen)
    return increments


def _count_kinds(increments: Increments, kinds: Counter[tuple[int, str, bool, str, str, str]]) -> None:
    for (quarter, kind, human, source, device, country), events in kinds.items():
        increments.count(TYPE_ROLLUPS, (quarter, kind), 0 if human else 1, events)
        for table, value in (
            (SOURCE_ROLLUPS, source),
            (DEVICE_ROLLUPS, device),
            (COUNTRY_ROLLUPS, country),
        ):
            increments.count(table, (quarter, value), 1 if human else 2, events)
            if human and kind == "page_view":
                increments.count(table, (quarter, value), 0, events)


def _see_visitors(increments: Increments, visitors: defaultdict[tuple[int, str, str, str], set[str]]) -> None:
    for (quarter, source, device, country), seen in visitors.items():
        increments.see(VISITOR_ROLLUPS, (quarter, ""), seen, set())
        increments.see(SOURCE_ROLLUPS, (quarter, source), seen)
        increments.see(DEVICE_ROLLUPS, (quarter, device), seen)
        increments.see(COUNTRY_ROLLUPS, (quarter, country), seen)


def tally_clicks(clicks: Iterable[ClickFacts], found_unique: Iterable[ClickFacts] = ()) -> Increments:
    """What clicks add to the whole shop's rows and to their products'. A bot's click is never unique.

    `found_unique`: people's clicks that were counted before, as not unique.
    """
    kinds = Counter([(each.at_ms // QUARTER_MS, each.human, each.unique, each.product_id) for each in clicks])
    increments = Increments()
    shop, products = increments.counters[CLICK_ROLLUPS], increments.counters[PRODUCT_ROLLUPS]
    for (quarter, human, unique, product_id), counted in kinds.items():
        row = shop.setdefault((quarter, ""), [0, 0, 0])
        row[0 if human else 2] += counted
        row[1] += counted if human and unique else 0
        if human and product_id is not None:
            row = products.setdefault((quarter, product_id), [0, 0, 0, 0, 0])
            row[_PRODUCT_CLICKS] += counted
            row[_PRODUCT_CLICKS + 1] += counted if unique else 0
    for click in found_unique:
        quarter = click.at_ms // QUARTER_MS
        increments.count(CLICK_ROLLUPS, (quarter, ""), 1, 1)
        if click.product_id is not None:
            increments.count(PRODUCT_ROLLUPS, (quarter, click.product_id), _PRODUCT_CLICKS + 1, 1)
    return increments
