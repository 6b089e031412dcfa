"""Methods, targets and refusals of the gateway, before any RPC is called."""

import json
from typing import Any

import pytest
from google.api import http_pb2

from tests.unit.rest.probe import Probe
from tests.unit.rest.routed import echoing, made_up_service

JSON = {"Content-Type": "application/json"}
ALLOWED_AT_A_THING = "DELETE, GET, HEAD, OPTIONS, PATCH, POST"


@pytest.mark.parametrize(
    ("method", "path", "options", "refusal"),
    [
        ("GET", "/v1/things/..", {}, (400, "INVALID_ARGUMENT")),
        ("GET", "/v1/things/%FF", {}, (400, "INVALID_ARGUMENT")),
        ("GET", "/v1/things/x?pageSize=x", {}, (400, "INVALID_ARGUMENT")),
        ("GET", "/v1/things/x", {"data": b"{}", "headers": JSON}, (400, "INVALID_ARGUMENT")),
        ("POST", "/v1/things/x", {"data": b"{", "headers": JSON}, (400, "INVALID_ARGUMENT")),
        ("GET", "/v1/elsewhere", {}, (404, "NOT_FOUND")),
        ("OPTIONS", "/v1/elsewhere", {}, (404, "NOT_FOUND")),
        ("PUT", "/v1/things/x", {}, (405, "UNIMPLEMENTED")),
        ("TRACE", "/v1/things/x", {}, (405, "UNIMPLEMENTED")),
        ("POST", "/v1/things/x", {"data": b" " * (2 << 20), "headers": JSON}, (413, "RESOURCE_EXHAUSTED")),
        ("POST", "/v1/things/x", {"data": b"{}"}, (415, "INVALID_ARGUMENT")),
        ("POST", "/v1/things/x", {"data": b"{}", "headers": JSON | {"Content-Encoding": "br"}},
         (415, "INVALID_ARGUMENT")),
        ("GET", "/v1/things/x", {"headers": {"Authorization": "x" * 8000, "Accept-Language": "x" * 8000}},
         (431, "INVALID_ARGUMENT")),
    ],
)  # fmt: skip
async def test_every_refusal_is_a_problem_with_a_code(
    probe: Probe, method: str, path: str, options: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await probe.ask(method, path, **options)

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status, answer.json["code"]) == refusal
    assert answer.json["status"] == answer.status
    assert {"type", "title", "detail", "instance"} <= answer.json.keys()


async def test_405_says_what_is_allowed(probe: Probe) -> None:
    answer = await probe.ask("PUT", "/v1/things/x")

    assert (answer.status, answer.headers["Allow"]) == (405, ALLOWED_AT_A_THING)


async def test_options_says_what_is_allowed(probe: Probe) -> None:
    answer = await probe.ask("OPTIONS", "/v1/things/x?whatever=1")

    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", ALLOWED_AT_A_THING)


async def test_a_verb_allows_only_its_own_methods(probe: Probe) -> None:
    assert (await probe.ask("OPTIONS", "/v1/things/x:cancel")).headers["Allow"] == "OPTIONS, POST"
    assert (await probe.ask("GET", "/v1/things/x:cancel")).headers["Allow"] == "OPTIONS, POST"


async def test_a_custom_method_is_allowed_and_answers(probe: Probe) -> None:
    assert (await probe.ask("OPTIONS", "/v1/things")).headers["Allow"] == "GET, HEAD, OPTIONS, SEARCH"
    assert (await probe.ask("SEARCH", "/v1/things?pageSize=2")).json["pageSize"] == 2


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_a_method_override_is_ignored(probe: Probe, header: str) -> None:
    assert (await probe.ask("POST", "/v1/aliases/x", headers={header: "GET"})).status == 405


async def test_a_form_is_no_query(probe: Probe) -> None:
    answer = await probe.ask("POST", "/v1/things/x", data={"pageSize": "2"})

    assert (answer.status, answer.headers["Accept"]) == (415, "application/json")


