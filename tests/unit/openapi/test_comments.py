"""Comments of a proto as words of the document."""

from __future__ import annotations

import pytest

from edge.openapi.comments import read_comments, summary_of
from tests.unit.openapi.contracts import image_of

PROTO = """
// Keeps things.
//
// A second paragraph that
// goes on.
message Thing {
  // As
  // `next_page` and `some_field.next_page`, not `{next_page}` or `other_name`.
  string some_field = 1;
  string next_page = 2;  // Behind the field.
  // buf:lint:ignore FIELD_LOWER_SNAKE_CASE
  // One of:
  // - the first,
  // - the second.
  Kind kind = 3;
  // Nested.
  message Inner {
    // Deep.
    string text = 1;
  }
}
// Kinds.
enum Kind {
  // None.
  NONE = 0;
}
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Thing", "Keeps things.\n\nA second paragraph that goes on."),
        ("Thing.some_field", "As `nextPage` and `someField.nextPage`, not `{next_page}` or `other_name`."),
        ("Thing.next_page", "Behind the field."),
        ("Thing.kind", "One of:\n- the first,\n- the second."),
        ("Thing.Inner.text", "Deep."),
        ("Kind.NONE", "None."),
    ],
)  # fmt: skip
def test_comments_are_reflowed_and_spell_names_as_json_does(name: str, words: str) -> None:
    """Lines become paragraphs, lists stay lists, notes to tools go, and known fields get their JSON names."""
    assert read_comments(image_of(PROTO))[f"test.v1.{name}"] == words


@pytest.mark.parametrize(
    ("comment", "summary"),
    [
        ("Reads a thing. Fails when there is none.", "Reads a thing"),
        ("Reads, e.g. a thing. Then more.", "Reads, e.g. a thing"),
        ("Reads version 1.5 of it", "Reads version 1.5 of it"),
        ("First\n\nSecond.", "First"),
        ("", ""),
    ],
)
def test_the_summary_is_the_first_sentence(comment: str, summary: str) -> None:
    """Without its full stop."""
    assert summary_of(comment) == summary
