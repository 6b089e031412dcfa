"""A process that calls the server with a plain `grpc.aio` channel and nothing else, for comparison.

`python -m tests.bench.bare_client TARGET TOKEN METHOD REQUEST COUNT CALLERS`: METHOD is one of the affiliate
service's, REQUEST its message in hexadecimal. Prints CPU and latency as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from statistics import quantiles

import grpc
import uvloop
from google.protobuf.message import Message

from millrace.affiliate.v1 import affiliate_service_pb2, affiliate_service_pb2_grpc

REQUESTS: dict[str, type[Message]] = {
    "GetLink": affiliate_service_pb2.GetLinkRequest,
    "ListLinks": affiliate_service_pb2.ListLinksRequest,
}
WARM_UP = 200


@dataclass(frozen=True)
class Errand:
    """What the process is asked to do, as its command line says it."""

    target: str
    token: str
    method: str
    request: str
    count: str
    callers: str


async def measure(errand: Errand) -> dict[str, float]:
    """CPU of this process per call, and latency from call to message, in a closed loop of callers."""
    message = REQUESTS[errand.method].FromString(bytes.fromhex(errand.request))
    metadata = (("authorization", f"Bearer {errand.token}"),)
    callers, count = int(errand.callers), int(errand.count)
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(errand.target) as channel:
        call = getattr(affiliate_service_pb2_grpc.AffiliateServiceStub(channel), errand.method)

        async def calls(number: int) -> None:
            for _ in range(number):
                started = time.perf_counter()
                await call(message, metadata=metadata, timeout=10)
                latencies.append(time.perf_counter() - started)

        await asyncio.gather(*(calls(WARM_UP // callers) for _ in range(callers)))
        latencies.clear()
        cpu_started = time.process_time()
        await asyncio.gather(*(calls(count // callers) for _ in range(callers)))
        cpu = time.process_time() - cpu_started
    percentiles = quantiles(latencies, n=100, method="inclusive")
    return {
        "cpu_us": cpu / len(latencies) * 1e6,
        "p50_ms": percentiles[49] * 1e3,
        "p99_ms": percentiles[98] * 1e3,
    }


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(Errand(*sys.argv[1:])))))


if __name__ == "__main__":
    main()
