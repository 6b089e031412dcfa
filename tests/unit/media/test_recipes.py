"""Recipes: what they may ask for, what tells them apart, and how sets and wishes are put together."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.recipes import DEFAULT_SET, DEFAULT_SETS, Recipe, Recipes, merged, set_for

THUMB = Recipe(name="thumb", width=200)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "Thumb"},
        {"name": "1st"},
        {"name": "a/b"},
        {"name": "../a"},
        {"name": "x" * 33},
        {"name": "thumb\n"},
        {"width": 0},
        {"width": -1},
        {"width": 4001},
        {"width": None},
        {"height": 4001},
        {"fit": "crop"},
        {"format": "gif"},
        {"quality": 0},
        {"quality": 101},
        {"focal_x": -0.1},
        {"focal_y": 1.1},
        {"background": "#fff"},
        {"background": "#FFFFFFFF"},
        {"background": "white"},
        {"sharpen": 1},
    ],
)
def test_recipes_that_ask_for_too_much_are_refused(wrong: dict[str, object]) -> None:
    """Reading a recipe fails for every value that is out of bounds, and for words it does not know."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "thumb", "width": 200, **wrong}, Recipe)


@pytest.mark.parametrize(
    "other",
    [
        {"width": 201},
        {"height": 200},
        {"fit": "inside"},
        {"format": "jpeg"},
        {"quality": 81},
        {"focal_x": 0.4},
        {"focal_y": 0.4},
        {"background": "#ffffff00"},
        {"upscale": True},
    ],
)
def test_the_hash_tells_recipes_apart(other: dict[str, object]) -> None:
    """Whatever a recipe asks for changes its hash; its name does not."""
    assert msgspec.structs.replace(THUMB, **other).hash != THUMB.hash
    assert msgspec.structs.replace(THUMB, name="small").hash == THUMB.hash


def test_hashes_stay_what_they_were() -> None:
    """Keys of stored variants hold them: a change makes every variant anew."""
    assert THUMB.hash == "295b13c21b693ffe"
    assert [recipe.hash for recipe in DEFAULT_SETS["product"]] == [
        "f0fd04ff478236ec",
        "18628b0b0b173d24",
        "bfa45f53fb5139e7",
        "3e1e5e2480e7bd3f",
    ]


def test_the_set_of_an_entity_type_is_its_own_or_the_default() -> None:
    """A set that is empty counts as none, and a missing default one as ours."""
    sets = {"product": (THUMB,), "banner": (), DEFAULT_SET: (THUMB, THUMB)}
    assert set_for("product", sets) == (THUMB,)
    assert set_for("banner", sets) == set_for("other", sets) == (THUMB, THUMB)
    assert set_for("other", {"product": (THUMB,)}) == DEFAULT_SETS[DEFAULT_SET]


recipes = st.lists(
    st.builds(Recipe, name=st.sampled_from(["a", "b", "c", "d"]), width=st.integers(1, 3)),
    unique_by=lambda recipe: recipe.name,
).map(tuple)


@given(wanted=recipes, added=recipes)
def test_merging_keeps_places_and_takes_the_newer(wanted: Recipes, added: Recipes) -> None:
    """Each name stands once: old ones at their place, new ones behind, and the added recipe counts."""
    both = merged(wanted, added)
    names = [recipe.name for recipe in both]
    assert names[: len(wanted)] == [recipe.name for recipe in wanted]
    assert len(set(names)) == len(names)
    assert set(added) <= set(both) <= set(wanted) | set(added)
    assert merged(both, added) == both


def test_recipes_survive_being_stored() -> None:
    """What is written as JSON is read as the same."""
    for recipe in (*DEFAULT_SETS["product"], msgspec.structs.replace(THUMB, focal_x=1 / 3, upscale=True)):
        assert msgspec.convert(msgspec.to_builtins(recipe), Recipe) == recipe
