"""A REST call through an edge process, beside the same call by a bare `grpc.aio` client.

What HTTP, the translation and the edge's own gRPC client cost together: CPU of the edge process per call over
CPU of a process that makes the calls itself, both in a closed loop of as many callers, against one server.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.message import Message

from millrace.affiliate.v1 import affiliate_service_pb2
from tests.bench.load import closed_loop
from tests.bench.processes import cpu_seconds
from tests.bench.rows import Row
from tests.stack import Stack, running_stack

CALLERS = 4
ROUNDS = 3
WARM_UP = 200
LINKS = 20
SETTINGS = {
    "MILLRACE_EDGE_PROCESSES": "1",
    "MILLRACE_SERVER_PROCESSES": "1",
    "MILLRACE_LOG_LEVEL": "warning",
}


@dataclass
class Comparison:
    """One call both ways, with what each round showed."""

    name: str
    path: str
    method: str
    request: Message
    calls: int
    rest: list[dict[str, float]] = field(default_factory=list)
    bare: list[dict[str, float]] = field(default_factory=list)

    async def measure(self, stack: Stack) -> None:
        self.rest.append(await self._rest_round(stack, self.calls))
        self.bare.append(await self._bare_round(stack))

    async def _rest_round(self, stack: Stack, calls: int) -> dict[str, float]:
        address, pids = urlsplit(stack["edge_url"]), stack.pids("-m edge")
        requests = self._http_requests(stack, address.netloc)
        await closed_loop("127.0.0.1", address.port or 80, requests, count=WARM_UP, connections=CALLERS)
        before = cpu_seconds(pids)
        result = await closed_loop(
            "127.0.0.1", address.port or 80, requests, count=calls, connections=CALLERS
        )
        used = cpu_seconds(pids) - before
        if set(result.statuses) != {200}:
            raise RuntimeError(f"{self.path} answered {dict(result.statuses)}")
        return {
            "cpu_us": used / calls * 1e6,
            "p50_ms": result.percentile_ms(50),
            "p99_ms": result.percentile_ms(99),
        }

    def _http_requests(self, stack: Stack, host: str) -> Iterator[bytes]:
        head = (
            f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
            f"Authorization: Bearer {stack['partner_token']}\r\nUser-Agent: bench\r\n\r\n"
        )
        return repeat(head.encode())

    async def _bare_round(self, stack: Stack) -> dict[str, float]:
        arguments = [self.method, self.request.SerializeToString().hex(), str(self.calls), str(CALLERS)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.bare_client", stack["grpc_target"], stack["partner_token"],
            *arguments, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the bare client ended with {process.returncode}")
        figures: dict[str, float] = json.loads(printed)
        return figures

    def rows(self) -> list[Row]:
        rest, bare = _medians(self.rest), _medians(self.bare)
        ratio = median(
            ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in zip(self.rest, self.bare, strict=True)
        )
        cpu = f"edge {rest['cpu_us']:.0f} µs, bare client {bare['cpu_us']:.0f} µs"
        return [
            Row(f"edge CPU / bare client CPU, {self.name}", round(ratio, 2), "x", cpu),
            Row(
                f"translated call p50, {self.name}",
                round(rest["p50_ms"], 2),
                "ms",
                f"bare {bare['p50_ms']:.2f}",
            ),
            Row(
                f"translated call p99, {self.name}",
                round(rest["p99_ms"], 2),
                "ms",
                f"bare {bare['p99_ms']:.2f}",
            ),
        ]


async def measure() -> list[Row]:
    """Starts a stack of its own; about half a minute."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with running_stack(folder, SETTINGS) as stack:
            comparisons = await _comparisons(stack)
            for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine hits all alike
                for comparison in comparisons:
                    await comparison.measure(stack)
            return [row for comparison in comparisons for row in comparison.rows()]


async def _comparisons(stack: Stack) -> list[Comparison]:
    link_id = await _make_links(stack)
    links = "/api/v1/affiliate/links"
    one = affiliate_service_pb2.GetLinkRequest(link_id=link_id)
    page = affiliate_service_pb2.ListLinksRequest(page_size=LINKS)
    return [
        Comparison("one link", f"{links}/{link_id}", "GetLink", one, 1_000),
        Comparison(f"page of {LINKS} links", f"{links}?pageSize={LINKS}", "ListLinks", page, 500),
    ]


async def _make_links(stack: Stack) -> str:
    """Enough links of the demo partner for a full page; returns the id of one."""
    bearer = {"Authorization": f"Bearer {stack['partner_token']}"}
    async with aiohttp.ClientSession(stack["edge_url"], headers=bearer, raise_for_status=True) as session:
        made: dict[str, str] = {}
        async with session.get("/api/v1/affiliate/links") as answer:
            destination = (await answer.json())["links"][0]["destinationUrl"]
        for number in range(LINKS):
            new = {"destinationUrl": destination, "campaign": f"bench {number}"}
            async with session.post("/api/v1/affiliate/links", json=new) as answer:
                made = await answer.json()
        return made["linkId"]


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {figure: median(one[figure] for one in rounds) for figure in rounds[0]}
