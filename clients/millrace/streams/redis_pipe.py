"""The auto-pipelining Redis client: one shared connection per process, kept up, guarded by a breaker.

For short commands on hot paths. Blocking commands, subscriptions and transactions would hold up everybody
else on the connection and belong on a client of their own.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import hiredis

from millrace.streams.breaker import Breaker
from millrace.streams.functions import FunctionLibrary, load, millrace_library
from millrace.streams.redis_address import RedisAddress
from millrace.streams.redis_connection import Connection
from millrace.streams.redis_errors import Overloaded, RedisFailure, RedisReplyError, RedisUnavailable

__all__ = ["Overloaded", "PipeliningRedis", "RedisFailure", "RedisReplyError", "RedisUnavailable"]

log = logging.getLogger(__name__)

Argument = str | bytes | int

# The published stub of hiredis allows only tuples of one item.
_pack = cast(Callable[[tuple[Argument, ...]], bytes], hiredis.pack_command)

# Connecting and greeting may take this long, whatever the timeout of a command is.
_CONNECT_SECONDS: Final = 1.0

_FIRST_RETRY_SECONDS: Final = 0.05
_LAST_RETRY_SECONDS: Final = 1.0


class PipeliningRedis:
    """Commands issued in one loop tick leave in one write; replies are resolved in order.

    Raises RedisUnavailable when Redis does not answer within ``timeout`` seconds or cannot be reached,
    Overloaded (at once) when ``max_in_flight`` commands wait already, and RedisReplyError when Redis answers
    with an error. Bound to the loop it was opened on.
    """

    def __init__(
        self, address: RedisAddress, library: FunctionLibrary, *, timeout: float, max_in_flight: int
    ) -> None:
        self._address = address
        self._library = library
        self._timeout = timeout
        self._max_in_flight = max_in_flight
        self._breaker = Breaker()
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._attempted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[FunctionLibrary] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout: float = 0.040,
        max_in_flight: int = 4096,
        library: FunctionLibrary | None = None,
    ) -> Self:
        """Opens a client and waits for its first attempt to connect, not for its success.

        Raises ValueError for a bad URL only. While Redis is away the client keeps trying; ``wait_connected``
        is for processes that cannot start without it. The caller closes it.
        """
        client = cls(
            RedisAddress.from_url(url),
            library or millrace_library(),
            timeout=timeout,
            max_in_flight=max_in_flight,
        )
        client._keeper = asyncio.create_task(client._keep_connected(), name="redis connection")
        await client._attempted.wait()
        return client

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection; Redis may still be slow."""
        return self._connection is not None

    @property
    def breaker_is_open(self) -> bool:
        """Whether calls are turned away because too many in a row went unanswered."""
        return self._breaker.is_open

    @property
    def in_flight(self) -> int:
        """Commands whose reply has not arrived."""
        return 0 if self._connection is None else self._connection.in_flight

    async def wait_connected(self, timeout: float) -> None:
        """Returns once connected; raises RedisUnavailable after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError as error:
            raise RedisUnavailable(
                f"no connection to Redis in {timeout:g} s", maybe_executed=False
            ) from error

    def execute(self, *args: Argument) -> asyncio.Future[Any]:
        """Sends one command and returns the future of its reply (bytes, int, None or a list of them).

        Cancelling the wait does not recall the command.
        """
        connection = self._connection
        if connection is None:
            raise RedisUnavailable("not connected to Redis", maybe_executed=False)
        if not self._breaker.admits():
            raise RedisUnavailable("Redis has not been answering", maybe_executed=False)
        try:
            packed = _pack(args)
        except TypeError:  # hiredis refuses bool, which is an int to every type checker
            packed = _pack(tuple(int(arg) if isinstance(arg, bool) else arg for arg in args))
        return connection.send(packed)

    async def fcall(self, name: str, keys: Sequence[Argument], args: Sequence[Argument]) -> Any:
        """Calls a function of the library by its plain name; reloads the library once if Redis lost it."""
        command = ("FCALL", self._library.function(name), len(keys), *keys, *args)
        try:
            return await self.execute(*command)
        except RedisReplyError as error:
            if not error.is_function_missing:
                raise
        await self._load_library()
        return await self.execute(*command)

    async def close(self) -> None:
        """Lets commands in flight finish, at most for one timeout, then closes. What is left fails."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close("the Redis client was closed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _load_library(self) -> None:
        """Loads the library once for all who miss it now. A failure means that the missed call never ran."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(load(self, self._library))
        try:
            await asyncio.shield(self._loading)
        except RedisUnavailable as error:
            raise RedisUnavailable(f"functions not loaded: {error}", maybe_executed=False) from error
        log.info("redis_functions_loaded library=%s", self._library.name)

    async def _keep_connected(self) -> None:
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                connection = await self._connect()
            except (OSError, RedisFailure) as error:  # TimeoutError is an OSError
                # Once per outage is enough for a log; who wants to count has is_connected.
                level = logging.WARNING if delay == _FIRST_RETRY_SECONDS else logging.DEBUG
                log.log(level, "redis_connect_failed error=%s", error or type(error).__name__)
                self._attempted.set()
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                delay = min(delay * 2, _LAST_RETRY_SECONDS)
                continue
            delay = _FIRST_RETRY_SECONDS
            self._breaker.succeeded()
            self._connection = connection
            self._attempted.set()
            self._connected.set()
            log.info("redis_connected")
            await asyncio.shield(connection.lost)
            self._forget()  # again: it may have broken before it was remembered
            log.warning("redis_connection_lost")

    def _forget(self) -> None:
        """The connection broke; nobody is to find it, not even within this tick."""
        self._connection = None
        self._connected.clear()

    async def _connect(self) -> Connection:
        """A connection that is greeted, has its functions unless Redis is full, and answers."""
        loop = asyncio.get_running_loop()
        connection = Connection(
            loop, self._breaker, self._forget, timeout=_CONNECT_SECONDS, max_in_flight=self._max_in_flight
        )
        address = self._address
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if address.path is not None:
                    await loop.create_unix_connection(lambda: connection, address.path)
                else:
                    tls = ssl.create_default_context() if address.tls else None
                    await loop.create_connection(lambda: connection, address.host, address.port, ssl=tls)
                for command in address.greeting():
                    await connection.send(_pack(command))
                await self._offer_library(connection)
        except BaseException:
            connection.abort("greeting Redis failed")
            raise
        connection.greeted(self._timeout)
        return connection

    async def _offer_library(self, connection: Connection) -> None:
        try:
            await connection.send(_pack(("FUNCTION", "LOAD", "REPLACE", self._library.code)))
        except RedisReplyError as error:
            if error.code != "OOM":
                raise
            # A full Redis still answers reads; whoever calls a function that is missing loads it then.
            log.warning("redis_functions_not_loaded error=%s", error)
