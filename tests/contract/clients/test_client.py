"""`millrace.connect` against a real grpc.aio server on loopback."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2

import millrace
from millrace.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc, product_pb2


@dataclass
class Shop(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Answers as each product id asks, and remembers who called."""

    failures: int = 0
    calls: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    seconds_left: float | None = None

    async def GetProduct(self, request, context):  # type: ignore[no-untyped-def] # noqa: N802 - gRPC's name
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        self.seconds_left = context.time_remaining()
        if request.product_id == "refused":
            context.set_trailing_metadata((("grpc-status-details-bin", refusal().SerializeToString()),))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the product is refused")
        if request.product_id == "broken details":
            context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
            await context.abort(grpc.StatusCode.INTERNAL, "no more is known")
        await self.fail_a_few_times(context)
        return product_pb2.Product(product_id=request.product_id)

    async def DeleteProduct(self, request, context):  # type: ignore[no-untyped-def] # noqa: N802 - gRPC's name
        self.calls += 1
        await self.fail_a_few_times(context)
        return empty_pb2.Empty()

    async def fail_a_few_times(self, context: grpc.aio.ServicerContext) -> None:  # type: ignore[type-arg] # generic in the stubs only
        if self.calls <= self.failures:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    async def UpsertProduct(self, request, context):  # type: ignore[no-untyped-def] # noqa: N802 - gRPC's name
        return request.product

    async def BatchUpsertProducts(self, request, context):  # type: ignore[no-untyped-def] # noqa: N802 - gRPC's name
        return catalog_service_pb2.BatchUpsertProductsResponse()

    async def ListProducts(self, request, context):  # type: ignore[no-untyped-def] # noqa: N802 - gRPC's name
        return catalog_service_pb2.ListProductsResponse()


def refusal() -> status_pb2.Status:
    details = [
        error_details_pb2.ErrorInfo(reason="PRODUCT_NOT_FOUND", domain="millrace", metadata={"id": "x"}),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field="product_id", description="must exist")
            ]
        ),
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2)),
    ]
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    unknown = any_pb2.Any(type_url="type.googleapis.com/nobody.knows.This", value=b"\x01")
    return status_pb2.Status(code=3, message="refused", details=[*packed, unknown])


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def subject(shop: Shop) -> AsyncIterator[millrace.Client]:
    server = grpc.aio.server()
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(shop, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with millrace.connect(f"127.0.0.1:{port}", token="secret-token", deadline_seconds=7) as client:
        yield client
    await server.stop(None)


def product(product_id: str) -> catalog_service_pb2.GetProductRequest:
    return catalog_service_pb2.GetProductRequest(product_id=product_id)


async def test_a_call_carries_the_credential_and_a_deadline(subject: millrace.Client, shop: Shop) -> None:
    """The token travels as a bearer credential; the deadline is the client's own."""
    answer = await subject.catalog.GetProduct(product("p-1"))

    assert answer.product_id == "p-1"
    assert shop.metadata["authorization"] == "Bearer secret-token"
    assert shop.seconds_left is not None
    assert 5 < shop.seconds_left <= 7


async def test_a_calls_own_timeout_wins(subject: millrace.Client, shop: Shop) -> None:
    """A nearer deadline may be set for one call."""
    await subject.catalog.GetProduct(product("p-1"), timeout=2)

    assert shop.seconds_left is not None
    assert shop.seconds_left <= 2


async def test_an_error_carries_reason_and_violations(subject: millrace.Client) -> None:
    """Everything in the status details reaches the caller; unknown details are passed over."""
    with pytest.raises(millrace.MillraceError) as caught:
        await subject.catalog.GetProduct(product("refused"))

    error = caught.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "PRODUCT_NOT_FOUND"
    assert error.metadata == {"id": "x"}
    assert error.violations == (millrace.FieldViolation("product_id", "must exist"),)
    assert error.retry_after_seconds == 2


async def test_unreadable_details_do_not_hide_the_status(subject: millrace.Client) -> None:
    """Garbage in the details leaves code and message."""
    with pytest.raises(millrace.MillraceError) as caught:
        await subject.catalog.GetProduct(product("broken details"))

    assert caught.value.code is grpc.StatusCode.INTERNAL
    assert caught.value.reason == ""


async def test_an_idempotent_call_is_repeated_while_unavailable(subject: millrace.Client, shop: Shop) -> None:
    """Two failures are not seen by the caller."""
    shop.failures = 2

    answer = await subject.catalog.GetProduct(product("p-1"))

    assert answer.product_id == "p-1"
    assert shop.calls == 3


async def test_another_call_is_tried_once(subject: millrace.Client, shop: Shop) -> None:
    """DeleteProduct is not called idempotent, so its failure is the caller's to judge."""
    shop.failures = 1

    with pytest.raises(millrace.MillraceError) as caught:
        await subject.catalog.DeleteProduct(catalog_service_pb2.DeleteProductRequest(product_id="p-1"))

    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert shop.calls == 1


async def test_a_server_that_is_away_raises_unavailable(unused_tcp_port: int) -> None:
    """Nothing listens: the error says so within the deadline."""
    async with millrace.connect(f"127.0.0.1:{unused_tcp_port}", deadline_seconds=3) as client:
        with pytest.raises(millrace.MillraceError) as caught:
            await client.catalog.GetProduct(product("p-1"))

    assert caught.value.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
