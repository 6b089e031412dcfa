"""What the probe service answers: mostly the request again, and on request every kind of trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import any_pb2, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2

Unary = Callable[[Any, Any], Awaitable[Any]]


@dataclass
class ProbeServer:
    """What the servicer saw and does; tests read and set it."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    seconds_left: float | None = None
    received: list[Any] = field(default_factory=list)
    told: int = 0
    attempts: int = 0
    failures_left: int = 0
    # What to answer with instead of the request.
    answer: bytes | None = None

    async def echo(self, request: Any, context: Any) -> Any:
        self.received.append(request)
        return request if self.answer is None else self.answer

    async def slow(self, request: Any, context: Any) -> Any:
        self.seconds_left = context.time_remaining()
        self.started.set()
        await self._until_cancelled()

    async def sometimes(self, request: Any, context: Any) -> Any:
        """Be UNAVAILABLE as often as the test says."""
        self.attempts += 1
        if self.failures_left:
            self.failures_left -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return request

    async def count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        inner = message_factory.GetMessageClass(request.DESCRIPTOR.file.message_types_by_name["Inner"])
        for count in range(request.page_size):
            yield inner(count=count)
        if request.thing_id == "break":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.7 went away")

    async def tell(self, request: Any, context: Any, say: Callable[[str], Any]) -> AsyncIterator[Any]:
        """Follow the script: `say:TEXT`, `bytes:HEX` (as the message), `wait` (for the test), `hold` (until
        cancelled), `flood` (without end), `fail:CODE`, `metadata` (initial, before any message)."""
        self.seconds_left = context.time_remaining()
        for step in request.steps:
            what, _, text = step.partition(":")
            if what == "say":
                yield say(text)
            elif what == "bytes":
                yield bytes.fromhex(text)
            elif what == "wait":
                self.started.set()
                await self.go_on.wait()
            elif what == "hold":
                self.started.set()
                await self._until_cancelled()
            elif what == "flood":
                async for flooded in self._flood(say):
                    yield flooded
            elif what == "fail":
                await context.abort(_code(int(text)), "10.0.0.7 went away")
            self.told += 1

    async def _flood(self, say: Callable[[str], Any]) -> AsyncIterator[Any]:
        text = "x" * 10_000
        try:
            while True:
                yield say(text)
                self.told += 1
                self.started.set()
        finally:
            self.cancelled.set()

    async def _until_cancelled(self) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("nobody waits so long")


def make_handlers(service: ServiceDescriptor, state: ProbeServer) -> grpc.GenericRpcHandler:
    special: dict[str, Unary] = {
        "DeleteThing": _empty,
        "Fail": _fail,
        "FailInBody": _fail_in_body,
        "Slow": state.slow,
        "Metadata": _metadata,
        "ReadAgain": state.sometimes,
        "PutAgain": state.sometimes,
        "PostOnce": state.sometimes,
    }
    methods: dict[str, Any] = {}
    for method in service.methods:
        request = message_factory.GetMessageClass(method.input_type)
        if method.server_streaming:
            behaviour = state.count if method.name == "Count" else _telling(state, method.output_type)
            methods[method.name] = grpc.unary_stream_rpc_method_handler(
                behaviour, request.FromString, _serialise
            )
        else:
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                special.get(method.name, state.echo), request.FromString, _serialise
            )
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _serialise(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _telling(state: ProbeServer, told: Any) -> Callable[[Any, Any], AsyncIterator[Any]]:
    def raw(text: str) -> HttpBody:
        return HttpBody(content_type="text/csv", data=text.encode())

    def say(text: str) -> Any:
        if told.full_name == "google.api.HttpBody":
            return raw(text)
        kind = message_factory.GetMessageClass(told)
        if told.name == "Inner":
            return kind(some_text=text)
        return kind(inner={"some_text": text}, file={"content_type": "text/csv", "data": text.encode()})

    # gRPC looks whether it is given an async generator.
    async def telling(request: Any, context: Any) -> AsyncIterator[Any]:
        async for told_now in state.tell(request, context, say):
            yield told_now

    return telling


async def _empty(request: Any, context: Any) -> Any:
    return Empty()


async def _metadata(request: Any, context: Any) -> Any:
    answer = Struct()
    answer.update({key: value for key, value in context.invocation_metadata() if isinstance(value, str)})
    return answer


async def _fail(request: Any, context: Any) -> Any:
    """Fail as the request says: `with` lists the details to attach."""
    status = status_pb2.Status(code=request.code, message=request.message)
    for name in filter(None, getattr(request, "with").split(",")):
        status.details.append(DETAILS[name])
    if getattr(request, "with") == "garbage":
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
    elif status.details:
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(_code(request.code), request.message)


async def _fail_in_body(request: Any, context: Any) -> Any:
    status = status_pb2.Status(code=request.link.code, details=[DETAILS["bad"]])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(_code(request.link.code), "wrong")


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _broken(kind: type[Message]) -> any_pb2.Any:
    return any_pb2.Any(type_url=f"type.googleapis.com/{kind.DESCRIPTOR.full_name}", value=b"\xff\xff")


_rpc = error_details_pb2
_retry = _rpc.RetryInfo()
_retry.retry_delay.FromMilliseconds(2_500)
_past = _rpc.RetryInfo()
_past.retry_delay.FromSeconds(-5)
_violation = _rpc.BadRequest.FieldViolation
DETAILS = {
    "info": _packed(
        _rpc.ErrorInfo(domain="millrace", reason="LINK_TAKEN", metadata={"shortCode": "7hQm2Zx"})
    ),
    "bad": _packed(
        _rpc.BadRequest(
            field_violations=[
                _violation(field="link.destination_url", description="must be on an allowed host")
            ]
        )
    ),
    "worse": _packed(
        _rpc.BadRequest(
            field_violations=[
                _violation(field="a_b", description="is wrong"),
                _violation(field="c", description="too"),
            ]
        )
    ),
    "nameless": _packed(_rpc.BadRequest(field_violations=[_violation(description="is wrong")])),
    "retry": _packed(_retry),
    "past": _packed(_past),
    "quota": _packed(
        _rpc.QuotaFailure(violations=[_rpc.QuotaFailure.Violation(subject="partner:7", description="links")])
    ),
    "precondition": _packed(
        _rpc.PreconditionFailure(
            violations=[
                _rpc.PreconditionFailure.Violation(type="TOS", subject="partner:7", description="sign")
            ]
        )
    ),
    "resource": _packed(_rpc.ResourceInfo(resource_type="link", resource_name="7", description="is taken")),
    "help": _packed(_rpc.Help(links=[_rpc.Help.Link(description="Read", url="https://shop.example/help")])),
    "localized": _packed(_rpc.LocalizedMessage(locale="de", message="Vergeben")),
    "debug": _packed(_rpc.DebugInfo(stack_entries=["secret.py:7"], detail="secret")),
    "request": _packed(_rpc.RequestInfo(request_id="r", serving_data="secret")),
    "unknown": any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"\x08\x01"),
    "nowhere": any_pb2.Any(value=b"\x08\x01"),
    "broken": _broken(_rpc.ErrorInfo),
    "broken_bad": _broken(_rpc.BadRequest),
    "broken_retry": _broken(_rpc.RetryInfo),
    "broken_quota": _broken(_rpc.QuotaFailure),
    "garbage": any_pb2.Any(),
}
