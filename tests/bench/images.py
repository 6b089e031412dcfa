"""A photo of twelve megapixels through the public door to the product's four variants, beside bare Pillow.

CPU is the kernel's accounting of the worker and all that it starts; memory is its high-water mark of each
process that decodes. Bare Pillow makes the same variants of the same photos in turn with ours.
"""

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from server.media.pictures.library import check_library
from tests.bench.processes import cpu_seconds, cpu_seconds_of_tree
from tests.bench.rows import Row, at_most
from tests.e2e.media_pictures import Picture, photo
from tests.e2e.media_shop import PRODUCT_SET, MediaShop, names, open_shop
from tests.memory_watch import MemoryWatch, watched_memory
from tests.stack import ROOT, Stack, proc_file, running_stack

SIZE = (4000, 3000)
ONE_AT_A_TIME = 12
AT_ONCE = 24
MIB = 1024 * 1024


@dataclass
class Bench:
    """A stack, bare Pillow beside it, and what was measured so far."""

    shop: MediaShop
    stack: Stack
    plain: asyncio.subprocess.Process
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    worker_cpu: list[float] = field(default_factory=list)
    plain_cpu: list[float] = field(default_factory=list)

    @property
    def worker(self) -> int:
        return self.stack.pid_of("worker")

    async def new_photo(self) -> Picture:
        """Another one each time, so that nothing that was made can serve again."""
        content = await asyncio.to_thread(photo, SIZE, next(self.numbers), quality=93)
        return Picture("photo", content, "image/jpeg", SIZE)

    async def one(self) -> Any:
        """One picture from the process call to READY, then the same by bare Pillow."""
        picture = await self.new_photo()
        ticket = await self.shop.uploaded(picture)
        before, of_worker = cpu_seconds_of_tree(self.worker), cpu_seconds([self.worker])
        began_at = time.perf_counter()
        record = ready(await self.shop.processed(ticket["mediaId"]))
        self.wall.append(time.perf_counter() - began_at)
        self.cpu.append(cpu_seconds_of_tree(self.worker) - before)
        self.worker_cpu.append(cpu_seconds([self.worker]) - of_worker)
        self.plain_cpu.append(await self.plainly(picture))
        return record

    async def plainly(self, picture: Picture) -> float:
        file = self.folder / "photo.jpg"
        file.write_bytes(picture.content)
        assert self.plain.stdin is not None
        assert self.plain.stdout is not None
        self.plain.stdin.write(f"{file}\n".encode())
        return float(await asyncio.wait_for(self.plain.stdout.readline(), 60))

    async def per_minute(self) -> float:
        """A closed loop that keeps every slot for pictures busy."""
        uploads = [await self.shop.uploaded(await self.new_photo()) for _ in range(AT_ONCE)]
        waiting = iter(uploads)

        async def caller() -> None:
            for ticket in waiting:
                ready(await self.shop.processed(ticket["mediaId"]))

        began_at = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(2 * (os.cpu_count() or 1))))
        return 60 * AT_ONCE / (time.perf_counter() - began_at)


def ready(record: Any) -> Any:
    if record["status"] != "READY" or names(record) != PRODUCT_SET:
        raise RuntimeError(f"a photo was not taken: {json.dumps(record)}")
    return record


async def measure() -> list[Row]:
    """About a minute."""
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="millrace-bench-")))
        folder.chmod(0o711)
        stack = await resources.enter_async_context(
            running_stack(folder, {"MILLRACE_EDGE_PROCESSES": "1", "MILLRACE_LOG_LEVEL": "warning"})
        )
        shop = await resources.enter_async_context(open_shop(stack))
        plain = await resources.enter_async_context(plain_pillow())
        bench = Bench(shop, stack, plain, folder)
        await bench.one()
        for warmed_up in (bench.wall, bench.cpu, bench.worker_cpu, bench.plain_cpu):
            warmed_up.clear()
        return await measure_on(bench)


async def measure_on(bench: Bench) -> list[Row]:
    store_before = bytes_written(bench.stack)
    carried = []
    async with watched_memory(bench.worker) as memory:
        for _ in range(ONE_AT_A_TIME):
            record = await bench.one()
            carried.append(record["bytes"] + sum(one["bytes"] for one in record["variants"]))
    through_store = bytes_written(bench.stack) - store_before
    per_minute = await bench.per_minute()
    return rows(bench, memory, carried, through_store, per_minute)


def rows(
    bench: Bench, memory: MemoryWatch, carried: list[int], through_store: int, per_minute: float
) -> list[Row]:
    ours, plain = median(bench.cpu), median(bench.plain_cpu)
    beside = f"bare {check_library().name} {plain:.2f} s"
    photos = f"{SIZE[0] * SIZE[1] / 1e6:.0f} MP, {median(carried) / MIB:.1f} MiB with its variants"
    return [
        at_most("photo to four variants, process call to READY, p50", median(bench.wall), 2, "s", photos),
        at_most("photo to four variants, process call to READY, p95",
                quantiles(bench.wall, n=20, method="inclusive")[-1], 3, "s", photos),
        Row("CPU of worker and decoder for a photo", round(ours, 3), "s",
            f"of which the worker {median(bench.worker_cpu):.2f} s; {beside}"),
        Row("the decoder alone, beside bare Pillow", round((ours - median(bench.worker_cpu)) / plain, 2), "×",
            "checks, placeholder and a fresh process are in it; store and database are not"),
        at_most("all of it, beside bare Pillow", ours / plain, 1.2, "×", beside),
        Row("peak memory of a decoding process", round(memory.of_descendants), "MiB",
            f"the worker {memory.of_root:.0f} MiB"),
        Row("photos in a minute, every slot busy", round(per_minute), "1/min", f"{os.cpu_count()} cores"),
        Row("bytes through the store for a photo, from process to READY",
            round(through_store / len(carried) / MIB, 2), "MiB", "the upload included"),
    ]  # fmt: skip


def bytes_written(stack: Stack) -> int:
    """What the store has written so far: to its disk and to who asks."""
    counts = [proc_file(pid, "io").decode().split() for pid in stack.pids("serve", "s3")]
    return sum(int(fields[fields.index("wchar:") + 1]) for fields in counts)


@asynccontextmanager
async def plain_pillow() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.plain_pillow",
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
