"""The pipelining client against a real Redis: one write per tick, order, isolation, bounds."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio.connection as redis_py

from millrace.streams.functions import PUBLISH_LINK
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import Overloaded, PipeliningRedis, RedisReplyError, RedisUnavailable


class Relay:
    """Passes bytes between client and Redis, remembers how they were cut, and may hold replies back."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.sent: list[bytes] = []
        self.replies_flow = asyncio.Event()
        self.replies_flow.set()
        self.reply_bytes_at_once = 1 << 16

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client connection until either side closes."""
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)

        async def answers() -> None:
            while answer := await upstream_reader.read(self.reply_bytes_at_once):
                await self.replies_flow.wait()
                writer.write(answer)
            writer.close()

        answering = asyncio.create_task(answers())
        while request := await reader.read(1 << 20):
            self.sent.append(request)
            upstream_writer.write(request)
        upstream_writer.close()
        writer.close()
        answering.cancel()


@pytest.fixture
async def relay(redis_url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay in front of the session's Redis, with the URL that leads through it."""
    settings = redis_py.parse_url(redis_url)
    subject = Relay(settings["host"], settings["port"])
    async with await asyncio.start_server(subject.carry, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield subject, redis_url.replace(f":{settings['port']}", f":{port}")


async def test_replies_are_python_values(redis: PipeliningRedis, redis_prefix: str) -> None:
    """Bytes, integers, nothing and lists come back as such."""
    key = redis_prefix + "k"
    assert await redis.execute("SET", key, b"\x00\r\n$-1\r\n\xff") == b"OK"
    assert await redis.execute("GET", key) == b"\x00\r\n$-1\r\n\xff"
    assert await redis.execute("GET", key + "?") is None
    assert await redis.execute("STRLEN", key) == 9
    assert await redis.execute("MGET", key, key + "?") == [b"\x00\r\n$-1\r\n\xff", None]
    assert await redis.execute("SET", key, True) == b"OK"
    assert await redis.execute("GET", key) == b"1"


async def test_commands_of_one_tick_leave_in_one_write(relay: tuple[Relay, str]) -> None:
    """A hundred callers in one tick cost one write."""
    subject, url = relay
    async with await PipeliningRedis.open(url, timeout=5.0) as redis:
        subject.sent.clear()
        replies = await asyncio.gather(*(redis.execute("ECHO", str(number)) for number in range(100)))
        assert replies == [str(number).encode() for number in range(100)]
        assert len(subject.sent) == 1
        assert subject.sent[0].count(b"ECHO") == 100


async def test_every_caller_gets_its_own_reply(redis: PipeliningRedis) -> None:
    """Thousands of commands of many sizes, some failing, some given up: no reply is swapped."""
    dice = random.Random(7)  # noqa: S311 - a reproducible mix, not a secret

    async def caller(number: int) -> None:
        for turn in range(40):
            said = f"{number}.{turn}." + "x" * dice.choice([0, 10, 1_000, 40_000])
            match dice.randrange(6):
                case 0:
                    with pytest.raises(RedisReplyError):
                        await redis.execute("NOSUCHCOMMAND", said)
                case 1:
                    waiting = asyncio.ensure_future(redis.execute("ECHO", said))
                    await asyncio.sleep(0)
                    waiting.cancel()
                case _:
                    assert await redis.execute("ECHO", said) == said.encode()

    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(caller(number))
    assert await redis.execute("ECHO", "end") == b"end"
    assert redis.in_flight == 0


async def test_replies_cut_anywhere_are_put_together(relay: tuple[Relay, str]) -> None:
    """The network may cut replies at any byte."""
    subject, url = relay
    async with await PipeliningRedis.open(url, timeout=5.0) as redis:
        subject.reply_bytes_at_once = 3
        replies = await asyncio.gather(*(redis.execute("ECHO", f"reply {number}") for number in range(50)))
        assert replies == [f"reply {number}".encode() for number in range(50)]


async def test_a_huge_reply_passes(redis: PipeliningRedis, redis_prefix: str) -> None:
    """Sixty megabytes come whole, and those who asked afterwards get theirs."""
    await redis.execute("SETRANGE", redis_prefix + "huge", 60_000_000 - 1, "z")
    huge, small = await asyncio.gather(
        redis.execute("GET", redis_prefix + "huge"), redis.execute("ECHO", "small")
    )
    assert len(huge) == 60_000_000
    assert small == b"small"


async def test_an_error_reply_concerns_one_caller(redis: PipeliningRedis, redis_prefix: str) -> None:
    """Neighbours in the same write are not touched."""
    replies = await asyncio.gather(
        redis.execute("ECHO", "before"),
        redis.execute("LPUSH", redis_prefix + "l", "x"),
        redis.execute("GET", redis_prefix + "l"),
        redis.execute("ECHO", "after"),
        return_exceptions=True,
    )
    assert [replies[0], replies[1], replies[3]] == [b"before", 1, b"after"]
    assert isinstance(replies[2], RedisReplyError)
    assert replies[2].code == "WRONGTYPE"


async def test_a_command_that_cannot_be_packed_concerns_one_caller(redis: PipeliningRedis) -> None:
    """A programming error in one caller sends nothing and leaves the connection as it was."""
    before = redis.execute("ECHO", "before")
    with pytest.raises(TypeError):
        redis.execute("ECHO", object())  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        redis.execute("ECHO", "\ud800")
    assert await before == b"before"
    assert await redis.execute("ECHO", "after") == b"after"


@pytest.mark.parametrize("ticks", [0, 1, 2])
async def test_a_cancelled_waiter_shifts_nobody(redis: PipeliningRedis, ticks: int) -> None:
    """Whether the command was still queued or already sent, the next replies find their callers."""

    async def ask(word: str) -> Any:
        return await redis.execute("ECHO", word)

    tasks = [asyncio.create_task(ask(word)) for word in ("one", "two", "three")]
    for _ in range(ticks):
        await asyncio.sleep(0)
    tasks[1].cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert [replies[0], replies[2]] == [b"one", b"three"]
    assert isinstance(replies[1], asyncio.CancelledError)


async def test_late_replies_do_not_reach_later_callers(relay: tuple[Relay, str]) -> None:
    """A timeout ends the wait, not the order: the late reply is dropped when it comes."""
    subject, url = relay
    async with await PipeliningRedis.open(url, timeout=0.2) as redis:
        subject.replies_flow.clear()
        late = [redis.execute("ECHO", f"late {number}") for number in range(5)]
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(outcome, RedisUnavailable) and outcome.maybe_executed for outcome in outcomes)
        assert redis.in_flight == 5
        following = [redis.execute("ECHO", f"next {number}") for number in range(5)]
        subject.replies_flow.set()
        assert await asyncio.gather(*following) == [f"next {number}".encode() for number in range(5)]
        assert redis.in_flight == 0


