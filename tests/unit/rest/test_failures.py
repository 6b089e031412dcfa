"""Failed RPCs as problem documents: status, words, and the details that a caller may read."""

from typing import Any
from urllib.parse import urlencode

import grpc
import pytest

from tests.unit.rest.probe import Answer, Probe, running_probe

NOT_FOUND = grpc.StatusCode.NOT_FOUND
GOOGLE = "type.googleapis.com/google.rpc."


async def fail(probe: Probe, code: grpc.StatusCode, message: str = "inside", with_: str = "") -> Answer:
    query: dict[str, Any] = {"code": code.value[0], "message": message, "with": with_}
    return await probe.ask("GET", f"/v1/fail?{urlencode(query)}")


@pytest.mark.parametrize(
    ("code", "status", "speaks"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400, True),
        (grpc.StatusCode.FAILED_PRECONDITION, 400, True),
        (grpc.StatusCode.OUT_OF_RANGE, 400, True),
        (grpc.StatusCode.UNAUTHENTICATED, 401, False),
        (grpc.StatusCode.PERMISSION_DENIED, 403, True),
        (grpc.StatusCode.NOT_FOUND, 404, True),
        (grpc.StatusCode.ALREADY_EXISTS, 409, True),
        (grpc.StatusCode.ABORTED, 409, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, False),
        (grpc.StatusCode.CANCELLED, 499, False),
        (grpc.StatusCode.UNKNOWN, 500, False),
        (grpc.StatusCode.INTERNAL, 500, False),
        (grpc.StatusCode.DATA_LOSS, 500, False),
        (grpc.StatusCode.UNIMPLEMENTED, 501, False),
        (grpc.StatusCode.UNAVAILABLE, 503, False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, False),
    ],
)
async def test_a_status_becomes_a_problem(
    probe: Probe, code: grpc.StatusCode, status: int, speaks: bool
) -> None:
    """The text goes along only where it cannot tell of the inside."""
    answer = await fail(probe, code)

    assert answer.status == answer.json["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == code.name
    assert ("inside" in answer.body.decode()) is speaks
    assert answer.json.keys() == {"type", "title", "status", "detail", "instance", "code"}
    assert ("Retry-After" in answer.headers) is (status in {429, 503})
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


async def test_the_first_wrong_field_is_the_detail(probe: Probe) -> None:
    """In the caller's spelling, and in front of the service's own sentence."""
    answer = await fail(probe, grpc.StatusCode.INVALID_ARGUMENT, "wrong", "unknown,info,bad")

    assert answer.json["detail"] == "link.destinationUrl: must be on an allowed host"
    assert answer.json["reason"] == "LINK_TAKEN"
    assert answer.json["errors"] == [
        {"field": "link.destinationUrl", "message": "must be on an allowed host"}
    ]


async def test_every_wrong_field_is_listed(probe: Probe) -> None:
    answer = await fail(probe, grpc.StatusCode.INVALID_ARGUMENT, "wrong", "bad,worse")

    assert [error["field"] for error in answer.json["errors"]] == ["link.destinationUrl", "aB", "c"]
    assert answer.json["detail"].endswith("(and 2 more, see errors)")


async def test_a_violation_without_a_field_leaves_the_detail_to_the_service(probe: Probe) -> None:
    answer = await fail(probe, grpc.StatusCode.INVALID_ARGUMENT, "wrong", "nameless")

    assert (answer.json["detail"], answer.json["errors"]) == ("wrong", [{"field": "", "message": "is wrong"}])


async def test_a_reason_comes_with_its_metadata(probe: Probe) -> None:
    answer = await fail(probe, NOT_FOUND, "gone", "info")

    assert (answer.json["reason"], answer.json["metadata"]) == ("LINK_TAKEN", {"shortCode": "7hQm2Zx"})


@pytest.mark.parametrize(
    ("detail", "rendered"),
    [
        ("quota", {"@type": f"{GOOGLE}QuotaFailure", "violations": [
            {"subject": "partner:7", "description": "links"}]}),
        ("precondition", {"@type": f"{GOOGLE}PreconditionFailure", "violations": [
            {"type": "TOS", "subject": "partner:7", "description": "sign"}]}),
        ("resource", {"@type": f"{GOOGLE}ResourceInfo", "resourceType": "link", "resourceName": "7",
                      "owner": "", "description": "is taken"}),
        ("help", {"@type": f"{GOOGLE}Help", "links": [
            {"description": "Read", "url": "https://shop.example/help"}]}),
        ("localized", {"@type": f"{GOOGLE}LocalizedMessage", "locale": "de", "message": "Vergeben"}),
    ],
)  # fmt: skip
async def test_public_details_are_rendered(probe: Probe, detail: str, rendered: dict[str, Any]) -> None:
    answer = await fail(probe, grpc.StatusCode.FAILED_PRECONDITION, "no", detail)

    [found] = answer.json["details"]
    if "violations" in rendered:
        found["violations"] = [
            {name: violation[name] for name in expected}
            for violation, expected in zip(found["violations"], rendered["violations"], strict=True)
        ]
    assert found == rendered


async def test_details_keep_their_order(probe: Probe) -> None:
    answer = await fail(probe, NOT_FOUND, "no", "localized,unknown,help,broken_quota,resource")

    kinds = [detail["@type"].removeprefix(GOOGLE) for detail in answer.json["details"]]
    assert kinds == ["LocalizedMessage", "Help", "ResourceInfo"]


@pytest.mark.parametrize("detail", ["debug", "request"])
async def test_what_is_for_operators_is_never_told(probe: Probe, detail: str) -> None:
    answer = await fail(probe, NOT_FOUND, "no", f"{detail},help")

    assert len(answer.json["details"]) == 1
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN]
)
async def test_where_nothing_is_told_details_are_not_either(probe: Probe, code: grpc.StatusCode) -> None:
    answer = await fail(probe, code, "inside", "info,bad,help,retry")

    assert answer.json.keys() == {"type", "title", "status", "detail", "instance", "code"}
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("code", "details", "seconds"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "retry", "3"),
        (grpc.StatusCode.UNAVAILABLE, "retry", "3"),
        (grpc.StatusCode.ABORTED, "retry", "3"),
        (grpc.StatusCode.UNAVAILABLE, "past", "1"),
        (grpc.StatusCode.UNAVAILABLE, "broken_retry", "1"),
        (grpc.StatusCode.UNAVAILABLE, "", "1"),
        (grpc.StatusCode.ABORTED, "", None),
    ],
)
async def test_retry_info_becomes_retry_after(
    probe: Probe, code: grpc.StatusCode, details: str, seconds: str | None
) -> None:
    """Whole seconds, rounded up; never sooner than in one."""
    assert (await fail(probe, code, "slow down", details)).headers.get("Retry-After") == seconds


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
async def test_a_service_that_gives_a_reason_may_speak(probe: Probe, code: grpc.StatusCode) -> None:
    assert (await fail(probe, code, "slow down", "info")).json["detail"] == "slow down"
    assert (await fail(probe, code, "slow down", "help")).json["detail"] != "slow down"


