"""Slugs derived from names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.slugs import slug_candidates, slug_of

VALID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("HP Pavilion dv7-1211ea", "hp-pavilion-dv7-1211ea"),
        ("  Grüße   aus Köln! ", "grusse-aus-koln"),
        ("Ελληνικά", "ellinika"),
        ("!!!", "product"),
        ("\x00", "product"),
        ("x" * 300, "x" * 80),
        ("word " * 60, "-".join(["word"] * 16)),
    ],
)
def test_examples(name: str, slug: str) -> None:
    """Names become readable ASCII, cut at a word."""
    assert slug_of(name) == slug


@given(st.text(), st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_candidate_is_a_valid_slug(name: str, product_id: str) -> None:
    """Whatever the name is, all candidates keep the contract's form and length, and differ."""
    candidates = list(slug_candidates(name, product_id))
    assert all(VALID.fullmatch(slug) and len(slug) <= 200 for slug in candidates)
    assert len(set(candidates)) == len(candidates)


def test_candidates_depend_on_the_product_alone() -> None:
    """The same product gets the same slugs again, another one of the same name gets others."""
    assert [*slug_candidates("Mug", "a")] == [*slug_candidates("Mug", "a")]
    assert set(slug_candidates("Mug", "a")) & set(slug_candidates("Mug", "b")) == {"mug"}
