"""The one interceptor: the order in which every RPC is named, bounded, admitted, checked and answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from server.auth.access import Guard
from server.auth.principal import acting_as
from server.db.error_facts import facts_for_log
from server.errors import InvalidArgument
from server.rpc.failures import DEADLINE_PASSED, INTERNAL, outcome_of_exception
from server.rpc.metrics import RpcMetrics
from server.rpc.request_ids import REQUEST_ID_KEY, request_id_from
from server.rpc.status import DETAILS_KEY, Outcome, plain_outcome
from server.rpc.validation import ContractRules

log = structlog.get_logger(__name__)

# Quoted: generic for the type checker only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

# Health and reflection answer everybody, and are watched by streams that never end.
_APART = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")

_NOT_SERVED = plain_outcome(
    grpc.StatusCode.UNIMPLEMENTED, "This process does not serve the method.", "METHOD_NOT_SERVED"
)


@dataclass(frozen=True, slots=True)
class _Method:
    path: str
    decode: Callable[[bytes], Message]
    serve: Callable[[Message, Any], Awaitable[Message]]


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every unary method of ours. Whatever a servicer raises ends here and nowhere else."""

    def __init__(
        self, *, guard: Guard, rules: ContractRules, metrics: RpcMetrics, default_deadline: float
    ) -> None:
        self._guard = guard
        self._rules = rules
        self._metrics = metrics
        self._default_deadline = default_deadline
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Handler | None:
        path = details.method
        if path in self._wrapped:
            return self._wrapped[path]
        handler = await continuation(details)
        if path.startswith(_APART):
            return handler
        if handler is None:
            return grpc.unary_unary_rpc_method_handler(_refuse_unknown)
        self._wrapped[path] = wrapped = self._wrap(path, handler)
        return wrapped

    def _wrap(self, path: str, handler: Handler) -> Handler:
        if handler.unary_unary is None or handler.request_deserializer is None:
            raise TypeError(f"{path} streams; this interceptor serves unary methods only")
        method = _Method(path, handler.request_deserializer, handler.unary_unary)

        async def serve(request: bytes, context: Any) -> Message:
            return await self._serve(method, request, context)

        # No deserializer: bytes that are no message must end as INVALID_ARGUMENT, which grpc does not do.
        return grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=None, response_serializer=handler.response_serializer
        )

    async def _serve(self, method: _Method, request: bytes, context: Any) -> Message:
        metadata = _text_metadata(context)
        request_id = request_id_from(metadata.get(REQUEST_ID_KEY))
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        code = grpc.StatusCode.CANCELLED
        with self._metrics.running.labels(method.path).track_inprogress():
            try:
                answer = await self._answer(method, request, context, metadata)
                code = grpc.StatusCode.OK
            except Exception as error:  # noqa: BLE001 - the outermost handler, the only one of its kind
                outcome = _ended_by(error)
                code = outcome.code
                await _abort(context, outcome, request_id)
            finally:
                self._account(method.path, code, time.perf_counter() - started)
        return answer

    async def _answer(
        self, method: _Method, request: bytes, context: Any, metadata: dict[str, str]
    ) -> Message:
        remaining = context.time_remaining()
        allowed = self._default_deadline if remaining is None else max(remaining, 0.0)
        try:
            async with asyncio.timeout(allowed) as deadline:
                principal = self._guard.admit(method.path, metadata.get("authorization"))
                if principal is not None:
                    structlog.contextvars.bind_contextvars(
                        principal=principal.subject, role=principal.role.value
                    )
                message = _decode(method, request)
                self._rules.check(message)
                with acting_as(principal):
                    return await method.serve(message, context)
        except TimeoutError:
            if deadline.expired():
                raise _DeadlinePassed from None
            raise

    def _account(self, path: str, code: grpc.StatusCode, seconds: float) -> None:
        self._metrics.finished.labels(path, code.name).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        log.info("rpc_finished", method=path, code=code.name, duration_ms=round(seconds * 1000, 2))


class _DeadlinePassed(Exception):  # noqa: N818 - it names what happened
    """Our own deadline, told apart from a timeout inside a store's driver."""


def _ended_by(error: Exception) -> Outcome:
    if isinstance(error, _DeadlinePassed):
        return DEADLINE_PASSED
    outcome = outcome_of_exception(error)
    if outcome is INTERNAL:
        log.error("rpc_failed", **facts_for_log(error))
    elif outcome.code is grpc.StatusCode.UNAVAILABLE:
        log.warning("store_unavailable", error=type(error).__name__)
    return outcome


async def _abort(context: Any, outcome: Outcome, request_id: str) -> None:
    trailing = ((REQUEST_ID_KEY, request_id), (DETAILS_KEY, outcome.details))
    await context.abort(outcome.code, outcome.message, trailing_metadata=trailing)


async def _refuse_unknown(_request: bytes, context: Any) -> None:
    await _abort(context, _NOT_SERVED, request_id_from(_text_metadata(context).get(REQUEST_ID_KEY)))


def _decode(method: _Method, request: bytes) -> Message:
    try:
        return method.decode(request)
    except DecodeError:
        raise InvalidArgument(
            "The request is not a well-formed message of its type; texts must be valid UTF-8.",
            reason="INVALID_FIELD",
        ) from None


def _text_metadata(context: Any) -> dict[str, str]:
    """The call's metadata; of a key given twice the first counts, so nothing can be smuggled in behind it."""
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found.setdefault(key, value)
    return found