@pytest.mark.parametrize(
    "details", ["unknown", "nowhere", "broken", "broken_bad", "broken_retry", "broken_quota", "garbage"]
)
@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_odd_details_change_no_status(probe: Probe, code: grpc.StatusCode, details: str) -> None:
    plain, odd = await fail(probe, code, "text"), await fail(probe, code, "text", details)

    assert odd.status == plain.status
    assert odd.json | {"instance": ""} == plain.json | {"instance": ""}


async def test_an_empty_text_becomes_the_title(probe: Probe) -> None:
    assert (await fail(probe, NOT_FOUND, "")).json["detail"] == "Not Found"


async def test_a_field_that_was_the_body_is_not_named(probe: Probe) -> None:
    """The caller never wrote it."""
    answer = await probe.ask("POST", "/v1/fail-in-body", json={"code": 3})

    assert answer.json["errors"] == [{"field": "destinationUrl", "message": "must be on an allowed host"}]


async def test_an_answer_that_is_too_large_for_us_is_not_the_callers_fault() -> None:
    """gRPC calls it RESOURCE_EXHAUSTED; told to come back later, a caller would come back for ever."""

    def open_channel(target: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(target, options=[("grpc.max_receive_message_length", 1000)])

    async with running_probe(open_channel=open_channel) as probe:
        answer = await probe.ask("GET", f"/v1/things/{'x' * 2000}")

    assert (answer.status, answer.json["code"], "Retry-After" in answer.headers) == (500, "INTERNAL", False)
    assert "larger" not in answer.body.decode()
