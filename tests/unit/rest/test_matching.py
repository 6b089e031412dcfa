"""Which rule a method and a path find: specificity, backtracking, verbs, captures."""

import pytest

from edge.rest.matcher import RuleTree, SameShapeError
from edge.rest.target import path_segments
from edge.rest.templates import parse_template

RULES = [
    ("GET", "/v1/things"),
    ("POST", "/v1/things"),
    ("GET", "/v1/things/{id}"),
    ("GET", "/v1/things/special"),
    ("DELETE", "/v1/things/{id}"),
    ("POST", "/v1/things/{id}:cancel"),
    ("POST", "/v1/things:batch"),
    ("GET", "/v1/things/{id}/parts/{part}"),
    ("GET", "/v1/*/special/parts"),
    ("GET", "/v1/things/{rest=**}"),
    ("GET", "/v1/{name=shelves/*/books/**}"),
    ("PUT", "/v1/files/{path=**}:seal"),
    ("GET", "/v2/a/*/c"),
    ("GET", "/v2/*/b/d"),
    ("*", "/any/{id}"),
    ("PUT", "/any/{id}"),
    ("*", "/every/**"),
    ("GET", "/every/{id}"),
]


@pytest.fixture(scope="module")
def subject() -> RuleTree[str]:
    tree: RuleTree[str] = RuleTree()
    for method, template in RULES:
        tree.add(method, parse_template(template), f"{method} {template}")
    return tree


@pytest.mark.parametrize(
    ("method", "path", "rule", "captures"),
    [
        ("GET", "/v1/things", "GET /v1/things", []),
        ("GET", "/v1/things/7", "GET /v1/things/{id}", ["7"]),
        ("GET", "/v1/things/special", "GET /v1/things/special", []),
        ("DELETE", "/v1/things/special", "DELETE /v1/things/{id}", ["special"]),
        ("HEAD", "/v1/things/special", "GET /v1/things/special", []),
        ("POST", "/v1/things/7:cancel", "POST /v1/things/{id}:cancel", ["7"]),
        ("POST", "/v1/things:batch", "POST /v1/things:batch", []),
        ("POST", "/v1/things/a%3Ab:cancel", "POST /v1/things/{id}:cancel", ["a:b"]),
        ("GET", "/v1/things/a%2Fb", "GET /v1/things/{id}", ["a/b"]),
        ("GET", "/v1/things/a+b%20c", "GET /v1/things/{id}", ["a+b c"]),
        ("GET", "/v1/things/%E2%82%AC", "GET /v1/things/{id}", ["€"]),
        ("GET", "/v1/thing%73/7", "GET /v1/things/{id}", ["7"]),
        ("GET", "/v1/things/7/parts/8", "GET /v1/things/{id}/parts/{part}", ["7", "8"]),
        ("GET", "/v1/things/7/other/8", "GET /v1/things/{rest=**}", ["7/other/8"]),
        ("GET", "/v1/things/a%2Fb/c%20d", "GET /v1/things/{rest=**}", ["a%2Fb/c d"]),
        ("GET", "/v1/things/a%2fb/c", "GET /v1/things/{rest=**}", ["a%2fb/c"]),
        ("GET", "/v1/things/", "GET /v1/things/{rest=**}", [""]),
        ("GET", "/v1/things/7/", "GET /v1/things/{rest=**}", ["7/"]),
        ("GET", "/v1/things//7", "GET /v1/things/{rest=**}", ["/7"]),
        ("GET", "/v1/other/special/parts", "GET /v1/*/special/parts", []),
        ("GET", "/v1/things/special/parts", "GET /v1/things/{rest=**}", ["special/parts"]),
        ("GET", "/v1/shelves/1/books/2/3", "GET /v1/{name=shelves/*/books/**}", ["shelves/1/books/2/3"]),
        ("GET", "/v1/shelves/1/books", "GET /v1/{name=shelves/*/books/**}", ["shelves/1/books"]),
        ("PUT", "/v1/files/a/b:seal", "PUT /v1/files/{path=**}:seal", ["a/b"]),
        ("GET", "/v2/a/b/c", "GET /v2/a/*/c", []),
        ("GET", "/v2/a/b/d", "GET /v2/*/b/d", []),
        ("PUT", "/any/x", "PUT /any/{id}", ["x"]),
        ("LOCK", "/any/x", "* /any/{id}", ["x"]),
        ("HEAD", "/any/x", "* /any/{id}", ["x"]),
        ("HEAD", "/every/x", "GET /every/{id}", ["x"]),
        ("GET", "/every/x/y", "* /every/**", []),
    ],
)
def test_the_most_specific_rule_is_found(
    subject: RuleTree[str], method: str, path: str, rule: str, captures: list[str]
) -> None:
    """Literal before `*` before `**`, left to right, going back where a promising branch ends."""
    found = subject.find(method, path_segments(path))

    assert found is not None
    assert (found.rule, [text for _, text in found.captures]) == (rule, captures)


