"""CPU of one message through the translator, both ways, beside `google.protobuf.json_format`.

A function-level benchmark: no server, no socket. The message is a real link of about 700 bytes of JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from edge.rest.fields import descriptor_of
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from millrace.affiliate.v1 import link_pb2

MESSAGES_PER_ROUND = 3_000
ROUNDS = 5


def measure() -> dict[str, float]:
    """Microseconds of CPU per message, reading and writing, and how many times less than json_format's."""
    link = _link()
    text = json_format.MessageToJson(link, always_print_fields_with_no_presence=True, indent=None).encode()
    readers, writers = JsonReaders(), JsonWriters()
    _check(link, text, readers, writers)
    render = writers.renderer(descriptor_of(link))
    read_us, reference_read_us = _cpu_us(
        lambda: readers.parse(text, link_pb2.Link()), lambda: json_format.Parse(text, link_pb2.Link())
    )
    write_us, reference_write_us = _cpu_us(lambda: render(link), lambda: _reference_render(link))
    return {
        "json_bytes": len(text),
        "read_us": read_us,
        "read_json_format_us": reference_read_us,
        "read_ratio": reference_read_us / read_us,
        "write_us": write_us,
        "write_json_format_us": reference_write_us,
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


def _check(link: link_pb2.Link, text: bytes, readers: JsonReaders, writers: JsonWriters) -> None:
    """A fast wrong answer is no result."""
    read_back = link_pb2.Link()
    readers.parse(text, read_back)
    if read_back != link or json.loads(writers.render(link)) != json.loads(text):
        raise AssertionError("the translator and json_format disagree")


def _reference_render(link: link_pb2.Link) -> bytes:
    return json_format.MessageToJson(link, always_print_fields_with_no_presence=True, indent=None).encode()


def _cpu_us(subject: Callable[[], object], reference: Callable[[], object]) -> tuple[float, float]:
    """The best round of each, taken in turns so that a busy machine slows both alike."""
    rounds = [(_one_round(subject), _one_round(reference)) for _ in range(ROUNDS)]
    return min(ours for ours, _ in rounds), min(theirs for _, theirs in rounds)


def _one_round(call: Callable[[], object]) -> float:
    started = time.process_time_ns()
    for _ in range(MESSAGES_PER_ROUND):
        call()
    return (time.process_time_ns() - started) / MESSAGES_PER_ROUND / 1_000


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
