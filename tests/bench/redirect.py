"""The redirect beside nginx `return 302`, and beside the plain aiohttp + redis-py design.

All three run one after the other in every round, on one machine and against one Valkey that syncs its
log on every write, so that a ratio holds although the machine's speed drifts. CPU is the kernel's
accounting of the serving process; what Valkey itself used is told apart.
"""

import asyncio
import itertools
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import aiohttp

from server.standalone.ports import free_port
from tests.bench.load import LoadResult, closed_loop, open_loop
from tests.bench.processes import cpu_seconds
from tests.bench.rows import Row, at_least, at_most
from tests.stack import Stack, descendants, running_stack

PER_SECOND = 2_000
SECONDS = 5
AT_CAPACITY = 15_000
ROUNDS = 3
WARM_UP = 4_000
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
)


@dataclass
class Contender:
    """A server under load, with what it used in each round."""

    name: str
    port: int
    path: str
    pids: list[int]
    redis_pids: list[int]
    cpu_us: list[float] = field(default_factory=list)
    capacity_cpu_us: list[float] = field(default_factory=list)
    redis_cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    async def run(self, count: int) -> LoadResult:
        return await open_loop(
            "127.0.0.1", self.port, visitors(self.port, self.path), per_second=PER_SECOND, count=count
        )

    async def measure(self) -> None:
        before, redis_before = cpu_seconds(self.pids), cpu_seconds(self.redis_pids)
        result = await self.run(PER_SECOND * SECONDS)
        self.check(result)
        self.cpu_us.append((cpu_seconds(self.pids) - before) / result.requests * 1e6)
        self.redis_cpu_us.append((cpu_seconds(self.redis_pids) - redis_before) / result.requests * 1e6)
        self.p50_ms.append(result.percentile_ms(50))
        self.p99_ms.append(result.percentile_ms(99))

    async def measure_at_capacity(self) -> None:
        before = cpu_seconds(self.pids)
        result = await closed_loop("127.0.0.1", self.port, visitors(self.port, self.path), count=AT_CAPACITY)
        self.check(result)
        self.capacity_cpu_us.append((cpu_seconds(self.pids) - before) / result.requests * 1e6)

    def check(self, result: LoadResult) -> None:
        if set(result.statuses) != {302}:
            raise RuntimeError(f"{self.name} answered {dict(result.statuses)}")


def visitors(port: int, path: str) -> Iterator[bytes]:
    """Requests of ever other visitors with ordinary browsers; about one in five comes back."""
    chance = random.Random(7)  # noqa: S311 - a repeatable crowd, not a secret
    for number in itertools.count():
        visitor = number if chance.random() < 0.8 else chance.randrange(number + 1)
        address = f"10.{visitor >> 16 & 255}.{visitor >> 8 & 255}.{visitor & 255}"
        yield (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {chance.choice(BROWSERS)}\r\n"
            f"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\nReferer: https://blog.example/review\r\n"
            f"X-Forwarded-For: {address}\r\nConnection: keep-alive\r\n\r\n"
        ).encode()


async def measure() -> list[Row]:
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="millrace-bench-")))
        folder.chmod(0o711)
        stack = await resources.enter_async_context(
            running_stack(folder, {"MILLRACE_EDGE_PROCESSES": "1", "MILLRACE_LOG_LEVEL": "warning"})
        )
        ours = await our_redirect(stack)
        plain = await resources.enter_async_context(plain_redirect(stack))
        contenders = [ours, plain]
        if shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
            contenders.append(await resources.enter_async_context(nginx_redirect(folder)))
        for contender in contenders:
            await contender.run(WARM_UP)
        for _ in range(ROUNDS):
            for contender in contenders:
                await contender.measure()
            for contender in contenders:
                await contender.measure_at_capacity()
        return report(ours, plain, contenders[2] if len(contenders) > 2 else None)


