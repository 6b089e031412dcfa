"""Taking events, finding one again wherever it is, putting dead ones back, and promising to erase."""

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import select

from millrace.analytics.v1 import analytics_service_pb2 as rpc
from millrace.analytics.v1.event_pb2 import EventLocation, TrackedEvent, TrackedEventResult
from millrace.streams.event_records import decode_events
from millrace.streams.ids import id_text, new_id_bytes
from server.audit import AuditEntry
from server.db.day_partitions import DayPartitions
from server.errors import InvalidArgument, NotFound, Unavailable
from server.jobs.models import Job
from tests.contract.analytics.analysts import Analysts

_BURY = """
    INSERT INTO stream_dead_letters (stream, entry_id, reason, detail, record) VALUES ($1, $2, $3, $4, $5)
"""

ACCEPTED, REJECTED = TrackedEventResult.ACCEPTED, TrackedEventResult.REJECTED


def tracked(**given: Any) -> TrackedEvent:
    return TrackedEvent(**{"type": "page_view", "session_id": "s-1", **given})


async def track(analysts: Analysts, *events: TrackedEvent) -> rpc.TrackEventsResponse:
    answer = await analysts.call(rpc.TrackEventsRequest(events=events))
    assert isinstance(answer, rpc.TrackEventsResponse)
    return answer


async def waiting(analysts: Analysts) -> list[tuple[bytes, bytes, bytes]]:
    """Stream, entry id and record of each entry."""
    entries = []
    for stream in analysts.keys.all_events():
        page = await analysts.redis.execute("XRANGE", stream, "-", "+")
        entries += [(stream, bytes(entry_id), bytes(fields[1])) for entry_id, fields in page]
    return entries


async def bury(analysts: Analysts, *, reason: str = "malformed", record: bytes | None = None) -> None:
    """Moves what waits into dead letters, as the drain does; or buries the record given."""
    moved = await waiting(analysts) if record is None else [(analysts.keys.events(0), b"7-1", record)]
    for stream, entry_id, kept in moved:
        await analysts.redis.execute("XDEL", stream, entry_id)
        await analysts.postgres.execute(
            _BURY, stream.decode(), entry_id.decode(), reason, "its detail", kept,
        )  # fmt: skip


async def locate(analysts: Analysts, event_id: str) -> EventLocation:
    answer = await analysts.call(rpc.GetEventRequest(event_id=event_id))
    assert isinstance(answer, EventLocation)
    return answer


@pytest.mark.parametrize(
    "wrong",
    [
        Timestamp(nanos=10**9),
        Timestamp(nanos=-1),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=-(2**63)),
    ],
    ids=["too many nanos", "negative nanos", "after the year 9999", "before all years"],
)
async def test_an_instant_that_is_none_costs_its_event_alone(analysts: Analysts, wrong: Timestamp) -> None:
    """The others are taken; as the batch's own clock it is the whole request's mistake, by name."""
    answer = await track(analysts, tracked(timestamp=wrong), tracked())
    first, second = answer.results
    assert (first.outcome, first.field, first.reason) == (REJECTED, "timestamp", "not_a_time")
    assert second.outcome == ACCEPTED
    with pytest.raises(InvalidArgument) as refused:
        await analysts.call(rpc.TrackEventsRequest(events=[tracked()], sent_at=wrong))
    assert [violation.field for violation in refused.value.fields] == ["sent_at"]


