"""A user or a session is gone from rows, counts, sessions, dead letters and live counters; all else stays."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millrace.streams.event_input import Origin, read_batch
from millrace.streams.event_records import encode_piece, join_record, record_head
from millrace.streams.event_writer import EventWriter
from millrace.streams.live import read_live
from millrace.streams.redis_clock import RedisClock
from server.analytics import erasure
from server.analytics.erasure import Subject, erase_events
from server.analytics.live_truth import raw_counts
from server.analytics.tasks import ERASE, Erasure
from server.jobs.tasks import PermanentFailure, Postponed
from tests.contract.analytics_upkeep.conftest import Ground
from tests.contract.analytics_upkeep.shop import HOUR_MS, counted, event, some_events, this_hour_ms, write
from tests.contract.worker_tasks.conftest import Turn

SUBJECT = "anna@shop.example"


def long_ago() -> datetime:
    """A wish that no stream holds anything from before of."""
    return datetime.now(UTC) - timedelta(minutes=1)


async def accept(ground: Ground, events: list[dict[str, Any]]) -> None:
    """Take events in as the edge does: into streams and live counters."""
    now_ms = time.time_ns() // 1_000_000
    body = json.dumps({"events": events}).encode()
    batch = read_batch(body, Origin(True, "mobile", "NO"), now_ms=now_ms)
    assert batch.rejected == []
    writer = EventWriter(ground.redis, ground.keys, RedisClock())
    for part in writer.split(batch):
        await writer.write(part)


def sent(at_ms: int, session: str, **more: Any) -> dict[str, Any]:
    """An event as a browser sends it."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    return {"type": "product_view", "sessionId": session, "timestamp": at, "productId": "lamp", **more}


async def bury(ground: Ground, entry: str, record: bytes) -> None:
    await ground.postgres.execute(
        "INSERT INTO stream_dead_letters (stream, entry_id, reason, detail, record) "
        "VALUES ($1, $2, 'malformed', '', $3)",
        ground.keys.events(0).decode(),
        entry,
        record,
    )


def record_of(user_id: str | None) -> bytes:
    """A record with one event of that user, or of nobody known."""
    made = event(this_hour_ms() - 86_400_000 * 5, user_id=user_id, session_id="other")
    return join_record(record_head(made.event_id), [encode_piece(made, 0)])


