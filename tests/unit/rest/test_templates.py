"""The path template grammar: what parses to what, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rest.templates import Template, TemplateError, Variable, Wildcard, parse_template

ONE, REST = Wildcard.ONE, Wildcard.REST
A, B = Variable(("a",), 0, 1, False), Variable(("b",), 1, 2, False)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/v1/things", Template(("v1", "things"), (), None)),
        ("/v1/*/b", Template(("v1", ONE, "b"), (), None)),
        ("/v1/**", Template(("v1", REST), (), None)),
        ("/v1/{a}", Template(("v1", ONE), (Variable(("a",), 1, 2, False),), None)),
        ("/v1/{a=*}", Template(("v1", ONE), (Variable(("a",), 1, 2, False),), None)),
        ("/v1/{a.b_c}", Template(("v1", ONE), (Variable(("a", "b_c"), 1, 2, False),), None)),
        ("/v1/{a=x/*}/y", Template(("v1", "x", ONE, "y"), (Variable(("a",), 1, 3, True),), None)),
        ("/v1/{a=x/**}", Template(("v1", "x", REST), (Variable(("a",), 1, None, True),), None)),
        ("/v1/{a=**}", Template(("v1", REST), (Variable(("a",), 1, None, True),), None)),
        (
            "/{a}/{b}",
            Template((ONE, ONE), (A, B), None),
        ),
        ("/v1/things:batch", Template(("v1", "things"), (), "batch")),
        ("/v1/{a}:cancel", Template(("v1", ONE), (Variable(("a",), 1, 2, False),), "cancel")),
        ("/v1/{a=**}:cancel", Template(("v1", REST), (Variable(("a",), 1, None, True),), "cancel")),
        ("/v1/*:go", Template(("v1", ONE), (), "go")),
        ("/v1/things:c%61ncel", Template(("v1", "things"), (), "cancel")),
        ("/v1/a%2Fb", Template(("v1", "a/b"), (), None)),
        ("/v1/a%20b", Template(("v1", "a b"), (), None)),
        ("/v1/a:b/c", Template(("v1", "a:b", "c"), (), None)),
        ("/v1/~@!$&'()+,;=", Template(("v1", "~@!$&'()+,;="), (), None)),
    ],
)
def test_a_template_is_parsed(text: str, parsed: Template) -> None:
    """Literals are decoded, variables flattened, the verb taken off."""
    assert parse_template(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "", "v1", "/", "//", "/v1/", "/v1//b", "/v1/{", "/v1/}", "/v1/{}", "/v1/{a", "/v1/a}", "/v1/{=*}",
        "/v1/{a=}", "/v1/{a=/x}", "/v1/{a=x/}", "/v1/{a={b}}", "/v1/{a=x/{b}}", "/v1/{a{b}}", "/v1/**/b",
        "/v1/{a=**}/b", "/v1/{a=**/x}", "/v1/**/**", "/v1/***", "/v1/a*", "/v1/*a", "/v1/{a}b", "/v1/b{a}",
        "/v1/{a}{b}", "/v1/{a}/{a}", "/v1/{a.}", "/v1/{.a}", "/v1/{a..b}", "/v1/{1a}", "/v1/{a-b}",
        "/v1/{a b}",
        "/v1/a:", "/v1/{a}:", "/v1/:x:", "/v1/a:*", "/v1/a:{b}", "/v1/a?b", "/v1/a#b", "/v1/a b", "/v1/ä",
        "/v1/%", "/v1/%2", "/v1/%zz", "/v1/.", "/v1/..", "/v1/%2e%2E", "/v1/:go", "/v1/a:b{c}",
        "/v1/%FF", "/v1/%C3", "/v1/a:%FF", "/v1/%00", "/v1/%7F", "/v1/%C2%80", "/v1/a:%0A", "/v1/a%2F..",
        "/v1/a%2F..%2Fb", "/v1/a\n", "/v1/a\\b", "/v1/<a>",
    ],
)  # fmt: skip
def test_a_template_outside_the_grammar_is_refused(text: str) -> None:
    """Nothing is guessed: the gateway will not start."""
    with pytest.raises(TemplateError):
        parse_template(text)


@given(st.text(alphabet="/{}*=:.ab%2", max_size=20))
def test_no_template_fails_in_another_way(text: str) -> None:
    """Whatever is written, it parses or is refused with a reason."""
    with suppress(TemplateError):
        assert parse_template(text).pieces
