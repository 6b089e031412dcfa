"""Pictures while things break: workers and decoders that are killed, a store that is away, a hundred at once.

MILLRACE_CHAOS_ROUNDS kills so many times, and keeps the store away for a minute.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import eventually
from tests.e2e.media_pictures import Picture, photo, unlike
from tests.e2e.media_shop import PRODUCT_SET, MediaShop, names, open_shop, urls
from tests.stack import Stack, descendants

IS_LONG = "MILLRACE_CHAOS_ROUNDS" in os.environ
ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
AWAY_SECONDS = 60.0 if IS_LONG else 3.0
PATIENCE = 90.0
AT_ONCE = 100
# Together they take a while, so that there is a middle in which to strike.
SLOW = [
    {"name": f"slow-{side}", "width": side, "format": "avif", "quality": 90} for side in (1200, 1201, 1202)
]


@dataclass
class Watched:
    """What somebody who keeps asking for a record has seen: its states, and how many variants each."""

    seen: list[tuple[str, int]] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
async def shop(victim: Stack) -> AsyncIterator[MediaShop]:
    async with open_shop(victim) as shop:
        # From here on the worker has made all that it makes once.
        await shop.added(unlike("warm-up", uuid.uuid4().int))
        yield shop


@asynccontextmanager
async def watching(shop: MediaShop, media_id: str) -> AsyncIterator[Watched]:
    """Looks at the record all the while; whatever URL it lists must be there."""
    watched, fetched = Watched(), set[str]()

    async def look_on() -> None:
        while True:
            record = await shop.record(media_id)
            state = (record["status"], len(record.get("variants", [])))
            if state not in watched.seen:
                watched.seen.append(state)
            for url in set(urls(record) if state[1] else ()) - fetched:
                fetched.add(url)
                if (await shop.fetch(url)).status != 200:
                    watched.unreachable.append(url)
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look_on())
    try:
        yield watched
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    if not looking.cancelled() and (error := looking.exception()):
        raise error


async def slow_upload() -> Picture:
    content = await asyncio.to_thread(photo, (2400, 1600), uuid.uuid4().int)
    return Picture("slow", content, "image/jpeg", (2400, 1600))


async def decoders(worker: int, idle: Sequence[int], *, within: float = 20.0) -> list[int]:
    """The processes that a worker has beyond its idle ones, as soon as there are some."""
    async with asyncio.timeout(within):
        while not (busy := [pid for pid in descendants(worker) if pid not in idle]):
            await asyncio.sleep(0.01)
    return busy


async def under_way(shop: MediaShop, stack: Stack) -> tuple[str, int, list[int]]:
    """A picture that is being decoded just now: its id, its worker and the decoders."""
    worker = stack.pid_of("worker")
    idle = descendants(worker)
    ticket = await shop.uploaded(await slow_upload())
    answer = await shop.process(ticket["mediaId"], variants=SLOW)
    assert answer.body["status"] == "PROCESSING", answer.body
    return ticket["mediaId"], worker, await decoders(worker, idle)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def are_gone(pids: Sequence[int], *, within: float = 5.0) -> None:
    async def check() -> bool:
        return not any(is_alive(pid) for pid in pids)

    await eventually(check, within_seconds=within)


async def test_a_hundred_uploads_of_the_same_bytes_share_one_set(shop: MediaShop) -> None:
    """A hundred pictures are READY; their variants were made once and are there."""
    picture = unlike("hundred", uuid.uuid4().int)
    records = await asyncio.gather(*(shop.added(picture) for _ in range(AT_ONCE)))

    assert {record["status"] for record in records} == {"READY"}
    assert len({record["mediaId"] for record in records}) == AT_ONCE
    assert len({record["key"] for record in records}) == AT_ONCE
    assert {tuple(urls(record)) for record in records} == {tuple(urls(records[0]))}
    assert names(records[0]) == PRODUCT_SET
    assert {(await shop.fetch(url)).status for url in urls(records[0])} == {200}


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_worker_killed_within_a_picture_costs_nothing(
    shop: MediaShop, victim: Stack, number: int
) -> None:
    """Its decoder goes with it; the picture is READY after another try, and no half set was ever listed."""
    backs = victim.times_back("worker")
    media_id, worker, busy = await under_way(shop, victim)
    async with watching(shop, media_id) as watched:
        os.kill(worker, signal.SIGKILL)
        await are_gone(busy)
        record = await shop.finished(media_id, within=PATIENCE)

    assert (record["status"], names(record)) == ("READY", [recipe["name"] for recipe in SLOW])
    assert set(watched.seen) <= {("PROCESSING", 0), ("READY", len(SLOW))}
    assert watched.unreachable == []
    assert victim.times_back("worker") == backs + 1
    assert victim.pid_of("worker") != worker


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_decoder_killed_from_outside_is_no_verdict(
    shop: MediaShop, victim: Stack, number: int
) -> None:
    """The kernel may want its memory: the picture is tried again, by the same worker."""
    media_id, worker, busy = await under_way(shop, victim)
    os.kill(busy[-1], signal.SIGKILL)
    record = await shop.finished(media_id, within=PATIENCE)

    assert (record["status"], len(record["variants"])) == ("READY", len(SLOW)), record
    assert victim.pid_of("worker") == worker


async def test_a_store_that_hangs_is_waited_for(shop: MediaShop, victim: Stack) -> None:
    """Asked for while it does not answer, or on its way just then: PROCESSING, and READY once it is back."""
    later = await shop.uploaded(unlike("later", uuid.uuid4().int))
    media_id, *_ = await under_way(shop, victim)
    stores = victim.kill("serve", "s3", signal_number=signal.SIGSTOP)
    try:
        asking = asyncio.create_task(shop.process(later["mediaId"]))
        await asyncio.sleep(AWAY_SECONDS)
        assert {(await shop.record(one))["status"] for one in (media_id, later["mediaId"])} <= {
            "PENDING",
            "PROCESSING",
        }
    finally:
        for store in stores:
            os.kill(store, signal.SIGCONT)
    answer = await asking
    records = await asyncio.gather(
        *(shop.finished(one, within=PATIENCE) for one in (media_id, later["mediaId"]))
    )

    assert (answer.status, answer.body["status"]) == (200, "PROCESSING")
    assert [record["status"] for record in records] == ["READY", "READY"], records


async def test_a_store_that_dies_is_waited_for(shop: MediaShop, victim: Stack) -> None:
    """The supervisor starts it again; the picture becomes READY, and every variant is as it should be."""
    before = await shop.added(unlike("before", uuid.uuid4().int))
    media_id, *_ = await under_way(shop, victim)
    victim.kill("serve", "s3")
    answer = await shop.process(before["mediaId"], variants=[{"name": "new", "width": 40}])
    assert (answer.status, answer.body["status"]) == (200, "PROCESSING")
    assert urls(answer.body) == urls(before)

    records = await asyncio.gather(
        *(shop.finished(one, within=PATIENCE) for one in (media_id, before["mediaId"]))
    )
    assert [record["status"] for record in records] == ["READY", "READY"], records
    assert names(records[1]) == [*PRODUCT_SET, "new"]
    for one in records[1]["variants"]:
        fetched = await shop.fetch(one["url"])
        assert (fetched.status, len(fetched.body)) == (200, one["bytes"])
        assert fetched.headers["Content-Type"] == f"image/{one['format']}"
        assert "immutable" in fetched.headers["Cache-Control"]


async def test_other_work_goes_on_meanwhile(shop: MediaShop, victim: Stack) -> None:
    """With the store away, everything that needs none answers as ever."""
    record: Any = await shop.added(unlike("meanwhile", uuid.uuid4().int))
    stores = victim.kill("serve", "s3", signal_number=signal.SIGSTOP)
    try:
        async with asyncio.timeout(3):
            assert (await shop.record(record["mediaId"])) == record
            assert (await shop.ticket(unlike("meanwhile", 0)))["uploadUrl"]
    finally:
        for store in stores:
            os.kill(store, signal.SIGCONT)