@pytest.mark.parametrize(
    ("method", "path", "rule", "captures"),
    [
        ("POST", "/v1/things/7:cancel", "POST /v1/things/{id}:cancel", ["7"]),
        ("POST", "/v1/things/7:c%61ncel", "POST /v1/things/{id}:cancel", ["7"]),
        ("POST", "/v1/things/a:b:cancel", "POST /v1/things/{id}:cancel", ["a:b"]),
        ("PUT", "/v1/files/a:b:seal", "PUT /v1/files/{path=**}:seal", ["a:b"]),
        ("PUT", "/v1/files:seal", "PUT /v1/files/{path=**}:seal", [""]),
        ("PUT", "/v1/files/:seal", "PUT /v1/files/{path=**}:seal", [""]),
        ("GET", "/v1/things/7%3Acancel", "GET /v1/things/{id}", ["7:cancel"]),
        ("GET", "/v1/things/7%3abatch", "GET /v1/things/{id}", ["7:batch"]),
        ("GET", "/v1/things/7:unknown", "GET /v1/things/{id}", ["7:unknown"]),
        ("GET", "/v1/things/7:Cancel", "GET /v1/things/{id}", ["7:Cancel"]),
        ("GET", "/v1/things/7:batch", "GET /v1/things/{id}", ["7:batch"]),
        ("GET", "/v1/things/7:seal", "GET /v1/things/{id}", ["7:seal"]),
        ("GET", "/v1/things/7/x:cancel", "GET /v1/things/{rest=**}", ["7/x:cancel"]),
        ("GET", "/v1/things/7:", "GET /v1/things/{id}", ["7:"]),
        ("GET", "/v1/things/7:cancel", None, None),
        ("DELETE", "/v1/things/7:cancel", None, None),
        ("GET", "/v1/things/:cancel", None, None),
        ("DELETE", "/v1/things/:batch", None, None),
        ("GET", "/v1/things/7:cancel/", "GET /v1/things/{rest=**}", ["7:cancel/"]),
    ],
)
def test_a_colon_begins_a_verb_where_a_rule_with_that_verb_fits(
    subject: RuleTree[str], method: str, path: str, rule: str | None, captures: list[str] | None
) -> None:
    """Whatever the rule's method: then the path is the verb's. Elsewhere, and as `%3A`, it is a colon.

    A verb with nothing before it has lost its value: read as a value itself, it would name something else.
    """
    found = subject.find(method, path_segments(path))

    assert (found and found.rule) == rule
    assert (found and [text for _, text in found.captures]) == captures


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/things", ["GET", "HEAD", "OPTIONS", "POST"]),
        ("/v1/things/7", ["DELETE", "GET", "HEAD", "OPTIONS"]),
        ("/v1/things/7:cancel", ["OPTIONS", "POST"]),
        ("/v1/files/x:seal", ["OPTIONS", "PUT"]),
        ("/v1/things/7:seal", ["DELETE", "GET", "HEAD", "OPTIONS"]),
        ("/v1/things/:cancel", []),
        ("/v1/files/x", []),
        ("/v1", []),
        ("/v1/", []),
        ("/", []),
        ("/V1/things", []),
        ("/v2/a/b", []),
        ("/v2/a/b/c/", []),
        ("/v2//b/d", []),
        ("/any/", []),
        ("/any/x", ["OPTIONS", "PUT"]),
    ],
)
def test_allowed_methods_are_those_of_every_rule_that_fits(
    subject: RuleTree[str], path: str, allowed: list[str]
) -> None:
    """An empty list means 404: there is no forgiveness for slashes or letter case."""
    assert subject.allowed(path_segments(path)) == allowed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/v1/{a}", "/v1/{b}"),
        ("/v1/{a}", "/v1/*"),
        ("/v1/{a=x/*}", "/v1/x/{b}"),
        ("/v1/{a=**}", "/v1/**"),
        ("/v1/{a}:go", "/v1/{b}:go"),
        ("/v1/a%62", "/v1/ab"),
    ],
)
def test_two_rules_of_one_shape_are_refused(first: str, second: str) -> None:
    """Names of variables make no difference between rules; methods and verbs do."""
    tree: RuleTree[str] = RuleTree()
    tree.add("GET", parse_template(first), "first")
    tree.add("POST", parse_template(second), "other method")

    with pytest.raises(SameShapeError):
        tree.add("GET", parse_template(second), "second")


def test_a_search_visits_no_node_twice() -> None:
    """A path that fits half of very many branches is still answered at once."""
    tree: RuleTree[int] = RuleTree()
    for number in range(1 << 10):
        pieces = ["a" if number >> bit & 1 else "*" for bit in range(10)]
        tree.add("GET", parse_template("/" + "/".join([*pieces, "end"])), number)

    assert tree.find("GET", path_segments("/a" * 10 + "/other")) is None
