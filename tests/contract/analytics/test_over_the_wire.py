"""AnalyticsService from a real channel, and over REST through a real edge."""

import csv
import io
import json

import aiohttp
import grpc
import pytest
from yarl import URL

from millrace.analytics.v1 import analytics_service_pb2 as rpc
from millrace.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from millrace.analytics.v1.event_pb2 import TrackedEvent
from millrace.errors import error_from_rpc
from server.auth.principal import Role
from tests.contract.conftest import Mint
from tests.contract.edge.running_edge import running_edge

METHODS = [method.name for method in rpc.DESCRIPTOR.services_by_name["AnalyticsService"].methods]
PARTNER = "0190a7f0-0000-7000-8000-000000000001"


@pytest.mark.parametrize("role", [Role.PARTNER, Role.SERVICE])
async def test_only_admins_see_figures(channel: grpc.aio.Channel, mint: Mint, role: Role) -> None:
    """Whatever the method, and before its request is looked at; services may send events."""
    stub = AnalyticsServiceStub(channel)
    metadata = (("authorization", f"Bearer {mint(role, PARTNER if role is Role.PARTNER else None)}"),)
    refused = set()
    for name in METHODS:
        try:
            await getattr(stub, name)(getattr(rpc, f"{name}Request")(), metadata=metadata)
        except grpc.aio.AioRpcError as failed:
            if error_from_rpc(failed).reason == "ROLE_NOT_ALLOWED":
                refused.add(name)
    assert set(METHODS) - refused == ({"TrackEvents"} if role is Role.SERVICE else set())
    assert len(METHODS) == 13


async def test_operators_ask_over_rest(
    grpc_target: str, redis_url: str, redis_prefix: str, mint: Mint
) -> None:
    """An event of a service is found; figures come as JSON and as CSV; a bad range names its field."""
    port = int(grpc_target.rpartition(":")[2])
    headers = {"authorization": f"Bearer {mint(Role.ADMIN)}"}
    async with (
        grpc.aio.insecure_channel(grpc_target) as channel,
        running_edge(redis_url, port, prefix=redis_prefix) as edge,
        aiohttp.ClientSession(f"http://{edge.address}", headers=headers) as session,
    ):
        tracked = await AnalyticsServiceStub(channel).TrackEvents(
            rpc.TrackEventsRequest(events=[TrackedEvent(type="page_view", session_id="s-1")]),
            metadata=(("authorization", f"Bearer {mint(Role.SERVICE)}"),),
        )

        async def ask(path: str, *, expected: int = 200) -> tuple[str, bytes]:
            async with session.get(URL(f"/api/v1/analytics/{path}", encoded=True)) as answer:
                assert answer.status == expected, await answer.text()
                return answer.content_type, await answer.read()

        _, body = await ask(f"events/{tracked.results[0].event_id}")
        found = json.loads(body)
        assert (found["state"], found["event"]["sessionId"]) == ("WAITING", "s-1")
        _, body = await ask("dashboard?start=2026-11-01&end=2026-11-03&timezone=Asia/Kathmandu&interval=day")
        shown = json.loads(body)
        assert (shown["start"], shown["interval"], shown["complete"]) == ("2026-10-31T18:15:00Z", "day", True)
        assert {"end", "timezone", "asOf", "lagSeconds", "overview", "previous"} <= shown.keys()
        assert [point["figures"]["pageViews"] for point in shown["series"]] == ["0", "0"]
        _, body = await ask("products/a%2Fb?interval=day")
        shown = json.loads(body)
        assert (shown["productId"], shown["views"], shown["addToCart"], shown["ctr"]) == ("a/b", "0", "0", 0)
        assert {"clicks", "conversions", "revenue", "series", "start", "asOf", "complete"} <= shown.keys()
        _, body = await ask("funnel")
        shown = json.loads(body)
        assert {"start", "end", "timezone", "asOf", "lagSeconds", "complete"} <= shown.keys()
        assert [step["name"] for step in shown["steps"]] == [
            "product_view", "add_to_cart", "purchase",
        ]  # fmt: skip
        _, body = await ask("realtime")
        assert len(json.loads(body)["minutes"]) == 60
        async with session.get("/api/v1/analytics/dashboard:exportCsv") as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="dashboard-series.csv"'
        for table in ("dashboard", "products/lamp", "realtime", "funnel"):
            media_type, body = await ask(f"{table}:exportCsv")
            assert media_type == "text/csv"
            assert len({len(row) for row in csv.reader(io.StringIO(body.decode()))}) == 1
        for query in ("start=2026-11-31", "end=x", "timezone=Nowhere", "interval=year"):
            _, body = await ask(f"dashboard?{query}", expected=400)
            assert [each["field"] for each in json.loads(body)["errors"]] == [query.partition("=")[0]]
        assert json.loads((await ask("deadLetters"))[1])["deadLetters"] == []


async def test_operators_change_things_over_rest(
    grpc_target: str, redis_url: str, redis_prefix: str, mint: Mint
) -> None:
    """An erasure is promised as a job, dead letters are put back."""
    port = int(grpc_target.rpartition(":")[2])
    headers = {"authorization": f"Bearer {mint(Role.ADMIN)}"}
    async with (
        running_edge(redis_url, port, prefix=redis_prefix) as edge,
        aiohttp.ClientSession(f"http://{edge.address}", headers=headers) as session,
    ):
        async with session.post("/api/v1/analytics:erase", json={"sessionId": "s-1"}) as answer:
            job_id = (await answer.json())["jobId"]
        async with session.get(f"/api/v1/jobs/{job_id}") as answer:
            assert (await answer.json())["task"] == "analytics.erase"
        async with session.post("/api/v1/analytics:erase", json={}) as answer:
            assert answer.status == 400
        async with session.post("/api/v1/analytics/deadLetters:replay", json={"limit": 5}) as answer:
            assert await answer.json() == {"replayed": 0, "kept": 0}
