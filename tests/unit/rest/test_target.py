"""Splitting and decoding request targets: everything doubtful is a 400."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.problems import Problem
from edge.rest.target import MAX_QUERY_PARAMETERS, path_segments, query_parameters, split_target


@pytest.mark.parametrize(
    ("raw", "split"),
    [
        ("/a/b?c=d", ("/a/b", "c=d")),
        ("/a", ("/a", "")),
        ("/a?", ("/a", "")),
        ("/a?b?c", ("/a", "b?c")),
        ("//host/a", ("//host/a", "")),
        ("http://host:80/a?b", ("/a", "b")),
        ("HTTPS://host?b", ("/", "b")),
        ("*", ("*", "")),
    ],
)
def test_a_target_is_split_undecoded(raw: str, split: tuple[str, str]) -> None:
    assert split_target(raw) == split


@pytest.mark.parametrize(
    "raw",
    [
        "*", "", "a", "/.", "/..", "/a/../b", "/a/./b", "/%2e", "/%2E%2e", "/.%2E", "/a%2F..%2Fb", "/..%2fa",
        "/%00", "/%0A", "/%0d", "/%7F", "/%C2%80", "/\x01", "/\x7f", "/%", "/%4", "/%zz", "/%%41", "/%FF",
        "/%C3", "/%ED%A0%80", "/%C0%AF", "/\udcff", "/%F4%90%80%80",
    ],
)  # fmt: skip
def test_a_doubtful_path_is_refused(raw: str) -> None:
    with pytest.raises(Problem) as refusal:
        path_segments(raw)

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        ("/", [""]),
        ("/a//b/", ["a", "", "b", ""]),
        ("/a%2Fb", ["a/b"]),
        ("/...", ["..."]),
        ("/.a", [".a"]),
        ("/a+b", ["a+b"]),
        ("/%41%c3%a9", ["Aé"]),
        ("/\udcc3\udca9", ["é"]),
        ("/é", ["é"]),
        ("/%2541", ["%41"]),
        ("/a;b=c,d", ["a;b=c,d"]),
    ],
)
def test_a_path_is_decoded_once(raw: str, texts: list[str]) -> None:
    assert [segment.text for segment in path_segments(raw)] == texts


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", []),
        ("a=b", [("a", "b")]),
        ("a=b+c%2Bd", [("a", "b c+d")]),
        ("a=b+c", [("a", "b c")]),
        ("a+b=c", [("a b", "c")]),
        ("a=b=c", [("a", "b=c")]),
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("=b", [("", "b")]),
        ("&a=1&&b=2&", [("a", "1"), ("b", "2")]),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a=%26%3D", [("a", "&=")]),
        ("a=1;b=2", [("a", "1;b=2")]),
        ("a=..", [("a", "..")]),
    ],
)
def test_a_query_is_decoded_in_order(raw: str, pairs: list[tuple[str, str]]) -> None:
    assert query_parameters(raw) == pairs


@pytest.mark.parametrize("raw", ["a=%", "a=%g1", "%=1", "a=%FF", "a=%00", "a=%0A", "a=\udcff", "a=%ED%A0%80"])
def test_a_doubtful_query_is_refused(raw: str) -> None:
    with pytest.raises(Problem):
        query_parameters(raw)


def test_a_query_has_a_bounded_number_of_parameters() -> None:
    assert len(query_parameters("&".join(["a=1"] * MAX_QUERY_PARAMETERS))) == MAX_QUERY_PARAMETERS
    with pytest.raises(Problem):
        query_parameters("&".join(["a=1"] * (MAX_QUERY_PARAMETERS + 1)))


@given(st.text(max_size=30))
def test_no_text_fails_in_another_way(raw: str) -> None:
    """Whatever comes over the wire is read or refused."""
    for read in (lambda: path_segments(f"/{raw}"), lambda: query_parameters(raw)):
        with suppress(Problem):
            read()
