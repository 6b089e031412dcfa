"""What every RPC passes through: a servicer that misbehaves, behind the real interceptor on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from millrace.affiliate.v1 import affiliate_service_pb2
from millrace.catalog.v1 import catalog_service_pb2 as pb
from millrace.catalog.v1 import catalog_service_pb2_grpc
from millrace.catalog.v1.product_pb2 import Product
from millrace.errors import MillraceError, error_from_rpc
from server.auth.access import AccessMissing, Guard, read_access
from server.auth.keys import parse_signing_keys
from server.auth.principal import Role, current_principal
from server.auth.tokens import TokenMinter, TokenVerifier
from server.errors import FieldViolation, InvalidArgument, NotFound, PermissionDenied, Unavailable
from server.logs import configure_logs
from server.rpc.host import GrpcHost, HostedService
from server.rpc.interceptor import RpcInterceptor
from server.rpc.metrics import RpcMetrics
from server.rpc.validation import ContractRules

SERVICE = pb.DESCRIPTOR.services_by_name["CatalogService"]
GET = "/millrace.catalog.v1.CatalogService/GetProduct"
KEYS = parse_signing_keys(SecretStr("test:a-secret-of-these-tests-and-nobody-else"))

Behaviour = Callable[[], Awaitable[Product]]


class Misbehaving(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Does in GetProduct whatever the test wants."""

    def __init__(self) -> None:
        self.behave: Behaviour = self._answer

    async def GetProduct(self, request: pb.GetProductRequest, _context: Any) -> Product:  # noqa: N802
        return await self.behave()

    async def UpsertProduct(self, request: pb.UpsertProductRequest, _context: Any) -> Product:  # noqa: N802
        return request.product

    async def BatchUpsertProducts(  # noqa: N802
        self, request: pb.BatchUpsertProductsRequest, _context: Any
    ) -> pb.BatchUpsertProductsResponse:
        return pb.BatchUpsertProductsResponse()

    async def ListProducts(  # noqa: N802
        self, request: pb.ListProductsRequest, _context: Any
    ) -> pb.ListProductsResponse:
        return pb.ListProductsResponse()

    async def DeleteProduct(self, request: pb.DeleteProductRequest, _context: Any) -> Empty:  # noqa: N802
        return Empty()

    async def _answer(self) -> Product:
        return Product(product_id=current_principal().subject)


@pytest.fixture
def servicer() -> Misbehaving:
    return Misbehaving()


