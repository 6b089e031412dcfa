"""CPU of one message through the translator, both ways, beside `google.protobuf.json_format`.

A function-level benchmark: no server, no socket.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from edge.rest.fields import descriptor_of
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from millrace.affiliate.v1 import affiliate_service_pb2, link_pb2
from millrace.catalog.v1 import product_pb2
from tests.bench.rows import Row, at_least

MESSAGES_PER_ROUND = 2_000
ROUNDS = 5


async def measure() -> list[Row]:
    """The ratio of each kind of message, read and written; the smallest is the one that counts."""
    rows, ratios = [], []
    for name, message, per_round in _messages():
        ours = _both_ways(message, per_round)
        ratios.append(ours["both_ways_ratio"])
        figures = (
            f"read {ours['read_us']:.1f} µs ({ours['read_ratio']:.1f} x), "
            f"write {ours['write_us']:.1f} µs ({ours['write_ratio']:.1f} x)"
        )
        title = f"json_format CPU / translator CPU, {name}, {ours['json_bytes']:.0f} B"
        rows.append(Row(title, round(ratios[-1], 2), "x", figures))
    return [
        *rows,
        at_least("json_format CPU / translator CPU, smallest", min(ratios), 5, "x", "json_format"),
    ]


def _messages() -> list[tuple[str, Message, int]]:
    """What the API carries most: a link, a page of links, a new link, a product."""
    page = affiliate_service_pb2.ListLinksResponse(links=[_link()] * 20, next_page_token="bmV4dA")
    new = affiliate_service_pb2.CreateLinkRequest(product_id="icecat-1443092", campaign="spring newsletter")
    return [
        ("link", _link(), MESSAGES_PER_ROUND),
        ("page of 20 links", page, MESSAGES_PER_ROUND // 20),
        ("new link", new, MESSAGES_PER_ROUND),
        ("product", _product(), MESSAGES_PER_ROUND),
    ]


def _both_ways(message: Message, per_round: int) -> dict[str, float]:
    readers, writers = JsonReaders(), JsonWriters()
    kind, render = type(message), writers.renderer(descriptor_of(message))
    text = _reference_render(message)
    _check(message, text, readers, render)
    read_us, reference_read_us = _cpu_us(
        lambda: readers.parse(text, kind()), lambda: json_format.Parse(text, kind()), per_round
    )
    write_us, reference_write_us = _cpu_us(
        lambda: render(message), lambda: _reference_render(message), per_round
    )
    return {
        "json_bytes": len(text),
        "read_us": read_us,
        "read_ratio": reference_read_us / read_us,
        "write_us": write_us,
        "write_ratio": reference_write_us / write_us,
        "both_ways_ratio": (reference_read_us + reference_write_us) / (read_us + write_us),
    }


def _link() -> link_pb2.Link:
    return link_pb2.Link(
        link_id="0192f3a0-7c1e-7b2a-9d3e-5f60718293a4",
        partner_id="0192f3a0-7c1e-7b2a-9d3e-5f60718293a5",
        product_id="icecat-1443092",
        destination_url="https://shop.example/p/1443092?colour=blue&size=m",
        tracking_code="5f" * 32,
        short_code="7hQm2Zx",
        short_url="https://shop.example/l/7hQm2Zx",
        status=link_pb2.Link.ACTIVE,
        campaign="spring newsletter",
        forward_query=True,
        click_id_parameter="click_id",
        expires_at=Timestamp(seconds=1_900_000_000),
        created_at=Timestamp(seconds=1_780_000_000, nanos=123_000_000),
        updated_at=Timestamp(seconds=1_780_000_300, nanos=456_789_000),
    )


def _product() -> product_pb2.Product:
    return product_pb2.Product(
        product_id="icecat-1443092",
        slug="blue-kettle-1-7-l",
        name="Blue kettle 1.7 l",
        description="A kettle that boils 1.7 litres of water in four minutes and switches itself off.",
        categories=["kitchen", "kettles"],
        tags=["blue", "steel", "1.7 l"],
        brand="Acme",
        ean=["4006381333931"],
        popularity=0.75,
        version=12,
        created_at=Timestamp(seconds=1_780_000_000, nanos=123_000_000),
        updated_at=Timestamp(seconds=1_780_000_300, nanos=456_789_000),
    )


def _check(message: Message, text: bytes, readers: JsonReaders, render: Callable[[Message], bytes]) -> None:
    """A fast wrong answer is no result."""
    read_back = type(message)()
    readers.parse(text, read_back)
    if read_back != message or json.loads(render(message)) != json.loads(text):
        raise AssertionError("the translator and json_format disagree")


def _reference_render(message: Message) -> bytes:
    text = json_format.MessageToJson(message, always_print_fields_with_no_presence=True, indent=None)
    return text.encode()


def _cpu_us(
    subject: Callable[[], object], reference: Callable[[], object], calls: int
) -> tuple[float, float]:
    """The best round of each, taken in turns so that a busy machine slows both alike."""
    rounds = [(_one_round(subject, calls), _one_round(reference, calls)) for _ in range(ROUNDS)]
    return min(ours for ours, _ in rounds), min(theirs for _, theirs in rounds)


def _one_round(call: Callable[[], object], calls: int) -> float:
    started = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - started) / calls / 1_000
