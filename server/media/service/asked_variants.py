"""Which recipes a call means: its own, those that it names, or the whole set. Stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

from server.media.errors import VariantUnknown
from server.media.recipes import Recipe, Recipes

# A recipe, or the name of one in the set of the picture's entity type.
AskedVariant = Recipe | str


def recipes_asked_for(asked: Sequence[AskedVariant], known: Recipes) -> Recipes:
    """Every recipe in order, all of `known` when nothing is asked for. Raises VariantUnknown."""
    if not asked:
        return known
    by_name = {recipe.name: recipe for recipe in known}
    unknown = [
        position for position, each in enumerate(asked) if isinstance(each, str) and each not in by_name
    ]
    if unknown:
        raise VariantUnknown(unknown, tuple(by_name))
    return tuple(by_name[each] if isinstance(each, str) else each for each in asked)
