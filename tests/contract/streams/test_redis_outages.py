"""The pipelining client while its Redis is frozen, killed, refusing or away, and afterwards."""

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError, RedisUnavailable
from tests.contract.streams.own_valkey import OwnValkey
from tests.contract.streams.visit import Visit

KEYS = StreamKeys()


async def eventually(call: Callable[[], Awaitable[object]], seconds: float = 5.0) -> None:
    """Repeats a call until it no longer raises RedisUnavailable."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await call()
            except RedisUnavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_a_killed_server_fails_waiters_and_is_found_again(own_valkey: OwnValkey) -> None:
    """Waiters fail at once and know that commands may have run; after the restart clicks count again."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=2.0) as redis:
        await Visit().record(redis, KEYS)
        own_valkey.freeze()
        waiting = [asyncio.ensure_future(redis.execute("INCR", "n")) for _ in range(5)]
        await asyncio.sleep(0.05)
        own_valkey.kill()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, RedisUnavailable) and outcome.maybe_executed for outcome in outcomes)
        with pytest.raises(RedisUnavailable) as caught:
            await redis.execute("PING")
        assert caught.value.maybe_executed is False

        own_valkey.start()  # empty: its functions are gone as well
        await redis.wait_connected(5.0)
        assert await Visit().record(redis, KEYS) is True


async def test_no_reply_is_swapped_while_servers_come_and_go(own_valkey: OwnValkey) -> None:
    """Callers that go on through three kills get their own reply or RedisUnavailable, nothing else."""
    outcomes: Counter[str] = Counter()
    running = True

    async def caller(number: int) -> None:
        turn = 0
        while running:
            turn += 1
            try:
                reply = await redis.execute("ECHO", f"{number}.{turn}")
            except RedisUnavailable:
                outcomes["unavailable"] += 1
            else:
                outcomes["right" if reply == f"{number}.{turn}".encode() else "wrong"] += 1
            await asyncio.sleep(0.001)

    async with await PipeliningRedis.open(own_valkey.url, timeout=0.1) as redis:
        callers = [asyncio.create_task(caller(number)) for number in range(20)]
        for _ in range(3):
            await asyncio.sleep(0.15)
            own_valkey.kill()
            await asyncio.sleep(0.1)
            own_valkey.start()
            await eventually(lambda: redis.execute("PING"))
        running = False
        await asyncio.gather(*callers)
    assert outcomes["wrong"] == 0
    assert outcomes["right"] > 0
    assert outcomes["unavailable"] > 0


async def test_a_frozen_server_costs_one_timeout_then_nothing(own_valkey: OwnValkey) -> None:
    """Callers wait their timeout; once the breaker is open they are turned away without waiting."""
    loop = asyncio.get_running_loop()
    async with await PipeliningRedis.open(own_valkey.url, timeout=0.04) as redis:
        own_valkey.freeze()
        await asyncio.gather(*(redis.execute("PING") for _ in range(30)), return_exceptions=True)
        assert redis.breaker_is_open
        started = loop.time()
        for _ in range(100):
            with pytest.raises(RedisUnavailable) as caught:
                await redis.execute("PING")
            assert caught.value.maybe_executed is False
        assert loop.time() - started < 0.04
        own_valkey.thaw()
        await eventually(lambda: redis.execute("PING"))
        await eventually(lambda: redis.execute("PING"))
        assert not redis.breaker_is_open


async def test_a_server_silent_for_long_is_given_up_and_found_again(own_valkey: OwnValkey) -> None:
    """A connection on which nothing arrives is dropped, so that its waiters cannot pile up for ever."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=0.04) as redis:
        own_valkey.freeze()
        async with asyncio.timeout(10):
            while redis.is_connected:
                await asyncio.gather(*[_ping(redis) for _ in range(3)])
                await asyncio.sleep(0.02)
        own_valkey.thaw()
        await redis.wait_connected(5.0)
        await eventually(lambda: redis.execute("PING"))


async def _ping(redis: PipeliningRedis) -> None:
    with contextlib.suppress(RedisUnavailable):
        await redis.execute("PING")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_busy_loop_is_not_a_slow_redis(
    own_valkey: OwnValkey, run: Callable[[Coroutine[Any, Any, bytes]], bytes]
) -> None:
    """A reply that arrived while another socket's callback held up the loop is in time."""
    alarm, bell = socket.socketpair()

    def hold_up_the_loop() -> None:
        alarm.recv(1)
        own_valkey.thaw()
        time.sleep(0.2)

    async def ask() -> bytes:
        async with await PipeliningRedis.open(own_valkey.url, timeout=0.1) as redis:
            asyncio.get_running_loop().add_reader(alarm, hold_up_the_loop)
            own_valkey.freeze()
            waiting = redis.execute("ECHO", "there")
            await asyncio.sleep(0.01)
            bell.send(b"!")
            reply: bytes = await waiting
            asyncio.get_running_loop().remove_reader(alarm)
            return reply

    with alarm, bell:
        assert run(ask()) == b"there"