async def test_a_timeout_takes_about_as_long_as_promised(relay: tuple[Relay, str]) -> None:
    """Commands of different ticks each have their own deadline."""
    subject, url = relay
    loop = asyncio.get_running_loop()
    async with await PipeliningRedis.open(url, timeout=0.1) as redis:
        subject.replies_flow.clear()

        async def waited(delay: float) -> float:
            await asyncio.sleep(delay)
            started = loop.time()
            with pytest.raises(RedisUnavailable):
                await redis.execute("PING")
            return loop.time() - started

        for seconds in await asyncio.gather(*(waited(delay) for delay in (0.0, 0.01, 0.05, 0.09))):
            assert 0.1 <= seconds < 0.3
        subject.replies_flow.set()


async def test_too_many_waiting_commands_are_refused_at_once(relay: tuple[Relay, str]) -> None:
    """The bound covers commands sent and commands still queued, and frees up as replies come."""
    subject, url = relay
    async with await PipeliningRedis.open(url, timeout=5.0, max_in_flight=10) as redis:
        subject.replies_flow.clear()
        sent = [redis.execute("ECHO", str(number)) for number in range(5)]
        await asyncio.sleep(0.01)
        queued = [redis.execute("ECHO", str(number)) for number in range(5, 10)]
        with pytest.raises(Overloaded) as caught:
            redis.execute("PING")
        assert caught.value.maybe_executed is False
        subject.replies_flow.set()
        assert await asyncio.gather(*sent, *queued) == [str(number).encode() for number in range(10)]
        assert await redis.execute("PING") == b"PONG"


async def test_lost_functions_are_loaded_again(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """After FUNCTION FLUSH a hundred callers succeed as if nothing had happened."""
    await redis.execute("FUNCTION", "FLUSH")
    written = await asyncio.gather(
        *(redis.fcall(PUBLISH_LINK, [keys.link(str(number))], [bytes(8), 30]) for number in range(100))
    )
    assert written == [1] * 100
    libraries = await redis.execute("FUNCTION", "LIST")
    assert len(libraries) == 1


async def test_an_unknown_function_is_an_error_not_a_loop(redis: PipeliningRedis) -> None:
    """One reload, one more try, then the error."""
    with pytest.raises(RedisReplyError) as caught:
        await redis.fcall("no_such_function", [], [])
    assert caught.value.is_function_missing


async def test_closing_lets_replies_arrive(redis_url: str) -> None:
    """What was sent before the close is answered; what comes after is refused."""
    redis = await PipeliningRedis.open(redis_url, timeout=5.0)
    waiting = [redis.execute("ECHO", str(number)) for number in range(10)]
    await redis.close()
    assert await asyncio.gather(*waiting) == [str(number).encode() for number in range(10)]
    with pytest.raises(RedisUnavailable):
        redis.execute("PING")
    await redis.close()