async def test_events_of_services_go_into_the_stream(analysts: Analysts) -> None:
    """With what the sender says of them, under the id that the answer names."""
    metadata = Struct()
    metadata.update({"amount": 1250, "currency": "EUR", "ratio": 0.5, "tags": ["a", None, True]})
    occurred_at = Timestamp()
    occurred_at.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    answer = await track(
        analysts,
        tracked(
            type="purchase", user_id="anna", product_id="lamp", metadata=metadata, timestamp=occurred_at,
            device="tablet", country="AT", bot=True,
        ),
    )  # fmt: skip
    assert (answer.accepted, answer.duplicates, answer.results[0].outcome) == (1, 0, ACCEPTED)
    [event] = [each for _, _, record in await waiting(analysts) for each in decode_events(record)]
    assert id_text(event.event_id) == answer.results[0].event_id
    assert (event.type, event.user_id, event.device, event.country, event.human) == (
        "purchase", "anna", "tablet", "AT", False,
    )  # fmt: skip
    assert json.loads(event.metadata or b"") == {
        "amount": 1250, "currency": "EUR", "ratio": 0.5, "tags": ["a", None, True],
    }  # fmt: skip
    assert event.occurred_ms == occurred_at.ToMilliseconds()


async def test_each_event_has_a_verdict_of_its_own(analysts: Analysts) -> None:
    """In the order of the events: a bad one keeps no good one out, over all shards."""
    answer = await track(
        analysts,
        tracked(session_id="s-1"),
        tracked(session_id=""),
        tracked(session_id="s-2"),
        tracked(type="search"),
        tracked(url="x" * 3_000),
        tracked(session_id="s-3"),
    )
    assert [(each.outcome, each.field, each.reason) for each in answer.results] == [
        (ACCEPTED, "", ""),
        (REJECTED, "sessionId", "required"),
        (ACCEPTED, "", ""),
        (REJECTED, "type", "not_allowed"),
        (REJECTED, "url", "too_long"),
        (ACCEPTED, "", ""),
    ]
    written = {
        id_text(each.event_id): each.session_id
        for _, _, record in await waiting(analysts)
        for each in decode_events(record)
    }
    accepted = [each.event_id for each in answer.results if each.outcome == ACCEPTED]
    assert [written[event_id] for event_id in accepted] == ["s-1", "s-2", "s-3"]
    assert len(written) == 3


async def test_an_id_counts_once(analysts: Analysts) -> None:
    """Within a call and over several; the answer names the id either way."""
    own_id = id_text(new_id_bytes())
    first = await track(analysts, tracked(id=own_id), tracked(id=own_id))
    again = await track(analysts, tracked(id=own_id))
    assert (first.accepted, first.duplicates, again.accepted, again.duplicates) == (1, 1, 0, 1)
    assert {each.event_id for each in (*first.results, *again.results)} == {own_id}
    assert len(await waiting(analysts)) == 1


async def test_a_full_stream_takes_no_events(analysts: Analysts) -> None:
    """The caller is told when to come back."""
    for _ in range(4):
        await track(analysts, tracked())
    deadline = time.monotonic() + 5
    with pytest.raises(Unavailable) as refused:  # noqa: PT012 - it is refused after the next look
        while time.monotonic() < deadline:
            await track(analysts, tracked())
            await asyncio.sleep(0.05)
    assert (refused.value.reason, refused.value.retry_after) == ("STREAM_OVERLOADED", 2.0)


async def test_redis_away_refuses_what_only_redis_can_answer(analysts: Analysts) -> None:
    """Events, the running minutes, events that are not stored; the dashboard claims no completeness."""
    await analysts.redis.close()
    for request in (
        rpc.TrackEventsRequest(events=[tracked()]),
        rpc.GetRealtimeRequest(),
        rpc.GetEventRequest(event_id=str(uuid.uuid4())),
    ):
        with pytest.raises(Unavailable) as refused:
            await analysts.call(request)
        assert refused.value.reason == "STREAM_UNAVAILABLE"
    answer = await analysts.call(rpc.GetDashboardRequest())
    assert not answer.complete
    assert not answer.HasField("as_of")
    assert not answer.HasField("lag_seconds")