async def test_opening_without_a_server_does_not_fail(own_valkey: OwnValkey) -> None:
    """A process may start before its Redis: calls are refused until it is there, then they work."""
    own_valkey.kill()
    async with await PipeliningRedis.open(own_valkey.url, timeout=2.0) as redis:
        assert not redis.is_connected
        with pytest.raises(RedisUnavailable) as caught:
            redis.execute("PING")
        assert caught.value.maybe_executed is False
        with pytest.raises(RedisUnavailable):
            await redis.wait_connected(0.05)
        own_valkey.start()
        await redis.wait_connected(5.0)
        assert await redis.execute("PING") == b"PONG"


async def test_a_wrong_password_is_retried_not_fatal(
    own_valkey: OwnValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """The client says why it is not connected, without the password, and goes on trying."""
    own_valkey.command("CONFIG", "SET", "requirepass", "right")
    url = own_valkey.url.replace("redis://", "redis://:wrong@")
    with caplog.at_level(logging.WARNING, "millrace.streams"):
        async with await PipeliningRedis.open(url) as redis:
            assert not redis.is_connected
    assert "redis_connect_failed" in caplog.text
    assert "wrong@" not in caplog.text


async def test_a_full_server_refuses_and_stays_in_step(own_valkey: OwnValkey) -> None:
    """Out of memory is an answer: nothing of the click is recorded, and reading goes on."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=2.0) as redis:
        visit = Visit()
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RedisReplyError) as caught:
            await visit.record(redis, KEYS)
        assert caught.value.code == "OOM"
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        assert await redis.execute("DBSIZE") == 0
        assert await visit.record(redis, KEYS) is True


async def test_closing_while_redis_is_frozen_takes_one_timeout(own_valkey: OwnValkey) -> None:
    """A process can stop although its Redis does not answer; what waited fails."""
    redis = await PipeliningRedis.open(own_valkey.url, timeout=0.1)
    own_valkey.freeze()
    waiting = redis.execute("PING")
    async with asyncio.timeout(2.0):
        await redis.close()
    with pytest.raises(RedisUnavailable):
        await waiting


async def test_closing_while_connecting_leaves_nothing_behind(own_valkey: OwnValkey) -> None:
    """A client that never connected closes at once."""
    own_valkey.kill()
    redis = await PipeliningRedis.open(own_valkey.url)
    async with asyncio.timeout(1.0):
        await redis.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "redis connection"]


async def test_a_short_stall_does_not_cost_a_probing_interval(own_valkey: OwnValkey) -> None:
    """Once the late replies are in, the next call is the probe, and its success closes the breaker."""
    async with await PipeliningRedis.open(own_valkey.url) as redis:
        own_valkey.freeze()
        await asyncio.gather(*(redis.execute("PING") for _ in range(30)), return_exceptions=True)
        assert redis.breaker_is_open
        own_valkey.thaw()
        await asyncio.sleep(0.05)
        assert await redis.execute("PING") == b"PONG"
        assert not redis.breaker_is_open


async def test_a_full_server_still_answers_reads(own_valkey: OwnValkey) -> None:
    """A client that connects to it finds no room for its functions; clicks are refused until there is."""
    own_valkey.command("CONFIG", "SET", "maxmemory", "1")
    async with await PipeliningRedis.open(own_valkey.url) as redis:
        assert await redis.execute("GET", "nothing") is None
        with pytest.raises(RedisReplyError, match="OOM"):
            await Visit().record(redis, KEYS)
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        assert await Visit().record(redis, KEYS) is True