def report(ours: Contender, plain: Contender, nginx: Contender | None) -> list[Row]:
    p99, plain_p99 = median(ours.p99_ms), median(plain.p99_ms)
    redis_cpu, plain_redis_cpu = median(ours.redis_cpu_us), median(plain.redis_cpu_us)
    rows = [
        at_most("redirect p99 at 2,000/s", p99, 50, "ms", f"plain {plain_p99:.1f}"),
        Row(
            "redirect p50 at 2,000/s",
            round(median(ours.p50_ms), 2),
            "ms",
            f"plain {median(plain.p50_ms):.1f}",
        ),
        Row("Redis's CPU per redirect at 2,000/s", round(redis_cpu, 1), "µs", f"plain {plain_redis_cpu:.1f}"),
    ]
    for load, cpu, plain_cpu, nginx_cpu in (
        ("at 2,000/s", ours.cpu_us, plain.cpu_us, nginx and nginx.cpu_us),
        ("at capacity", ours.capacity_cpu_us, plain.capacity_cpu_us, nginx and nginx.capacity_cpu_us),
    ):
        rows += cpu_rows(load, median(cpu), median(plain_cpu), median(nginx_cpu) if nginx_cpu else None)
    if nginx is not None:
        times = round(p99 / median(nginx.p99_ms), 2)
        rows.append(Row("redirect p99 / nginx p99", times, "x", f"{median(nginx.p99_ms):.1f} ms"))
    return rows


def cpu_rows(load: str, cpu: float, plain_cpu: float, nginx_cpu: float | None) -> list[Row]:
    rows = [
        Row(f"redirect CPU per request {load}", round(cpu, 1), "µs"),
        at_least(f"plain CPU / redirect CPU {load}", plain_cpu / cpu, 3, "x", f"plain {plain_cpu:.1f} µs"),
    ]
    name = f"redirect CPU / nginx CPU {load}"
    if nginx_cpu is None:
        return [*rows, Row(name, 0, "x", "no nginx here: apt-get install nginx-light")]
    return [*rows, at_most(name, cpu / nginx_cpu, 6, "x", f"nginx {nginx_cpu:.1f} µs")]


async def our_redirect(stack: Stack) -> Contender:
    """A link of the demo partner on the stack's one edge process."""
    address = urlsplit(stack["edge_url"])
    async with aiohttp.ClientSession(stack["edge_url"]) as session:
        bearer = {"Authorization": f"Bearer {stack['partner_token']}"}
        async with session.get("/api/v1/affiliate/links", headers=bearer) as answer:
            link = (await answer.json())["links"][0]
    return Contender(
        "millrace",
        address.port or 80,
        f"/l/{link['shortCode']}",
        stack.pids("-m edge"),
        redis_pids=redis_pids(stack),
    )


def redis_pids(stack: Stack) -> list[int]:
    port = str(urlsplit(stack["redis_url"]).port)
    return [pid for name in ("valkey", "redis") for pid in stack.pids(name, port)][:1]


@asynccontextmanager
async def plain_redirect(stack: Stack) -> AsyncIterator[Contender]:
    """The plain design, on the same Valkey in a database of its own."""
    port = free_port()
    redis_url = f"{stack['redis_url'].rpartition('/')[0]}/1"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.plain_edge", str(port), redis_url
    )
    try:
        await listening(port)
        yield Contender("plain", port, "/l/plain", [process.pid], redis_pids(stack))
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def nginx_redirect(folder: Path) -> AsyncIterator[Contender]:
    """nginx with one worker that answers 302 and writes no log."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
        f" fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        " keepalive_requests 10000000;\n"
        f" server {{ listen 127.0.0.1:{port};\n"
        "  location /l/ { return 302 https://shop.example/p/plain; } } }\n"
    )
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    process = await asyncio.create_subprocess_exec(str(nginx), "-p", str(folder), "-c", str(config))
    try:
        await listening(port)
        yield Contender("nginx", port, "/l/x", descendants(process.pid), [])
    finally:
        process.terminate()
        await process.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
