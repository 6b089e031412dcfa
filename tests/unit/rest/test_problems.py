"""Problem documents by themselves."""

import json

import pytest

from edge.problems import FieldProblem, Problem, invalid_fields
from edge.rest.spelling import as_written, json_path, path_within
from millrace.affiliate.v1.affiliate_service_pb2 import UpdateLinkRequest
from millrace.jobs.v1.jobs_service_pb2 import RetryJobRequest


def test_a_problem_response_has_every_member() -> None:
    problem = Problem(
        409,
        title="Taken",
        detail="Choose another code.",
        reason="CODE_TAKEN",
        metadata={"code": "abc"},
        code="ALREADY_EXISTS",
        errors=[("code", "is taken"), FieldProblem("other", "too")],
        details=[{"@type": "type.googleapis.com/google.rpc.Help", "links": []}],
        headers={"X-Extra": "1"},
    )

    response = problem.response("r-1")

    assert json.loads(response.body) == {  # type: ignore[arg-type]
        "type": "about:blank",
        "title": "Taken",
        "status": 409,
        "detail": "Choose another code.",
        "instance": "r-1",
        "code": "ALREADY_EXISTS",
        "reason": "CODE_TAKEN",
        "metadata": {"code": "abc"},
        "errors": [{"field": "code", "message": "is taken"}, {"field": "other", "message": "too"}],
        "details": [{"@type": "type.googleapis.com/google.rpc.Help", "links": []}],
    }
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Extra"] == "1"


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (401, "WWW-Authenticate", "Bearer"),
        (429, "Retry-After", "1"),
        (503, "Retry-After", "1"),
    ],
)
def test_owed_headers_are_added(status: int, name: str, value: str) -> None:
    assert Problem(status, detail="x").response().headers[name] == value
    assert Problem(status, detail="x", headers={name: "other"}).response().headers[name] == "other"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND"),
        (405, "UNIMPLEMENTED"), (406, "INVALID_ARGUMENT"), (408, "DEADLINE_EXCEEDED"), (409, "ABORTED"),
        (410, "NOT_FOUND"), (413, "RESOURCE_EXHAUSTED"), (414, "INVALID_ARGUMENT"),
        (415, "INVALID_ARGUMENT"), (417, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"),
        (431, "INVALID_ARGUMENT"), (499, "CANCELLED"), (500, "INTERNAL"), (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED"), (505, "UNIMPLEMENTED"),
    ],
)  # fmt: skip
def test_every_problem_has_a_code(status: int, code: str) -> None:
    """That of gRPC which comes closest, unless whoever refuses knows better."""
    assert Problem(status, detail="x").document("r")["code"] == code
    assert Problem(status, detail="x", code="ABORTED").document("r")["code"] == "ABORTED"


@pytest.mark.parametrize(
    ("errors", "detail"),
    [
        ([("a", "is wrong")], "a: is wrong"),
        ([("", "is wrong")], "is wrong"),
        ([("a", "is wrong"), ("b", "too")], "a: is wrong (and 1 more, see errors)"),
    ],
)
def test_the_detail_is_the_first_wrong_field(errors: list[tuple[str, str]], detail: str) -> None:
    assert invalid_fields(errors).detail == detail


def test_a_request_id_is_minted_when_none_is_given() -> None:
    first, second = (json.loads(Problem(400, detail="x").response().body) for _ in range(2))  # type: ignore[arg-type]

    assert first["instance"] != second["instance"]


@pytest.mark.parametrize(
    ("proto", "spelled"),
    [
        ("destination_url", "destinationUrl"),
        ("link.destination_url", "link.destinationUrl"),
        ("links[0].a_b_c", "links[0].aBC"),
        ("line_2", "line2"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_field_paths_are_spelled_for_json(proto: str, spelled: str) -> None:
    assert json_path(proto) == spelled


@pytest.mark.parametrize(
    ("proto", "spelled"),
    [
        ("job_id", "jobId"),
        ("payload.link_id", "payload.link_id"),
        ("payload.link_ids[0].short_code", "payload.link_ids[0].short_code"),
        ("payload", "payload"),
        ("no_field.of_ours", "noField.ofOurs"),
        ("", ""),
    ],
)
def test_names_within_free_json_are_the_callers_own(proto: str, spelled: str) -> None:
    """A Struct's members are answered as they were sent."""
    assert path_within(RetryJobRequest.DESCRIPTOR, proto) == spelled


def test_the_field_that_is_the_body_is_not_named() -> None:
    """The caller never wrote its name."""
    assert as_written("link.destination_url", UpdateLinkRequest.DESCRIPTOR, "link") == "destinationUrl"
    assert as_written("update_mask", UpdateLinkRequest.DESCRIPTOR, "link") == "updateMask"
    assert as_written("link.destination_url", UpdateLinkRequest.DESCRIPTOR, "") == "link.destinationUrl"
