"""CPU of one message through the translator, both ways, beside `google.protobuf.json_format`.

A function-level benchmark: no server, no socket. Texts are what a browser's `JSON.stringify` makes, and the
same for both.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from edge.rest.fields import descriptor_of
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from edge.rest.violations import InvalidValueError
from tests.bench import messages
from tests.bench.rows import Row, at_least

Case = TypeVar("Case")

CALLS = 2_000
ROUNDS = 5
# Kinds of messages: how to make one, how many different ones, and how many calls are a round.
KINDS: dict[str, tuple[Callable[[random.Random], Message], int, int]] = {
    "link": (messages.link, 500, CALLS),
    "page of 20 links": (messages.page_of_links, 20, CALLS // 20),
    "new link": (messages.new_link, 500, CALLS),
    "product": (messages.product, 500, CALLS),
    "page of 50 products": (messages.page_of_products, 8, CALLS // 80),
}


async def measure() -> list[Row]:
    """The ratio of each kind of message, read and written; the smallest is the one that counts."""
    rows, ratios = [], []
    for name, (make, different, calls) in KINDS.items():
        ours = _both_ways(messages.samples(make, different), calls)
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
        _refused_request(),
    ]


def _both_ways(samples: Sequence[Message], calls: int) -> dict[str, float]:
    kind = type(samples[0])
    parse = JsonReaders().parser(descriptor_of(kind))
    render = JsonWriters().renderer(descriptor_of(kind))
    texts = [_as_browsers_write(message) for message in samples]
    for message, text in zip(samples, texts, strict=True):
        _check(message, text, parse, render)
    read_us, reference_read_us = _cpu_us(
        lambda text: parse(text, kind()), lambda text: json_format.Parse(text, kind()), texts, calls
    )
    write_us, reference_write_us = _cpu_us(render, _reference_render, samples, calls)
    return {
        "json_bytes": sum(map(len, texts)) / len(texts),
        "read_us": read_us,
        "read_ratio": reference_read_us / read_us,
        "write_us": write_us,
        "write_ratio": reference_write_us / write_us,
        "both_ways_ratio": (reference_read_us + reference_write_us) / (read_us + write_us),
    }


def _refused_request() -> Row:
    """The same new links, each with a mistake in its last member: reading until the refusal."""
    kind = type(messages.new_link(random.Random(0)))  # noqa: S311 - only its type is asked for
    parse = JsonReaders().parser(descriptor_of(kind))
    texts = [
        _as_browsers_write(message)[:-1] + b',"commission":{"percentBasisPoints":"1_000"}}'
        for message in messages.samples(messages.new_link, 500)
    ]
    ours, theirs = _cpu_us(
        lambda text: _refusing(InvalidValueError, lambda: parse(text, kind())),
        lambda text: _refusing(json_format.ParseError, lambda: json_format.Parse(text, kind())),
        texts,
        CALLS,
    )
    title = "json_format CPU / translator CPU, a request refused"
    return Row(title, round(theirs / ours, 2), "x", f"read {ours:.1f} µs")


def _refusing(refusal: type[Exception], read: Callable[[], object]) -> None:
    with suppress(refusal):
        read()
        raise AssertionError("the mistake was not found")


def _check(
    message: Message,
    text: bytes,
    parse: Callable[[bytes, Message], object],
    render: Callable[[Message], bytes],
) -> None:
    """A fast wrong answer is no result."""
    read_back = type(message)()
    parse(text, read_back)
    if read_back != message or json.loads(render(message)) != json.loads(text):
        raise AssertionError("the translator and json_format disagree")


def _as_browsers_write(message: Message) -> bytes:
    tree = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


def _reference_render(message: Message) -> bytes:
    text = json_format.MessageToJson(message, always_print_fields_with_no_presence=True, indent=None)
    return text.encode()


def _cpu_us(
    subject: Callable[[Case], object],
    reference: Callable[[Case], object],
    cases: Sequence[Case],
    calls: int,
) -> tuple[float, float]:
    """The best round of each, taken in turns so that a busy machine slows both alike."""
    rounds = [(_one_round(subject, cases, calls), _one_round(reference, cases, calls)) for _ in range(ROUNDS)]
    return min(ours for ours, _ in rounds), min(theirs for _, theirs in rounds)


def _one_round(call: Callable[[Case], object], cases: Sequence[Case], calls: int) -> float:
    chosen = [case for case, _ in zip(cycle(cases), range(calls), strict=False)]
    started = time.process_time_ns()
    for case in chosen:
        call(case)
    return (time.process_time_ns() - started) / calls / 1_000