@pytest.mark.parametrize("own_id", ["", "8caa4dfa-6f3e-4331-b2d1-2a527cb100ec", "v7"])
async def test_an_event_is_found_while_it_waits_and_when_it_is_dead(analysts: Analysts, own_id: str) -> None:
    """By an id that was made for it, and by one that its client gave, of whatever version."""
    own_id = id_text(new_id_bytes()) if own_id == "v7" else own_id
    answer = await track(analysts, tracked(session_id="other"), tracked(id=own_id, product_id="lamp"))
    event_id = answer.results[1].event_id
    found = await locate(analysts, event_id)
    assert (found.state, found.event.product_id, bool(found.entry_id)) == (
        EventLocation.WAITING,
        "lamp",
        True,
    )
    await bury(analysts)
    found = await locate(analysts, event_id.upper())
    assert (found.state, found.dead_reason, found.event.product_id) == (
        EventLocation.DEAD, "malformed", "lamp",
    )  # fmt: skip


async def test_a_record_that_cannot_be_read_is_found_by_its_bytes(analysts: Analysts) -> None:
    """Where it is, is all that can be said of it."""
    event_id = new_id_bytes()
    await bury(analysts, record=b"\x01garbage" + event_id + b"garbage")
    found = await locate(analysts, id_text(event_id))
    assert (found.state, found.HasField("event"), found.dead_detail) == (
        EventLocation.DEAD, False, "its detail",
    )  # fmt: skip


