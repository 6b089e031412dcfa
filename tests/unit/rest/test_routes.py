"""HTTP rules that the gateway refuses to start with, and what the refusal says."""

from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from edge.rest.routes import BadRuleError, read_routes
from tests.unit.rest.probe import PACKAGE, probe_file


def service(*rules: http_pb2.HttpRule, client_streaming: bool = False) -> ServiceDescriptor:
    """A service with one method for each rule."""
    file = descriptor_pb2.FileDescriptorProto(
        name="refused.proto", package="refused.v1", syntax="proto3", dependency=["probe.proto"]
    )
    file.service.add(name="Refused")
    for number, rule in enumerate(rules):
        method = file.service[0].method.add(
            name=f"Method{number}",
            input_type=f".{PACKAGE}.UpdateThingRequest",
            output_type=f".{PACKAGE}.Everything",
            client_streaming=client_streaming,
        )
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
    pool = descriptor_pool.DescriptorPool()
    _copy_with_dependencies(probe_file(), pool)
    pool.Add(file)
    return pool.FindServiceByName("refused.v1.Refused")


def _copy_with_dependencies(file: Any, pool: descriptor_pool.DescriptorPool) -> None:
    for dependency in file.dependencies:
        _copy_with_dependencies(dependency, pool)
    pool.AddSerializedFile(file.serialized_pb)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (http_pb2.HttpRule(), "no method and path"),
        (http_pb2.HttpRule(get=""), "template"),
        (http_pb2.HttpRule(get="/v1/{thing_id"), "never closed"),
        (http_pb2.HttpRule(get="/v1/**/x"), "last segment"),
        (http_pb2.HttpRule(get="/v1/{thing_id={dry}}"), "must not contain a variable"),
        (http_pb2.HttpRule(get="/v1/{nothing}"), "no field nothing"),
        (http_pb2.HttpRule(get="/v1/{thing.nothing}"), "no field nothing"),
        (http_pb2.HttpRule(get="/v1/{thing_id.x}"), "no fields"),
        (http_pb2.HttpRule(get="/v1/{thing}"), "singular scalar"),
        (http_pb2.HttpRule(get="/v1/{thing.tags}"), "singular scalar"),
        (http_pb2.HttpRule(get="/v1/{thing_id}/{thingId}"), "bound twice"),
        (http_pb2.HttpRule(get="/v1/x", body="*"), "GET must not have a body"),
        (http_pb2.HttpRule(post="/v1/x", body="nothing"), "body names nothing"),
        (http_pb2.HttpRule(post="/v1/x", body="thing.tags"), "body names thing.tags"),
        (http_pb2.HttpRule(post="/v1/{thing_id}", body="thing_id"), "bound twice"),
        (http_pb2.HttpRule(get="/v1/x", response_body="nothing"), "response_body names nothing"),
        (http_pb2.HttpRule(get="/v1/x", response_body="*"), "response_body names *"),
        (http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(path="/v1/x")), "no kind"),
        (
            http_pb2.HttpRule(
                get="/v1/x",
                additional_bindings=[
                    http_pb2.HttpRule(get="/v1/y", additional_bindings=[http_pb2.HttpRule(get="/v1/z")])
                ],
            ),
            "nested",
        ),
        (http_pb2.HttpRule(get="/v1/x", additional_bindings=[http_pb2.HttpRule(get="/v1/x")]), "same shape"),
    ],
)
def test_a_bad_rule_is_refused_with_method_and_reason(rule: http_pb2.HttpRule, reason: str) -> None:
    """Whoever starts the gateway reads which method to repair, and why."""
    with pytest.raises(BadRuleError) as refusal:
        read_routes([service(rule)])

    assert str(refusal.value).startswith("refused.v1.Refused.Method0: ")
    assert reason in str(refusal.value)


def test_two_methods_of_one_shape_are_refused() -> None:
    """The refusal names both."""
    rules = http_pb2.HttpRule(get="/v1/{thing_id}"), http_pb2.HttpRule(get="/v1/{thing.some_text}")

    with pytest.raises(BadRuleError, match=r"Method1: refused\.v1\.Refused\.Method0 has a rule"):
        read_routes([service(*rules)])


def test_a_client_stream_is_refused() -> None:
    """One HTTP request is one message."""
    with pytest.raises(BadRuleError, match="stream of messages"):
        read_routes([service(http_pb2.HttpRule(post="/v1/x", body="*"), client_streaming=True)])


def test_methods_without_a_rule_have_no_route() -> None:
    """Only what is annotated is reachable; additional bindings are routes of their own."""
    routes = read_routes([probe_file().services_by_name["Probe"]]).rules()

    names = [route.rpc.name for route in routes]
    assert "Unmapped" not in names
    assert names.count("GetThing") == 2
