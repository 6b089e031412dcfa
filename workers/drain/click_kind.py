"""Click streams: one click an entry, counted by link, by product and for the whole shop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from asyncpg.pgproto.pgproto import UUID

from millrace.streams.ids import id_time_ms
from millrace.streams.records import Click, decode_click
from server.affiliate.click_columns import CLICK_COLUMNS, CLICKS
from server.analytics.counting import apply, tally_clicks
from server.db.day_partitions import DAY_MS
from workers.drain.click_rows import copy_row
from workers.drain.dead_letters import DeathReason
from workers.drain.link_rollups import add_to_links
from workers.drain.rows import Bounds, PendingRow, Refusal

RETENTION_MS: Final = 90 * DAY_MS

# Rows are locked in key order by every drain.
_MAKE_UNIQUE: Final = f"""
    WITH known AS (
        SELECT click_id FROM {CLICKS} WHERE click_id = ANY($1::uuid[]) AND is_human AND NOT is_unique
        ORDER BY click_id FOR UPDATE
    )
    UPDATE {CLICKS} AS click SET is_unique = true FROM known
    WHERE click.click_id = known.click_id RETURNING click.click_id
"""  # noqa: S608 - a constant of ours


class ClickKind:
    """See `rows.StreamKind`."""

    table = CLICKS
    columns: tuple[str, ...] = CLICK_COLUMNS
    retention_ms = RETENTION_MS
    entries_per_read = 5_000
    rows_per_entry = 1

    def decode(self, record: bytes) -> Sequence[Click]:
        """The record's only click; raises UnknownVersion or MalformedRecord."""
        return (decode_click(record),)

    def refusal(self, click: Click, bounds: Bounds) -> Refusal | None:
        """Both its times, its own and its id's, have to lie within bounds."""
        oldest_ms, newest_ms = bounds
        id_ms = id_time_ms(click.click_id)
        if oldest_ms <= id_ms <= newest_ms and oldest_ms <= click.at_ms <= newest_ms:
            return None
        in_future = max(id_ms, click.at_ms) > newest_ms
        return Refusal(
            DeathReason.DATED_IN_THE_FUTURE if in_future else DeathReason.OLDER_THAN_RETENTION,
            f"click id of {id_ms} ms, clicked at {click.at_ms} ms",
        )

    def pending(
        self, click: Click, place: int = 0, entry_id: bytes = b"", position: int = 0, record: bytes = b""
    ) -> PendingRow[Click, Click]:
        """The click as a row; raises ValueError for a country or text that no row can hold."""
        row = copy_row(click)
        return PendingRow(
            click.click_id, click.at_ms // DAY_MS, row, click, click, place, entry_id, position, record
        )

    def record_alone(self, click: Click, record: bytes) -> bytes:
        """The record as it came: there is nothing else in it."""
        return record

    async def prepare(self, connection: Any) -> None:
        """There is nothing a click has to be compared with."""

    async def claim(
        self, connection: Any, rows: Sequence[PendingRow[Click, Click]]
    ) -> Sequence[PendingRow[Click, Click]]:
        """All of them: a click has no name but its key."""
        return rows

    def says_more(self, later: Click, first: Click) -> bool:
        """Only one copy may have been judged unique: the one that Redis took before its answer was lost.

        The copy that the edge spooled meanwhile finds the mark of the other, and may come first.
        """
        return later.unique and not first.unique

    async def count(
        self,
        connection: Any,
        rows: Sequence[PendingRow[Click, Click]],
        repeats: Sequence[PendingRow[Click, Click]],
    ) -> None:
        """Add clicks to the rollups: links' first, in the order that every writer of rollups keeps."""
        clicks = [each.fact for each in rows]
        found = await self._find_unique(connection, [each.fact for each in repeats])
        await add_to_links(connection, clicks, found)
        await apply(connection, tally_clicks(clicks, found))

    async def _find_unique(self, connection: Any, repeats: Sequence[Click]) -> list[Click]:
        """Of the repeats those that say unique of a row that does not; now the row says it too."""
        unique = {click.click_id: click for click in repeats if click.human and click.unique}
        if not unique:
            return []
        found = await connection.fetch(_MAKE_UNIQUE, [UUID(each) for each in sorted(unique)])
        return [unique[row[0].bytes] for row in found]
