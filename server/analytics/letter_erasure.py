"""Erases a user or a session from dead letters, whose records hold events whole.

A letter that cannot be read any more is searched for the subject's bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from millrace.streams.event_records import StreamEvent, decode_events
from millrace.streams.records import MalformedRecord, UnknownVersion
from server.analytics.erasure import OnProgress, Subject
from server.streams.dead_letter_columns import STREAM_DEAD_LETTERS

_BATCH: Final = 500

_PAGE: Final = f"""
    SELECT stream, entry_id, position, record FROM {STREAM_DEAD_LETTERS}
    WHERE (stream, entry_id, position) > ($1, $2, $3)
    ORDER BY stream, entry_id, position LIMIT {_BATCH}
"""  # noqa: S608 - constants of ours
_DELETE: Final = f"""
    DELETE FROM {STREAM_DEAD_LETTERS} USING unnest($1::text[], $2::text[], $3::int2[])
        AS gone (stream, entry_id, position)
    WHERE {STREAM_DEAD_LETTERS}.stream = gone.stream AND {STREAM_DEAD_LETTERS}.entry_id = gone.entry_id
        AND {STREAM_DEAD_LETTERS}.position = gone.position
"""  # noqa: S608 - constants of ours


class ErasedLetters(NamedTuple):
    """How many letters went, and the subject's events in them."""

    letters: int
    events: list[StreamEvent]


async def erase_letters(connection: Any, subject: Subject, *, on_progress: OnProgress) -> ErasedLetters:
    """Delete every dead letter that holds the subject. For use outside a transaction; repeatable."""
    total = await connection.fetchval(f"SELECT count(*) FROM {STREAM_DEAD_LETTERS}")  # noqa: S608
    after: tuple[str, str, int] = ("", "", -1)
    done = gone = 0
    events: list[StreamEvent] = []
    while rows := await connection.fetch(_PAGE, *after):
        found = []
        for stream, entry_id, position, record in rows:
            holds, of_subject = _judge(record, subject)
            if holds:
                found.append((stream, entry_id, position))
                events += of_subject
        if found:
            await connection.execute(_DELETE, *map(list, zip(*found, strict=True)))
        gone, done = gone + len(found), done + len(rows)
        await on_progress(done, max(total, done), "dead letters")
        after = rows[-1]["stream"], rows[-1]["entry_id"], rows[-1]["position"]
    return ErasedLetters(gone, events)


def _judge(record: bytes, subject: Subject) -> tuple[bool, list[StreamEvent]]:
    """Whether the record holds the subject, and which of its events are the subject's."""
    try:
        events = decode_events(record)
    except (MalformedRecord, UnknownVersion):
        return subject.value.encode(errors="surrogatepass") in record, []
    of_subject = [event for event in events if getattr(event, subject.column) == subject.value]
    return bool(of_subject), of_subject
