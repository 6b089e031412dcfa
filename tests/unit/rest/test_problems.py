"""Problem documents by themselves."""

import json

import pytest

from edge.problems import FieldProblem, Problem, json_path, problem_response


def test_a_problem_response_has_every_member() -> None:
    response = problem_response(
        409,
        title="Taken",
        detail="Choose another code.",
        reason="CODE_TAKEN",
        code="ALREADY_EXISTS",
        errors=[("code", "is taken"), FieldProblem("other", "too")],
        instance="r-1",
        headers={"X-Extra": "1"},
    )

    assert json.loads(response.body) == {  # type: ignore[arg-type]
        "type": "about:blank",
        "title": "Taken",
        "status": 409,
        "detail": "Choose another code.",
        "instance": "r-1",
        "code": "ALREADY_EXISTS",
        "reason": "CODE_TAKEN",
        "errors": [{"field": "code", "message": "is taken"}, {"field": "other", "message": "too"}],
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
