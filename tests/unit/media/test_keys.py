"""Keys of originals and variants: made of plain letters whatever was given, and told from all others."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.content_types import EXTENSIONS
from server.media.keys import content_of, is_ours, original_key, variant_key
from server.media.recipes import Recipe

MEDIA_ID = uuid.UUID("0198c0de-0000-7000-8000-0000000000ff")
SHA256 = bytes(range(32))
RECIPE = Recipe(name="thumb", width=200, format="jpeg")


@given(
    entity_type=st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    entity_id=st.text(min_size=1, max_size=128),
    content_type=st.sampled_from(sorted(EXTENSIONS)),
)
def test_an_originals_key_is_plain_whatever_the_id(
    entity_type: str, entity_id: str, content_type: str
) -> None:
    """Three segments of plain letters, none of them dots, with the media id and the type's extension."""
    key = original_key(entity_type, entity_id, MEDIA_ID, content_type)
    assert re.fullmatch(r"[a-z][a-z0-9_-]*/[A-Za-z0-9_-]+/[0-9a-f-]{36}\.(jpg|png|webp|avif|gif)", key)
    assert key.endswith(f"/{MEDIA_ID}.{EXTENSIONS[content_type]}")
    assert is_ours(key)
    assert content_of(key) is None


@pytest.mark.parametrize("entity_id", ["..", ".", "../..", "a\u202egpj.exe", "\u200b", "\0", "a/b\\c", "🫖"])
def test_hostile_ids_lose_what_makes_them_hostile(entity_id: str) -> None:
    """Dots, slashes, direction marks, invisible letters and controls never reach a key."""
    folder = original_key("product", entity_id, MEDIA_ID, "image/png").split("/")[1]
    assert re.fullmatch(r"[abcgpjexe-]+", folder)


def test_a_variants_key_tells_content_recipe_and_format() -> None:
    """The key holds the content's hash, the name, the recipe's hash and the true extension."""
    key = variant_key(SHA256, RECIPE)
    assert key == f"_variants/{SHA256.hex()}/thumb-{RECIPE.hash}.jpg"
    assert content_of(key) == SHA256
    assert is_ours(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "readme.txt",
        "product/sku/readme.txt",
        "_variants/",
        f"_variants/{SHA256.hex()}/thumb.jpg",
        f"_variants/{SHA256.hex()[:-1]}/thumb-{RECIPE.hash}.jpg",
        f"_variants/{SHA256.hex().upper()}/thumb-{RECIPE.hash}.jpg",
        f"x/_variants/{SHA256.hex()}/thumb-{RECIPE.hash}.jpg",
        f"product/../{MEDIA_ID}.png",
        f"product/sku/{MEDIA_ID}.png/",
        f"product/sku/{MEDIA_ID}.png\n",
        f"Product/sku/{MEDIA_ID}.png",
    ],
)
def test_other_keys_are_none_of_ours(key: str) -> None:
    """What we would never write is told from what we do."""
    assert not is_ours(key)
    assert content_of(key) is None