async def test_user_is_erased_everywhere(turn: Turn, ground: Ground) -> None:
    """What is left is counted exactly, in this hour and earlier ones, and nothing names the user."""
    now_ms, client_id = time.time_ns() // 1_000_000, "0b5bbd3e-96ba-4f4d-9d9a-7e9a2f0c6d11"
    mine = {"userId": SUBJECT}
    async with ground.drained():
        for at_ms in (now_ms, this_hour_ms() - 3 * HOUR_MS):
            await accept(
                ground,
                [
                    sent(at_ms, "shared", id=client_id) | mine | {"type": "purchase"},
                    sent(at_ms, "shared"),
                    sent(at_ms, "own", country="NO") | mine,
                    sent(at_ms, "other", userId="bea"),
                ],
            )
    await write(ground.dsn, list(some_events(60, now_ms - 86_400_000 * 4, 86_400_000)))
    for entry, record in (
        ("1-0", record_of(SUBJECT)),
        ("2-0", record_of("bea")),
        ("3-0", b"\x01broken " + SUBJECT.encode() + b" record"),
        ("4-0", b"\x01broken record"),
    ):
        await bury(ground, entry, record)
    result = await turn.run(ERASE, Erasure(long_ago(), user_id=SUBJECT))
    assert result == {"events": 3, "quarter_hours": 2, "dead_letters": 2}

    postgres = ground.postgres
    assert await postgres.fetchval("SELECT count(*) FROM events WHERE user_id = $1", SUBJECT) == 0
    assert await postgres.fetchval("SELECT count(*) FROM events") == 64
    assert (
        await postgres.fetchval("SELECT count(*) FROM event_identities WHERE client_id = $1", client_id) == 0
    )
    sessions = await postgres.fetch("SELECT session_id, last_purchase_at FROM event_sessions ORDER BY 1")
    assert ("shared", None) in [tuple(row) for row in sessions]
    assert "own" not in [row[0] for row in sessions]
    letters = await postgres.fetch("SELECT entry_id FROM stream_dead_letters ORDER BY 1")
    assert [row[0] for row in letters] == ["2-0", "4-0"]
    assert [each for each in await ground.differing() if not each[0].startswith("live")] == []
    await assert_live_says_what_rows_do(ground, [now_ms // HOUR_MS, this_hour_ms() // HOUR_MS - 3])
    assert SUBJECT not in repr((await turn.newest()).__dict__)


async def assert_live_says_what_rows_do(ground: Ground, hours: list[int]) -> None:
    live = await read_live(ground.redis, ground.keys, hours)
    for hour in hours:
        raw = (await raw_counts(ground.postgres, hour, hour)).get(hour, {})
        counted_live = {
            minute: {letter: number for letter, number in of_minute.items() if number}
            for minute, of_minute in live[hour].minutes.items()
        }
        assert {minute: of_minute for minute, of_minute in counted_live.items() if of_minute} == raw


async def test_session_is_erased_with_its_own_row(turn: Turn, ground: Ground) -> None:
    """Doing it leaves what would be there had the session never been."""
    at_ms = this_hour_ms() - 50 * 24 * HOUR_MS
    others = list(some_events(80, at_ms, HOUR_MS))
    await write(ground.dsn, others)
    without = await counted(ground.postgres)
    await write(
        ground.dsn,
        [event(at_ms + n, session_id="gone", product_id="rare", type="product_view") for n in range(3)],
    )
    result = await turn.run(ERASE, Erasure(long_ago(), session_id="gone"))
    assert result["events"] == 3
    assert await counted(ground.postgres) == without
    again = await turn.run(ERASE, Erasure(long_ago(), session_id="gone"))
    assert again == {"events": 0, "quarter_hours": 0, "dead_letters": 0}


async def test_what_waits_in_a_stream_is_waited_for(turn: Turn, ground: Ground) -> None:
    """An event accepted before the wish is not missed for being late: the job comes back for it."""
    now_ms = time.time_ns() // 1_000_000
    async with ground.drained():
        await accept(ground, [sent(now_ms, "gone")])
        asked = datetime.now(UTC) + timedelta(seconds=1)
        with pytest.raises(Postponed):
            await turn.run(ERASE, Erasure(asked - timedelta(seconds=5), session_id="gone"))
    result = await turn.run(ERASE, Erasure(long_ago(), session_id="gone"))
    assert result["events"] == 1


async def test_erasure_of_nobody_is_refused(turn: Turn) -> None:
    """A payload that names nobody, or two, erases nothing."""
    with pytest.raises(PermanentFailure):
        await turn.run(ERASE, Erasure(long_ago()))


async def test_retried_erasure_goes_on_where_it_died(
    turn: Turn, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short between two quarter hours, it leaves counts that agree, and the next run does the rest."""
    at_ms = this_hour_ms() - 10 * 24 * HOUR_MS
    await write(ground.dsn, list(some_events(40, at_ms, 4 * HOUR_MS)))
    await write(ground.dsn, [event(at_ms + n * HOUR_MS, user_id=SUBJECT) for n in range(3)])
    original = erasure._erase
    done: list[int] = []

    async def dies(*arguments: Any) -> Any:
        if len(done) == 1:
            raise OSError("the power went")
        done.append(1)
        return await original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_erase", dies)
        with pytest.raises(OSError, match="power"):
            await turn.run(ERASE, Erasure(long_ago(), user_id=SUBJECT))
    await ground.make_live_agree()
    assert [each for each in await ground.differing() if each[0] != "event_sessions"] == []
    result = await turn.run(ERASE, Erasure(long_ago(), user_id=SUBJECT))
    assert result["events"] == 2
    assert await ground.differing() == []


@pytest.mark.parametrize("subject", [Subject("user_id", SUBJECT), Subject("session_id", "own")])
async def test_event_that_comes_during_the_search_keeps_its_session(ground: Ground, subject: Subject) -> None:
    """It came after the wish and stays; so does what is kept beside it."""
    first_ms = this_hour_ms() - 10 * 24 * HOUR_MS
    mine = {"session_id": "own", "user_id": SUBJECT}
    for day in range(2):
        await write(ground.dsn, [event(first_ms + day * 24 * HOUR_MS, **mine)])
    came = False

    async def come(done: int, _total: int, what: str) -> None:
        nonlocal came
        if what == "days searched" and done == 1 and not came:
            came = True
            await write(ground.dsn, [event(first_ms + 5, type="product_view", **mine)])

    erased = await erase_events(ground.postgres, subject, keep_days=90, on_progress=come)
    assert (len(erased.events), came) == (2, True)
    assert await ground.postgres.fetchval("SELECT count(*) FROM events") == 1
    assert await ground.differing() == []
