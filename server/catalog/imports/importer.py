"""Sends the rows of a file in batches, a few at a time, and reports what became of each line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import grpc

import millrace
from millrace.catalog.v1 import catalog_service_pb2 as pb
from millrace.catalog.v1 import product_pb2
from millrace.errors import MillraceError
from server.catalog.imports.lines import Line
from server.catalog.imports.report import ImportReport
from server.catalog.imports.rows import BadRow, column_of, product_of

_BATCH_MAX_PRODUCTS = 500
# Servers accept 4 MiB, and a line of the file has at most 2 MiB.
_BATCH_MAX_BYTES = 1024 * 1024
_BATCHES_IN_FLIGHT = 4
# A stack that answered before is being restarted; one that never did is more likely not there at all.
_PATIENCE_SECONDS = 60.0
_FIRST_PATIENCE_SECONDS = 10.0
_PASSING = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})

_OUTCOMES = pb.UpsertResult


@dataclass(slots=True)
class Batch:
    """Products on their way, with the lines that they came from."""

    products: list[product_pb2.Product] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    size_bytes: int = 0

    def add(self, line: int, product: product_pb2.Product, size_bytes: int) -> None:
        self.products.append(product)
        self.lines.append(line)
        self.ids.add(product.product_id)
        self.size_bytes += size_bytes

    def has_room_for(self, size_bytes: int) -> bool:
        return (
            len(self.products) < _BATCH_MAX_PRODUCTS and self.size_bytes + size_bytes <= _BATCH_MAX_BYTES
        ) or not self.products


class Importer:
    """One import: `on_progress` is called after every batch that left. Not to be used twice."""

    def __init__(
        self, client: millrace.Client, report: ImportReport, *, on_progress: Callable[[], None]
    ) -> None:
        self._client = client
        self._report = report
        self._on_progress = on_progress
        self._in_flight: dict[asyncio.Task[None], Batch] = {}
        self._answered = False

    async def run(self, lines: Iterable[Line]) -> None:
        """Import every line that can be. Raises MillraceError when the stack refuses or stays away.

        Of several lines with one product id the last one wins: their batches follow one another.
        """
        batch = Batch()
        try:
            for line in lines:
                product = self._product_of(line)
                if product is None:
                    continue
                size_bytes = product.ByteSize()
                if product.product_id in batch.ids or not batch.has_room_for(size_bytes):
                    await self._send(batch)
                    batch = Batch()
                batch.add(line.number, product, size_bytes)
            await self._send(batch)
            while self._in_flight:
                await self._wait_for_one()
        finally:
            for task in self._in_flight:
                task.cancel()
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _product_of(self, line: Line) -> product_pb2.Product | None:
        problems = line.problems
        if not problems:
            try:
                return product_of(line.row)
            except BadRow as bad:
                problems = bad.problems
        self._report.add_failed_line(line.number, problems)
        return None

    async def _send(self, batch: Batch) -> None:
        while len(self._in_flight) >= _BATCHES_IN_FLIGHT or self._overtakes(batch):
            await self._wait_for_one()
        if batch.products:
            self._in_flight[asyncio.create_task(self._store(batch))] = batch
        self._on_progress()

    def _overtakes(self, batch: Batch) -> bool:
        """Whether an earlier line of one of these products is still on its way."""
        return any(not batch.ids.isdisjoint(earlier.ids) for earlier in self._in_flight.values())

    async def _wait_for_one(self) -> None:
        done, _ = await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._in_flight[task]
            task.result()

    async def _store(self, batch: Batch) -> None:
        request = pb.BatchUpsertProductsRequest(products=batch.products)
        answer = await self._call(request)
        for line, product, result in zip(batch.lines, batch.products, answer.results, strict=True):
            if result.outcome == _OUTCOMES.CREATED:
                self._report.created += 1
            elif result.outcome == _OUTCOMES.UPDATED:
                self._report.updated += 1
            elif result.outcome in (_OUTCOMES.UNCHANGED, _OUTCOMES.STALE):
                self._report.unchanged += 1
            else:
                self._report.add_failed_line(
                    line, [(column_of(broken.field, product), broken.message) for broken in result.violations]
                )

    async def _call(self, request: pb.BatchUpsertProductsRequest) -> pb.BatchUpsertProductsResponse:
        """One batch, again while the stack is away; the call is idempotent."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        pause = 0.2
        while True:
            try:
                answer = await self._client.catalog.BatchUpsertProducts(request)
            except MillraceError as error:
                patience = _PATIENCE_SECONDS if self._answered else _FIRST_PATIENCE_SECONDS
                if error.code not in _PASSING or loop.time() + pause > began_at + patience:
                    raise
            else:
                self._answered = True
                return answer
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, 5.0)