@pytest.fixture
async def door(
    servicer: Misbehaving, registry: CollectorRegistry, quick_stop: None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server whose only service is the misbehaving one; the default deadline is 0.3 s."""
    rules = ContractRules()
    interceptor = RpcInterceptor(
        guard=Guard(read_access([SERVICE]), TokenVerifier(KEYS, issuer="millrace", audience="millrace")),
        rules=rules,
        metrics=RpcMetrics(registry),
        default_deadline=0.3,
    )
    register = partial(catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server, servicer)
    host = GrpcHost(
        listen="127.0.0.1:0", services=[HostedService(SERVICE, register)], interceptor=interceptor
    )
    async with host, grpc.aio.insecure_channel(f"127.0.0.1:{host.port}") as channel:
        yield channel


def token(role: Role = Role.ADMIN) -> str:
    minter = TokenMinter(KEYS, issuer="millrace", audience="millrace")
    partner_id = "018f4e6e-0000-7000-8000-000000000000" if role is Role.PARTNER else None
    return minter.mint("somebody", role, ttl=timedelta(minutes=1), partner_id=partner_id).token


async def call(
    channel: grpc.aio.Channel,
    path: str = GET,
    request: bytes | None = None,
    *,
    metadata: tuple[tuple[str, str], ...] | None = None,
    timeout: float | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """The answer's bytes and the trailing metadata; raises MillraceError. By default an admin's good call."""
    if metadata is None:
        metadata = (("authorization", f"Bearer {token()}"),)
    if request is None:
        request = pb.GetProductRequest(product_id="p1").SerializeToString()
    raw: Any = channel.unary_unary(path)
    made = raw(request, metadata=metadata, timeout=timeout)
    try:
        answer = await made
    except grpc.aio.AioRpcError as failure:
        raise error_from_rpc(failure) from failure
    return answer, dict(await made.trailing_metadata())


def raising(error: Exception) -> Behaviour:
    async def behave() -> Product:
        raise error

    return behave


async def test_a_good_call(door: grpc.aio.Channel) -> None:
    """The servicer sees the caller, and the caller gets a request id."""
    answer, trailing = await call(door)
    assert Product.FromString(answer).product_id == "somebody"
    assert len(trailing["x-request-id"]) == 32


async def test_the_callers_request_id_is_kept(door: grpc.aio.Channel) -> None:
    """On success and on failure alike."""
    bearer = ("authorization", f"Bearer {token()}")
    _, trailing = await call(door, metadata=(bearer, ("x-request-id", "r-1")))
    assert trailing["x-request-id"] == "r-1"
    with pytest.raises(MillraceError) as refused:
        await call(door, metadata=(("x-request-id", "r-2"),))
    assert refused.value.request_id == "r-2"


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer nonsense"),),
        (("authorization", f"Basic {token()}"),),
        (("authorization", token()),),
    ],
)
async def test_no_good_token(door: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
    """UNAUTHENTICATED, the same for every defect and without a reason."""
    with pytest.raises(MillraceError) as refused:
        await call(door, metadata=metadata)
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
    assert refused.value.reason == ""


async def test_a_role_that_is_not_served(door: grpc.aio.Channel) -> None:
    """A partner may read products and not store them; that is told before the request is looked at."""
    partner = (("authorization", f"Bearer {token(Role.PARTNER)}"),)
    await call(door, metadata=partner)
    path = "/millrace.catalog.v1.CatalogService/UpsertProduct"
    with pytest.raises(MillraceError) as refused:
        await call(door, path, b"\xff\xff", metadata=partner)
    assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert refused.value.reason == "ROLE_NOT_ALLOWED"


def test_a_method_without_access_option_keeps_the_server_from_starting() -> None:
    """Health has no option of ours: hosting it as one of our services is refused."""
    health: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
    with pytest.raises(AccessMissing, match="Check"):
        read_access([health])


def test_a_method_unknown_to_the_guard_is_denied() -> None:
    """Default deny at run time, whatever the role."""
    guard = Guard({}, TokenVerifier(KEYS, issuer="millrace", audience="millrace"))
    with pytest.raises(PermissionDenied):
        guard.admit("/somewhere/Else", f"Bearer {token()}")


@pytest.mark.parametrize(
    "request_bytes", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe", b"\x0a\x7f"], ids=["tag", "utf-8", "length"]
)
async def test_bytes_that_are_no_message(door: grpc.aio.Channel, request_bytes: bytes) -> None:
    """The caller's mistake, not an internal error."""
    with pytest.raises(MillraceError) as refused:
        await call(door, request=request_bytes)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_every_violation_is_named(door: grpc.aio.Channel) -> None:
    """INVALID_ARGUMENT lists all broken rules with proto paths."""
    bad = pb.UpsertProductRequest(
        product=Product(product_id="a b", slug="A!", attributes=[{"name": ""}])  # type: ignore[list-item]
    )
    with pytest.raises(MillraceError) as refused:
        await call(door, "/millrace.catalog.v1.CatalogService/UpsertProduct", bad.SerializeToString())
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.reason == "INVALID_FIELD"
    assert {violation.field for violation in refused.value.violations} == {
        "product.product_id",
        "product.slug",
        "product.name",
        "product.attributes[0].name",
    }


async def test_a_domain_error_arrives_whole(door: grpc.aio.Channel, servicer: Misbehaving) -> None:
    """Code, message, reason, metadata, fields and the time to wait."""
    servicer.behave = raising(
        InvalidArgument(
            "Do it otherwise.",
            reason="WHY",
            metadata={"a": "b"},
            fields=[FieldViolation("name", "must rhyme")],
        )
    )
    with pytest.raises(MillraceError) as refused:
        await call(door)
    assert (refused.value.message, refused.value.reason) == ("Do it otherwise.", "WHY")
    assert refused.value.metadata == {"a": "b"}
    assert [(v.field, v.message) for v in refused.value.violations] == [("name", "must rhyme")]
    servicer.behave = raising(Unavailable("Later.", reason="WHY", retry_after=2.5))
    with pytest.raises(MillraceError) as refused:
        await call(door)
    assert refused.value.retry_after_seconds == 2.5


@pytest.mark.usefixtures("own_logging")
async def test_nothing_of_the_inside_gets_out(
    door: grpc.aio.Channel, servicer: Misbehaving, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen exception is INTERNAL with one text for all, and is logged once with its request id."""
    configure_logs("info", "json")
    servicer.behave = raising(KeyError("the secret of the house"))
    with pytest.raises(MillraceError) as refused:
        await call(door, metadata=(("authorization", f"Bearer {token()}"), ("x-request-id", "r-9")))
    assert refused.value.code is grpc.StatusCode.INTERNAL
    assert refused.value.reason == "INTERNAL_ERROR"
    assert "secret" not in repr(refused.value) + repr(refused.value.__cause__)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [event for event in events if event["event"] == "rpc_failed"]
    assert [event["request_id"] for event in failed] == ["r-9"]
    assert "KeyError" in failed[0]["exception"]
    finished = next(event for event in events if event["event"] == "rpc_finished")
    assert (finished["code"], finished["principal"], finished["role"]) == ("INTERNAL", "somebody", "admin")
    assert token()[:20] not in json.dumps(events)


async def test_a_call_without_deadline_gets_one(door: grpc.aio.Channel, servicer: Misbehaving) -> None:
    """The server's default ends a call that would never end."""

    async def forever() -> Product:
        await asyncio.Event().wait()
        return Product()

    servicer.behave = forever
    with pytest.raises(MillraceError) as refused:
        await call(door)
    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused.value.reason == "DEADLINE_PASSED"


async def test_the_callers_own_deadline_counts(door: grpc.aio.Channel, servicer: Misbehaving) -> None:
    """A caller who gives more time than the default gets it."""

    async def slowly() -> Product:
        await asyncio.sleep(0.5)
        return Product(product_id="late")

    servicer.behave = slowly
    answer, _ = await call(door, timeout=5)
    assert Product.FromString(answer).product_id == "late"


async def test_a_timeout_inside_is_not_the_callers_deadline(
    door: grpc.aio.Channel, servicer: Misbehaving
) -> None:
    """A store's driver that timed out means that the store is away."""
    servicer.behave = raising(TimeoutError("driver"))
    with pytest.raises(MillraceError) as refused:
        await call(door)
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


async def test_a_method_that_is_not_served_here(door: grpc.aio.Channel) -> None:
    """UNIMPLEMENTED with a reason: the process may host another subset."""
    service = affiliate_service_pb2.DESCRIPTOR.services_by_name["AffiliateService"]
    with pytest.raises(MillraceError) as refused:
        await call(door, f"/{service.full_name}/GetProgram", b"")
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED
    assert refused.value.reason == "METHOD_NOT_SERVED"


async def test_calls_are_counted(
    door: grpc.aio.Channel, servicer: Misbehaving, registry: CollectorRegistry
) -> None:
    """Rate, errors and duration by method and code."""
    await call(door)
    servicer.behave = raising(NotFound("No.", reason="R"))
    for _ in range(2):
        with pytest.raises(MillraceError):
            await call(door)

    def finished(code: str) -> float | None:
        return registry.get_sample_value("millrace_rpc_finished_total", {"method": GET, "code": code})

    assert (finished("OK"), finished("NOT_FOUND")) == (1, 2)
    assert registry.get_sample_value("millrace_rpc_seconds_count", {"method": GET}) == 3
    assert registry.get_sample_value("millrace_rpc_running", {"method": GET}) == 0


async def test_a_cancelled_call_is_counted(
    door: grpc.aio.Channel, servicer: Misbehaving, registry: CollectorRegistry
) -> None:
    """A caller who hangs up leaves no call running."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def until_cancelled() -> Product:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Product()

    servicer.behave = until_cancelled
    raw: Any = door.unary_unary(GET)
    made = raw(
        pb.GetProductRequest(product_id="p").SerializeToString(),
        metadata=(("authorization", f"Bearer {token()}"),),
        timeout=5,
    )
    async with asyncio.timeout(5):
        await started.wait()
        made.cancel()
        await ended.wait()
        labels = {"method": GET, "code": "CANCELLED"}
        while registry.get_sample_value("millrace_rpc_finished_total", labels) != 1:
            await asyncio.sleep(0)
