"""Rows of an import file: what becomes a product, and what is said about the rest."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.catalog.v1 import product_pb2
from server.catalog.imports.rows import BadRow, column_of, product_of

ROW = {"id": "p1", "sku": "s1", "name": "Mug", "price": 4995, "currency": "USD"}


def test_a_full_row() -> None:
    """Every column arrives where it belongs; numbers and truth values become text as people write it."""
    product = product_of(
        {
            **ROW,
            "description": "A mug",
            "brand": "Mugs",
            "status": "draft",
            "categories": ["Kitchen > Mugs"],
            "tags": ["blue"],
            "stock": 3,
            "ean": ["0095205603217"],
            "released_at": "2009-12-10T01:00:00+01:00",
            "attributes": {"size": 6.0, "weight": 0.512, "dishwasher": True, "colour": "blue", "none": None},
        }
    )
    assert product.product_id == "p1"
    assert product.status == product_pb2.Product.DRAFT
    assert (product.variants[0].price, product.variants[0].stock) == (4995, 3)
    assert product.released_at.ToJsonString() == "2009-12-10T00:00:00Z"
    assert {a.name: a.value for a in product.attributes} == {
        "size": "6",
        "weight": "0.512",
        "dishwasher": "true",
        "colour": "blue",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": None}, "price"),
        ({"price": "4995"}, "price"),
        ({"price": 49.95}, "price"),
        ({"price": True}, "price"),
        ({"price": -1}, "price"),
        ({"price": 2**63}, "price"),
        ({"price": 10**4000}, "price"),
        ({"stock": "many"}, "stock"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"id": ["p1"]}, "id"),
        ({"status": "GONE"}, "status"),
        ({"categories": {"a": 1}}, "categories"),
        ({"tags": ["a", 1]}, "tags[1]"),
        ({"released_at": "yesterday"}, "released_at"),
        ({"released_at": "0001-01-01T00:00:00+14:00"}, "released_at"),
        ({"released_at": 5}, "released_at"),
        ({"attributes": ["a"]}, "attributes"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a"),
        ({"attributes": {"a": float("inf")}}, "attributes.a"),
        ({"attributes": {"a": "\udfff"}}, "attributes.a"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_value_is_named(change: dict[str, Any], field: str) -> None:
    """The problem names the column, and the place within it."""
    with pytest.raises(BadRow) as bad:
        product_of({**ROW, **change})
    assert [name for name, _ in bad.value.problems] == [field]


def test_all_problems_of_a_row_are_named() -> None:
    """One pass shows everything that is wrong."""
    with pytest.raises(BadRow) as bad:
        product_of({"price": "x", "extra": 1})
    assert {name for name, _ in bad.value.problems} == {"extra", "id", "sku", "name", "price", "currency"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*ROW, "tags", "stock", "ean", "released_at", "attributes"]), JSON))
def test_no_row_breaks_the_reader(row: dict[str, Any]) -> None:
    """Whatever JSON a row holds, it is a product or a BadRow."""
    with contextlib.suppress(BadRow):
        assert product_of(row).product_id == row["id"]


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("product_id", "id"),
        ("variants[0].sku", "sku"),
        ("name", "name"),
        ("ean[3]", "ean[3]"),
        ("attributes[0].value", "attributes.colour"),
        ("attributes", "attributes"),
    ],
)
def test_the_servers_paths_become_columns(path: str, column: str) -> None:
    """A violation that the server found is told in the words of the file."""
    product = product_pb2.Product(attributes=[product_pb2.Attribute(name="colour", value="x")])
    assert column_of(path, product) == column
