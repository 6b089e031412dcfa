"""Taskiq as one would first use it: a message for each job on a Redis list, nothing written anywhere else.

The reference for our jobs: no row, no transaction, no lease, no retry; a job whose worker dies is gone.
`python -m tests.bench.plain_taskiq URL COUNT` runs a worker that says when it began the first of COUNT
jobs and ended the last.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

import uvloop
from redis.asyncio import Redis
from taskiq import AsyncBroker, BrokerMessage
from taskiq.api import run_receiver_task

LIST = "plain:jobs"
BEGAN = "plain:began"
CONCURRENCY = 16


class PlainBroker(AsyncBroker):
    """A Redis list, as simple as it can be."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.redis = Redis.from_url(url)

    async def kick(self, message: BrokerMessage) -> None:
        """One push."""
        await self.redis.lpush(LIST, message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """One pop each; says that it is ready to."""
        await self.redis.ping()
        print("ready", flush=True)
        while True:
            found: Any = await self.redis.brpop([LIST], timeout=0)
            if found is not None:
                yield found[1]

    async def shutdown(self) -> None:
        """Close the connections."""
        await super().shutdown()
        await self.redis.aclose()


class PlainJobs:
    """The tasks over one broker. Constructor: Redis, and after how many jobs the worker says its times."""

    def __init__(self, url: str, count: int = 0) -> None:
        self.broker = PlainBroker(url)
        began_at = 0.0
        left = count

        # Taskiq renames what it decorates, which a method does not allow.
        @self.broker.task("moment")
        async def moment() -> float:
            nonlocal began_at, left
            now = time.time()
            began_at = began_at or now
            left -= 1
            if left == 0:
                print(began_at, time.time(), flush=True)
            return now

        @self.broker.task("seen")
        async def seen() -> None:
            await self.broker.redis.lpush(BEGAN, time.time())

        self.moment, self.seen = moment, seen


async def serve(url: str, count: int) -> None:
    """Work until killed."""
    jobs = PlainJobs(url, count)
    await run_receiver_task(jobs.broker, max_async_tasks=CONCURRENCY, run_startup=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
