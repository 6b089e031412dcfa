"""Files that mean harm come in by the dozen: each is refused with its reason, and nobody else feels it.

MILLRACE_CHAOS_ROUNDS cuts files at ten times as many places and turns a hundred times as many bits.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import DECODE_MEMORY_MIB, Api
from tests.e2e.hostile_pictures import Hostile, bombs, flipped, giants, liars, polyglots, truncated
from tests.e2e.media_pictures import unlike
from tests.e2e.media_shop import MEDIA, PRODUCT_SET, names, open_shop
from tests.memory_watch import MemoryWatch, watched_memory
from tests.stack import Stack

IS_LONG = "MILLRACE_CHAOS_ROUNDS" in os.environ
CUTS, FLIPS = (40, 300) if IS_LONG else (4, 3)
AT_ONCE = 8
GOOD_PICTURES = 4
PATIENCE = 900.0 if IS_LONG else 60.0
# What the interpreter, the libraries and the file itself take, beside what decoding may.
OWN_MIB = 100
# Of us and of our libraries: paths, modules, classes, calls, addresses.
INNER_WORDS = re.compile(
    r"/|\\|::|__|0x[0-9a-f]|\bPIL\b|pillow|\.py\b|Traceback|Error\b|Exception|<[^>]*>|\w\(|\b[a-z]+_[a-z_]+\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Assault:
    """What became of all files, and of good pictures and the worker meanwhile."""

    sent: dict[str, list[Hostile]]
    records: dict[str, Any]
    good: list[Any]
    good_seconds: list[float]
    worker_pids: tuple[int, int]
    memory: MemoryWatch

    def of(self, kind: str) -> list[tuple[Hostile, Any]]:
        """The files of this kind with their records."""
        return [(file, self.records[file.picture.name]) for file in self.sent[kind]]

    def wrongly_judged(self, kind: str) -> dict[str, Any]:
        """Those that are not REJECTED for one of their reasons, with what they are instead."""
        return {
            file.picture.name: (
                record["status"],
                record.get("reason"),
                record.get("reasonDetail"),
                sorted(file.reasons),
            )
            for file, record in self.of(kind)
            if record["status"] != "REJECTED" or record["reason"] not in file.reasons
        }


@pytest.fixture(scope="module")
async def assault(stack: Stack) -> Assault:
    """All files at once, as far as the door lets them, and a good picture now and then."""
    sent = {
        "liars": list(liars()),
        "polyglots": list(polyglots()),
        "giants": list(giants()),
        "bombs": list(bombs()),
        "truncated": list(truncated(CUTS)),
        "flipped": list(flipped(FLIPS)),
    }
    files = [file for kind in sent.values() for file in kind]
    turns = asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as resources:
        shop = await resources.enter_async_context(open_shop(stack))
        await shop.added(unlike("warm-up", 0))
        before = stack.pid_of("worker")
        memory = await resources.enter_async_context(watched_memory(before))

        async def send(file: Hostile) -> Any:
            async with turns:
                ticket = await shop.uploaded(file.picture)
                return await shop.processed(ticket["mediaId"], within=PATIENCE)

        sending = [asyncio.create_task(send(file)) for file in files]
        good, good_seconds = [], []
        for number in range(GOOD_PICTURES):
            began_at = time.monotonic()
            good.append(await shop.added(unlike("good", number)))
            good_seconds.append(time.monotonic() - began_at)
        async with asyncio.timeout(PATIENCE):
            records = await asyncio.gather(*sending)
        return Assault(
            sent,
            {file.picture.name: record for file, record in zip(files, records, strict=True)},
            good,
            good_seconds,
            (before, stack.pid_of("worker")),
            memory,
        )


async def test_files_of_another_type_are_refused(assault: Assault) -> None:
    """Whatever was declared, the first bytes decide."""
    assert assault.wrongly_judged("liars") == {}


async def test_files_that_are_something_else_as_well_are_refused(assault: Assault) -> None:
    """Archives, pages, scripts and documents behind or within good pictures."""
    assert assault.wrongly_judged("polyglots") == {}


async def test_files_that_end_too_early_are_refused(assault: Assault) -> None:
    """In every format, wherever they are cut."""
    assert assault.wrongly_judged("truncated") == {}


async def test_claims_of_huge_sizes_are_refused(assault: Assault) -> None:
    """By what the header says, before anything is decoded."""
    assert assault.wrongly_judged("giants") == {}


async def test_bombs_are_refused(assault: Assault) -> None:
    """What grows or never ends while it is read, be it pixels, texts or profiles."""
    assert assault.wrongly_judged("bombs") == {}


async def test_turned_bits_end_well(assault: Assault) -> None:
    """Each file is READY with all variants or REJECTED with a reason; none crashes or starves a decoder."""
    for _, record in assault.of("flipped"):
        if record["status"] == "READY":
            assert names(record) == PRODUCT_SET
        else:
            assert record["reason"] not in {"DECODER_CRASHED", "LIMIT_EXCEEDED", "OBJECT_LOST"}, record


async def test_a_refusal_speaks_to_people(assault: Assault) -> None:
    """One sentence without a word of our inside; and no variant, and nothing that is known of a READY one."""
    rejected = [record for record in assault.records.values() if record["status"] == "REJECTED"]
    for record in rejected:
        detail = record["reasonDetail"]
        assert 10 < len(detail) <= 300, record
        assert INNER_WORDS.search(detail.replace("image/", "")) is None, detail
        assert record.get("variants", []) == []
        assert not {"sha256", "thumbhash", "dominantColor"} & {key for key, value in record.items() if value}


async def test_good_pictures_are_ready_meanwhile(assault: Assault) -> None:
    """They wait for their turn like everybody, for seconds and not for the end of the assault."""
    assert [(record["status"], names(record)) for record in assault.good] == [
        ("READY", PRODUCT_SET)
    ] * GOOD_PICTURES
    assert max(assault.good_seconds) < 10, assault.good_seconds


async def test_the_worker_lives_on(assault: Assault) -> None:
    """The very same process, which the supervisor never had to start again."""
    before, after = assault.worker_pids
    assert before == after


async def test_memory_stays_within_its_limit(assault: Assault) -> None:
    """The worker holds no pixels, and each decoder no more than decoding may take."""
    assert assault.memory.of_root < 2 * OWN_MIB
    assert assault.memory.of_descendants < DECODE_MEMORY_MIB + OWN_MIB


async def test_a_refusal_is_final(assault: Assault, admin: Api) -> None:
    """Another call says the same at once, with the same words."""
    record = assault.records["text"]
    again = await admin.post(f"{MEDIA}/process", {"mediaId": record["mediaId"], "wait": True})
    assert (again.status, again.body) == (200, record)