async def test_a_stored_event_is_found_with_its_fields(analysts: Analysts) -> None:
    """By its own id and by its client's."""
    event_id, client_id = uuid.UUID(bytes=new_id_bytes()), uuid.uuid4()
    at = datetime.now(UTC)
    await DayPartitions("events").ensure(analysts.postgres, [int(at.timestamp()) // 86_400])
    await analysts.postgres.execute("INSERT INTO event_identities VALUES ($1, $2)", client_id, event_id)
    await analysts.postgres.execute(
        "INSERT INTO events VALUES ($1, $2, $2, true, false, 'DE', $3, 'page_view', 's-1', NULL, 'lamp', "
        "'mobile', 'direct', NULL, NULL, '{\"a\": 1}')",
        event_id, at, client_id,
    )  # fmt: skip
    for wanted in (event_id, client_id):
        found = await locate(analysts, str(wanted))
        assert (found.state, found.event.event_id, found.event.client_id) == (
            EventLocation.STORED, str(event_id), str(client_id),
        )  # fmt: skip
        assert (found.event.source, found.event.metadata["a"], found.event.HasField("user_id")) == (
            "direct", 1, False,
        )  # fmt: skip


async def test_an_event_that_is_nowhere_is_not_found(analysts: Analysts) -> None:
    """Also one whose id differs in its last byte only from one that waits."""
    event_id = (await track(analysts, tracked())).results[0].event_id
    for other in (str(uuid.uuid4()), event_id[:-1] + ("0" if event_id[-1] != "0" else "1")):
        with pytest.raises(NotFound) as refused:
            await locate(analysts, other)
        assert refused.value.reason == "EVENT_NOT_FOUND"


async def test_dead_letters_come_in_pages(analysts: Analysts) -> None:
    """Newest first, each once, by reason where one is asked for."""
    for number in range(5):
        await analysts.postgres.execute(
            "INSERT INTO stream_dead_letters (stream, entry_id, position, reason, detail, record, died_at) "
            "VALUES ('old', $1, $2, $3, 'x', 'r', now() - $2::smallint * interval '1 second')",
            f"{number}-0", number, "malformed" if number % 2 else "too_old",
        )  # fmt: skip
    seen, token = [], ""
    while True:
        page = await analysts.call(rpc.ListDeadLettersRequest(page_size=2, page_token=token))
        seen += [letter.entry_id for letter in page.dead_letters]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["0-0", "1-0", "2-0", "3-0", "4-0"]
    some = await analysts.call(rpc.ListDeadLettersRequest(reason="malformed"))
    assert [letter.entry_id for letter in some.dead_letters] == ["1-0", "3-0"]


async def test_replayed_letters_are_on_their_stream_again(analysts: Analysts) -> None:
    """The same bytes; letters of streams that nobody reads stay, and the audit tells of it."""
    await track(analysts, tracked(session_id="s-1"), tracked(session_id="s-2"), tracked(session_id="s-3"))
    before = sorted((stream, record) for stream, _, record in await waiting(analysts))
    await bury(analysts)
    await analysts.postgres.execute(_BURY, "gone", "1-1", "x", "x", b"r")
    answer = await analysts.call(rpc.ReplayDeadLettersRequest())
    assert (answer.replayed, answer.kept) == (len(before), 0)
    assert sorted((stream, record) for stream, _, record in await waiting(analysts)) == before
    left = await analysts.call(rpc.ListDeadLettersRequest())
    assert [letter.stream for letter in left.dead_letters] == ["gone"]
    again = await analysts.call(rpc.ReplayDeadLettersRequest())
    assert (again.replayed, len(await waiting(analysts))) == (0, len(before))
    async with analysts.sessions() as session:
        [entry] = list(await session.scalars(select(AuditEntry)))
    assert (entry.action, entry.after) == ("dead_letter.replay", {"replayed": len(before), "reason": None})


async def test_a_letter_stays_until_redis_has_its_record(analysts: Analysts) -> None:
    """Redis away: nothing is lost."""
    await bury(analysts, record=b"whatever")
    await analysts.redis.close()
    with pytest.raises(Unavailable):
        await analysts.call(rpc.ReplayDeadLettersRequest())
    left = await analysts.call(rpc.ListDeadLettersRequest())
    assert [letter.record for letter in left.dead_letters] == [b"whatever"]


async def test_an_erasure_is_a_job_and_in_the_audit(analysts: Analysts) -> None:
    """The audit does not say whose events they were: they were to be forgotten."""
    answer = await analysts.call(rpc.EraseVisitorRequest(user_id="anna"))
    async with analysts.sessions() as session:
        job = await session.get_one(Job, uuid.UUID(answer.job_id))
        [entry] = list(await session.scalars(select(AuditEntry)))
    assert (job.task, job.payload["user_id"], job.payload.get("session_id")) == (
        "analytics.erase",
        "anna",
        None,
    )
    assert (entry.subject, entry.after) == (f"job/{answer.job_id}", {"by": "user_id"})


async def test_an_erasure_names_whose_events_go(analysts: Analysts) -> None:
    """Nobody is no answer."""
    with pytest.raises(InvalidArgument):
        await analysts.call(rpc.EraseVisitorRequest())


async def test_the_running_minutes_come_from_redis(analysts: Analysts) -> None:
    """As soon as they are accepted: by minute, and today by the program's own calendar."""
    yesterday = Timestamp()
    yesterday.FromDatetime(datetime.now(UTC) - timedelta(hours=26))
    await track(
        analysts,
        tracked(),
        tracked(type="product_view", session_id="s-2"),
        tracked(bot=True),
        tracked(timestamp=yesterday),
    )
    now = int(time.time())
    await analysts.redis.execute("HSET", analysts.keys.live(0, now // 3600), f"{now // 60 % 60}h", 3)
    answer = await analysts.call(rpc.GetRealtimeRequest())
    last_two = [minute.figures for minute in answer.minutes[-2:]]
    assert len(answer.minutes) == 60
    assert sum(figures.page_views for figures in last_two) == 1
    assert sum(figures.clicks for figures in last_two) == 3
    assert (answer.timezone, answer.replayed) == ("Europe/Berlin", 0)
    if answer.today_start.seconds <= now - 60:
        assert (answer.today.page_views, answer.today.product_views, answer.today.bot_events) == (1, 1, 1)
    table = (await analysts.call(rpc.ExportRealtimeRequest())).data.decode().split("\r\n")
    assert len(table) == 62
