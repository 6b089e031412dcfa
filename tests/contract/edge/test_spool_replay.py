"""What was spooled reaches Redis: in order, once unless something broke, and whatever Redis says to it."""

import asyncio
import errno
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.metrics import EdgeMetrics
from edge.spool import Replayer, Spool, replayer
from edge.spool.segments import Segment
from millrace.streams.functions import FunctionLibrary
from millrace.streams.redis_pipe import PipeliningRedis
from millrace.streams.spooled_call import SpooledCall
from tests.contract.streams.own_valkey import OwnValkey

# Appends to a list, so that order and repeats show; and refuses one number for good.
LIBRARY = FunctionLibrary.from_source("""#!lua name=test_@VERSION@
local function push(keys, args)
  if args[1] == '-1' then
    return redis.error_reply('ERR not this one')
  end
  return redis.call('RPUSH', keys[1], args[1])
end
redis.register_function('push_@VERSION@', push)
""")

Open = Callable[..., AbstractAsyncContextManager[Spool]]


def push(number: int) -> SpooledCall:
    return SpooledCall("push", [b"pushed"], [number, b"x" * 50])


async def fill(spool: Spool, numbers: range) -> None:
    await asyncio.gather(*(spool.append(push(number)) for number in numbers))


async def until_replayed(spool: Spool, within_seconds: float = 10.0) -> None:
    async with asyncio.timeout(within_seconds):
        while spool.is_in_use:
            await asyncio.sleep(0.01)