async def test_415_on_patch_names_what_patch_takes(probe: Probe) -> None:
    answer = await probe.ask("PATCH", "/v1/things/x", data=b"<a/>", headers={"Content-Type": "text/xml"})

    assert (answer.status, answer.headers["Accept-Patch"]) == (415, "application/json")


class TestHead:
    async def test_it_is_get_without_a_body(self, probe: Probe) -> None:
        get, head = await probe.ask("GET", "/v1/things/x"), await probe.ask("HEAD", "/v1/things/x")

        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert head.headers["Content-Type"] == get.headers["Content-Type"]

    @pytest.mark.parametrize(
        ("path", "status"), [("/v1/things/x?nothing=1", 400), ("/v1/elsewhere", 404), ("/v1/echo", 405)]
    )
    async def test_its_refusals_are_those_of_get(self, probe: Probe, path: str, status: int) -> None:
        answer = await probe.ask("HEAD", path)

        assert (answer.status, answer.body) == (status, b"")
        assert answer.headers["Content-Type"] == "application/problem+json"


class TestTargets:
    @pytest.mark.parametrize(
        "target",
        ["http://other.example:8080/v1/things/x?pageSize=2", "HTTP://other.example/v1/things/x?pageSize=2"],
    )
    async def test_the_absolute_form_is_taken(self, probe: Probe, target: str) -> None:
        answer = await probe.ask_raw(f"GET {target} HTTP/1.1")

        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert (json.loads(body)["thingId"], json.loads(body)["pageSize"]) == ("x", 2)

    @pytest.mark.parametrize(
        "target", ["/v1/things/x#part", "/v1/things/x?pageSize=2#part", "/v1/things/x#?pageSize=2"]
    )
    async def test_a_fragment_is_refused(self, probe: Probe, target: str) -> None:
        answer = await probe.ask_raw(f"GET {target} HTTP/1.1")

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"no fragment" in answer

    @pytest.mark.parametrize("path", ["//v1/things", "/v1//things", "/v1/things//", "/", "//"])
    async def test_empty_segments_are_nothing(self, probe: Probe, path: str) -> None:
        answer = await probe.ask_raw(f"GET {path} HTTP/1.1")

        assert answer.startswith(b"HTTP/1.1 404 ")


async def test_each_refusal_has_an_instance_of_its_own(probe: Probe) -> None:
    first, second = [await probe.ask("GET", "/v1/nothing") for _ in range(2)]

    assert first.json["instance"] != second.json["instance"]


class TestUnusualRules:
    async def test_a_rule_may_be_for_every_method(self) -> None:
        rule = http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(kind="*", path="/any/{a_string}"))
        own = http_pb2.HttpRule(get="/any/{maybe_string}")
        async with echoing([made_up_service({"Any": rule, "Get": own})]) as probe:
            for method in ("PUT", "DELETE", "PROPFIND", "OPTIONS"):
                assert (await probe.ask(method, "/any/x")).json["aString"] == "x"
            assert (await probe.ask("GET", "/any/x")).json["maybeString"] == "x"

    async def test_a_custom_kind_may_be_written_small_and_bound_again(self) -> None:
        lock = http_pb2.HttpRule(
            custom=http_pb2.CustomHttpPattern(kind="lock", path="/a/{a_string}:hold"),
            body="inner",
            additional_bindings=[http_pb2.HttpRule(put="/b", body="*", response_body="a_string")],
        )
        async with echoing([made_up_service({"Lock": lock})]) as probe:
            held = (await probe.ask("LOCK", "/a/x:hold?anInt32=7", json={"count": 2})).json
            again = (await probe.ask("PUT", "/b", json={"aString": "x"})).json

        assert (held["aString"], held["anInt32"], held["inner"]["count"], again) == ("x", 7, 2, "x")

    async def test_delete_takes_a_body_where_its_rule_says_so(self) -> None:
        """HTTP gives such a body no meaning of its own; the rule does."""
        rule = http_pb2.HttpRule(delete="/things/{a_string}", body="*")
        async with echoing([made_up_service({"Delete": rule})]) as probe:
            answer = await probe.ask("DELETE", "/things/x", json={"anInt32": 7})

        assert (answer.json["aString"], answer.json["anInt32"]) == ("x", 7)
