"""HTTP rules that the gateway refuses to start with, and what the refusal says."""

import pytest
from google.api import http_pb2
from google.protobuf.descriptor import ServiceDescriptor

from edge.rest.routes import BadRuleError, read_routes
from tests.unit.rest.probe import probe_file
from tests.unit.rest.routed import made_up_service


def service(*rules: http_pb2.HttpRule, client_streaming: bool = False) -> ServiceDescriptor:
    """A service with one method for each rule."""
    return made_up_service(
        {f"Method{number}": rule for number, rule in enumerate(rules)},
        request="UpdateThingRequest",
        client_streaming=client_streaming,
    )


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (http_pb2.HttpRule(), "no method and path"),
        (http_pb2.HttpRule(get=""), "template"),
        (http_pb2.HttpRule(get="/v1/{thing_id"), "never closed"),
        (http_pb2.HttpRule(get="v1/x"), "must begin with '/'"),
        (http_pb2.HttpRule(get="/"), "a segment is empty"),
        (http_pb2.HttpRule(get="/v1//x"), "a segment is empty"),
        (http_pb2.HttpRule(get="/v1/%FF"), "is not UTF-8"),
        (http_pb2.HttpRule(get="/v1/%0A"), "control character"),
        (http_pb2.HttpRule(get="/v1/**/x"), "last segment"),
        (http_pb2.HttpRule(get="/v1/{thing_id=**}/x"), "last segment"),
        (http_pb2.HttpRule(get="/v1/{thing_id=a/**/b}"), "last segment"),
        (http_pb2.HttpRule(get="/v1/**/{thing_id}"), "last segment"),
        (http_pb2.HttpRule(get="/v1/{thing_id={dry}}"), "must not contain a variable"),
        (http_pb2.HttpRule(get="/v1/{nothing}"), "no field nothing"),
        (http_pb2.HttpRule(get="/v1/{thing.nothing}"), "no field nothing"),
        (http_pb2.HttpRule(get="/v1/{thing_id.x}"), "no fields"),
        (http_pb2.HttpRule(get="/v1/{thing}"), "singular scalar"),
        (http_pb2.HttpRule(get="/v1/{thing.tags}"), "singular scalar"),
        (http_pb2.HttpRule(get="/v1/{thing.tags.x}"), "no fields"),
        (http_pb2.HttpRule(get="/v1/{update_mask.paths}"), "no fields"),
        (http_pb2.HttpRule(get="/v1/{thing.count=a/*}"), "only a string holds several segments"),
        (http_pb2.HttpRule(get="/v1/{dry=**}"), "only a string holds several segments"),
        (http_pb2.HttpRule(get="/v1/{thing_id}/{thingId}"), "bound twice"),
        (http_pb2.HttpRule(get="/v1/{thing_id}/{thing_id=**}"), "bound twice"),
        (http_pb2.HttpRule(get="/v1/x", body="*"), "GET must not have a body"),
        (http_pb2.HttpRule(get="/v1/x", body="thing"), "GET must not have a body"),
        (
            http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(kind="HEAD", path="/v1/x"), body="*"),
            "HEAD must not have a body",
        ),
        (http_pb2.HttpRule(post="/v1/x", body="nothing"), "body names nothing"),
        (http_pb2.HttpRule(post="/v1/x", body="thing.tags"), "body names thing.tags"),
        (http_pb2.HttpRule(post="/v1/{thing_id}", body="thing_id"), "bound twice"),
        (http_pb2.HttpRule(get="/v1/x", response_body="nothing"), "response_body names nothing"),
        (http_pb2.HttpRule(get="/v1/x", response_body="*"), "response_body names *"),
        (http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(path="/v1/x")), "is no HTTP method"),
        (http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(kind="A B", path="/v1/x")), "is no HTTP method"),
        (http_pb2.HttpRule(selector="other.v1.Service.Method", get="/v1/x"), "selector names another method"),
        (
            http_pb2.HttpRule(get="/v1/x", additional_bindings=[http_pb2.HttpRule()]),
            "no method and path",
        ),
        (
            http_pb2.HttpRule(
                get="/v1/x", additional_bindings=[http_pb2.HttpRule(selector="made.up.v1.MadeUp.Method0")]
            ),
            "must not have a selector",
        ),
        (
            http_pb2.HttpRule(get="/v1/x", additional_bindings=[http_pb2.HttpRule(get="/v1/{nothing}")]),
            "no field nothing",
        ),
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

    assert str(refusal.value).startswith("made.up.v1.MadeUp.Method0: ")
    assert reason in str(refusal.value)


def test_two_methods_of_one_shape_are_refused() -> None:
    """The refusal names both."""
    rules = http_pb2.HttpRule(get="/v1/{thing_id}"), http_pb2.HttpRule(get="/v1/{thing.some_text}")

    with pytest.raises(BadRuleError, match=r"Method1: made\.up\.v1\.MadeUp\.Method0 has a rule"):
        read_routes([service(*rules)])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/v1/{thing_id}", "/v1/*"),
        ("/v1/{thing_id=a/*}", "/v1/a/{thing.some_text}"),
        ("/v1/{thing_id=**}", "/v1/**"),
        ("/v1/{thing_id}:go", "/v1/{thing.some_text}:go"),
    ],
)
def test_a_shape_is_a_shape_however_it_is_spelled(first: str, second: str) -> None:
    """Also when it comes with an additional binding; another HTTP method makes another shape."""
    with_binding = http_pb2.HttpRule(put="/v1/y", additional_bindings=[http_pb2.HttpRule(get=second)])
    other_method = http_pb2.HttpRule(put="/v1/y", additional_bindings=[http_pb2.HttpRule(delete=second)])

    with pytest.raises(BadRuleError, match=r"Method1: .*Method0 has a rule of the same shape"):
        read_routes([service(http_pb2.HttpRule(get=first), with_binding)])
    assert len(read_routes([service(http_pb2.HttpRule(get=first), other_method)]).rules()) == 3


@pytest.mark.parametrize(
    ("path", "is_refused"),
    [
        ("/x/{chosen_text}/{chosen_number}", True),
        ("/x/{chosen_inner.count}/{chosen_text}", True),
        ("/x/{chosen_inner.count}/{chosen_inner.some_text}", False),
        ("/x/{chosen_text}/{inner.some_text}", False),
        ("/x/{maybe_string}/{maybe_int64}", False),
    ],
)
def test_a_path_cannot_bind_two_members_of_a_oneof(path: str, is_refused: bool) -> None:
    """Every request to it would contradict itself."""
    made = made_up_service({"Get": http_pb2.HttpRule(get=path)})
    if is_refused:
        with pytest.raises(BadRuleError, match="oneof choice"):
            read_routes([made])
    else:
        assert read_routes([made]).rules()


def test_a_rule_may_name_its_own_method() -> None:
    selected = http_pb2.HttpRule(selector="made.up.v1.MadeUp.Method0", get="/v1/x")

    assert len(read_routes([service(selected)]).rules()) == 1


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