def pushed(valkey: OwnValkey) -> list[int]:
    return [int(each) for each in valkey.command("LRANGE", "pushed", "0", "-1")]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayer, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(replayer, "LAST_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(replayer, "ADOPT_SECONDS", 0.1)


@pytest.fixture
def metrics() -> EdgeMetrics:
    return EdgeMetrics()


@pytest.fixture
def replaying(own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path) -> Open:
    """Opens a spool with a replayer; on the test's own Valkey unless told where."""

    async def open_redis() -> PipeliningRedis:
        return await PipeliningRedis.open(own_valkey.url, timeout=0.5, library=LIBRARY)

    @asynccontextmanager
    async def opened(segment_bytes: int = 4096) -> AsyncIterator[Spool]:
        async with (
            Spool(tmp_path / "spool", 1 << 20, metrics, segment_bytes=segment_bytes) as spool,
            Replayer(spool, open_redis, metrics),
        ):
            yield spool

    return opened


async def test_calls_are_replayed_in_order_and_once(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path
) -> None:
    """Over many segments, and while new ones come; nothing stays on disk."""
    async with replaying() as spool:
        for start in range(0, 500, 50):
            await fill(spool, range(start, start + 50))
            await asyncio.sleep(0.01)
        await until_replayed(spool)
        assert pushed(own_valkey) == list(range(500))
        assert list((tmp_path / "spool").iterdir()) == []
        assert spool.bytes_used == 0
        assert spool.oldest_age_seconds == 0.0
    assert +metrics.spool_calls == {"spooled": 500, "replayed": 500}


async def test_what_waits_for_redis_is_replayed_when_it_comes(replaying: Open, own_valkey: OwnValkey) -> None:
    """Functions included: the new Redis has none."""
    own_valkey.kill()
    async with replaying() as spool:
        await fill(spool, range(200))
        await asyncio.sleep(0.1)
        assert spool.records == 200
        assert spool.oldest_age_seconds > 0
        own_valkey.start()
        await until_replayed(spool)
    assert pushed(own_valkey) == list(range(200))


async def test_a_frozen_redis_may_get_calls_twice_and_misses_none(
    replaying: Open, own_valkey: OwnValkey
) -> None:
    """Nobody knows which of those on their way it took."""
    async with replaying() as spool:
        own_valkey.freeze()
        await fill(spool, range(200))
        await asyncio.sleep(0.7)
        assert spool.records == 200
        own_valkey.thaw()
        await until_replayed(spool)
    assert sorted(set(pushed(own_valkey))) == list(range(200))


async def test_a_full_redis_is_tried_again(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics
) -> None:
    """Being out of memory is Redis's state, not the call's: nothing is put aside, and order is kept."""
    async with replaying() as spool:
        await fill(spool, range(10))
        await until_replayed(spool)
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        await fill(spool, range(10, 300))
        await asyncio.sleep(0.2)
        assert spool.records == 290
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        await until_replayed(spool)
    assert pushed(own_valkey) == list(range(300))
    assert metrics.spool_calls["refused"] == 0


async def test_a_call_refused_for_good_is_put_aside(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path
) -> None:
    """The rest goes on, and what was refused is kept as a segment."""
    async with replaying() as spool:
        await fill(spool, range(-3, 20))
        await until_replayed(spool)
    assert pushed(own_valkey) == [number for number in range(-3, 20) if number != -1]
    assert metrics.spool_calls["refused"] == 1
    (aside,) = (tmp_path / "spool").glob("*.spool.refused")
    assert push(-1).encode() in aside.read_bytes()


async def test_what_no_release_wrote_is_put_aside(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics
) -> None:
    """A function that Redis does not know is asked for again, then it is refused like any other."""
    async with replaying() as spool:
        unknown = spool.append(SpooledCall("unheard_of", [b"pushed"], [1]))
        await asyncio.gather(unknown, spool.append(push(2)))
        await until_replayed(spool)
    assert pushed(own_valkey) == [2]
    assert metrics.spool_calls["refused"] == 1


async def test_a_damaged_segment_hides_neither_its_rest_nor_the_next(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path
) -> None:
    """A flipped byte in the middle costs one call, and its bytes stay."""
    folder = tmp_path / "spool"
    async with Spool(folder, 1 << 20, EdgeMetrics(), segment_bytes=1000) as owner:
        await fill(owner, range(60))
    first = min(folder.glob("*.spool"))
    content = bytearray(first.read_bytes())
    place = content.index(push(5).encode()) + 30
    content[place] ^= 0x10
    first.write_bytes(content)
    async with replaying() as spool:
        await until_replayed(spool)
    assert pushed(own_valkey) == [number for number in range(60) if number != 5]
    assert metrics.spool_calls["torn"] == 1
    (torn,) = folder.glob("*.torn")
    assert len(torn.read_bytes()) == len(push(5).encode()) + 12


async def test_a_torn_segment_is_replayed_up_to_the_tear(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path
) -> None:
    """And the segments after it whole."""
    folder = tmp_path / "spool"
    async with Spool(folder, 1 << 20, EdgeMetrics(), segment_bytes=1000) as owner:
        await fill(owner, range(60))
    first = min(folder.glob("*.spool"))
    first.write_bytes(first.read_bytes()[: 16 + 2 * (len(push(0).encode()) + 12) + 40])
    async with replaying() as spool:
        await until_replayed(spool)
    numbers = pushed(own_valkey)
    assert numbers[:2] == [0, 1]
    assert numbers[2:] == list(range(numbers[2], 60))
    assert metrics.spool_calls["torn"] == 1


async def test_a_segment_without_one_whole_record_is_put_aside(
    replaying: Open, own_valkey: OwnValkey, metrics: EdgeMetrics, tmp_path: Path
) -> None:
    """It does not lie about for ever, and its bytes are kept."""
    folder = tmp_path / "spool"
    async with Spool(folder, 1 << 20, EdgeMetrics()) as owner:
        await fill(owner, range(1))
    (only,) = folder.glob("*.spool")
    only.write_bytes(only.read_bytes()[:-1])
    async with replaying() as spool:
        await until_replayed(spool)
    assert [path.suffix for path in folder.iterdir()] == [".torn"]
    assert metrics.spool_calls["torn"] == 1


async def test_a_segment_that_cannot_be_read_keeps_nobody_waiting(
    replaying: Open, own_valkey: OwnValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are replayed; it stays where it is, and is replayed once it can be read."""
    broken: list[Path] = []
    real = Segment.content

    def content(segment: Segment) -> bytes:
        if not broken:
            broken.append(segment.path)
            raise OSError(errno.EIO, "as a broken disk says")
        return real(segment)

    monkeypatch.setattr(Segment, "content", content)
    async with replaying(segment_bytes=1000) as spool:
        await fill(spool, range(60))
        await until_replayed(spool)
        first = pushed(own_valkey)
        assert 0 < len(first) < 60
        async with asyncio.timeout(5):
            while len(pushed(own_valkey)) < 60:
                await asyncio.sleep(0.02)
    assert sorted(pushed(own_valkey)) == list(range(60))


async def test_a_stop_in_the_middle_leaves_the_rest_to_the_next(
    replaying: Open, own_valkey: OwnValkey
) -> None:
    """Some calls may be made twice, none is missing, and the first time they come in order."""
    own_valkey.kill()
    async with replaying() as spool:
        await fill(spool, range(2000))
    own_valkey.start()
    async with replaying() as spool:
        async with asyncio.timeout(10):
            while not own_valkey.command("LLEN", "pushed"):
                await asyncio.sleep(0)
        assert spool.is_in_use
    async with replaying() as spool:
        await until_replayed(spool)
    assert list(dict.fromkeys(pushed(own_valkey))) == list(range(2000))


async def test_a_stop_while_a_segment_is_removed_or_adopted_harms_neither(
    replaying: Open, own_valkey: OwnValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the thread was at, it ends first: no file is lost sight of, no lock kept."""
    for method in ("remove", "adopt"):
        real = getattr(Segment, method)
        at_it = threading.Event()

        def slowly(*args: Any, real: Any = real, at_it: Any = at_it) -> Any:
            at_it.set()
            time.sleep(0.1)
            return real(*args)

        monkeypatch.setattr(Segment, method, slowly)
        async with replaying():
            async with Spool(tmp_path / "spool", 1 << 20, EdgeMetrics()) as other:
                await fill(other, range(10))
            async with asyncio.timeout(5):
                while not at_it.is_set():
                    await asyncio.sleep(0.005)
        monkeypatch.setattr(Segment, method, real)
    async with replaying() as spool:
        await until_replayed(spool)
    assert set(pushed(own_valkey)) == set(range(10))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_running_replayer_adopts_what_the_dead_left(
    replaying: Open, own_valkey: OwnValkey, tmp_path: Path
) -> None:
    """Without being started again."""
    async with replaying() as spool:
        async with Spool(tmp_path / "spool", 1 << 20, EdgeMetrics()) as other:
            await fill(other, range(30))
            await asyncio.sleep(0.2)
            assert pushed(own_valkey) == []
        async with asyncio.timeout(5):
            while len(pushed(own_valkey)) < 30:
                await asyncio.sleep(0.02)
        await until_replayed(spool)
    assert pushed(own_valkey) == list(range(30))
