"""One picture in, its facts and variants out, as bytes both ways. What that may cost is set elsewhere.

`render` is what the confined process runs; `encode_request` and `decode_answer` are for those who ask.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from PIL import Image, WebPImagePlugin  # noqa: F401 - importing it makes the format known

from server.media.media import Rejection
from server.media.pictures.avif import know_avif
from server.media.pictures.decoding import Picture, Undecodable, decode
from server.media.pictures.encoding import encode, on_canvas
from server.media.pictures.fitting import Plan, Size, plan
from server.media.pictures.placeholders import SMALL_SIDE, dominant_colour, thumb_hash
from server.media.pictures.resizing import Cascade
from server.media.pictures.structure import judge
from server.media.recipes import Recipe, Recipes

# Not at the first picture: processes for one picture each are forked from one that imported this. For a
# format that is not known by then Pillow imports all that it has, each time anew.
Image.preinit()
know_avif()


class RenderRequest(msgspec.Struct, frozen=True):
    """`content_type`: one of `content_types.EXTENSIONS`. Without recipes only the facts are answered."""

    content: bytes
    content_type: str
    recipes: Recipes


class RenderedVariant(msgspec.Struct, frozen=True):
    """A finished variant; `width` and `height` in pixels."""

    name: str
    width: int
    height: int
    format: str
    body: bytes


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """`width` and `height` of the picture as shown, `dominant_color` as `#rrggbb`; variants as asked for."""

    width: int
    height: int
    thumbhash: bytes
    dominant_color: str
    variants: tuple[RenderedVariant, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """`reason`: a value of `media.Reason`; `detail`: a sentence for people."""

    reason: str
    detail: str


def encode_request(content: bytes, content_type: str, recipes: Sequence[Recipe]) -> bytes:
    """The question for `render`."""
    return msgspec.msgpack.encode(RenderRequest(content, content_type, tuple(recipes)))


def decode_answer(answer: bytes) -> Rendered | Refused:
    """Raises msgspec.DecodeError when it is none; the process that gives it had hostile bytes in it."""
    return msgspec.msgpack.decode(answer, type=Rendered | Refused)


def render(question: bytes) -> bytes:
    """Answers a RenderRequest by a Rendered, or by a Refused when the bytes are no picture to be shown.

    Raises MemoryError when the process may not take what the picture needs; nothing else for what is in the
    picture. Refuses before it decodes whatever can be told from the file's structure.
    """
    request = msgspec.msgpack.decode(question, type=RenderRequest)
    rejection = judge(request.content, request.content_type)
    if rejection is not None:
        return msgspec.msgpack.encode(_refused(rejection))
    return msgspec.msgpack.encode(_answer(request))


def _answer(request: RenderRequest) -> Rendered | Refused:
    try:
        picture = decode(
            request.content,
            request.content_type,
            needed=lambda size: _needed(size, request.recipes),
        )
    except Undecodable as error:
        return _refused(error.rejection)
    return _rendered(picture, request.recipes)


def _refused(rejection: Rejection) -> Refused:
    return Refused(reason=rejection.reason.value, detail=rejection.detail)


def _needed(size: Size, recipes: Recipes) -> Size:
    """The pixels that no variant, and no placeholder, has more of before it is cut."""
    scaled = [plan(size, recipe).scaled for recipe in recipes]
    return Size(
        max([SMALL_SIDE, *(each.width for each in scaled)]),
        max([SMALL_SIDE, *(each.height for each in scaled)]),
    )


def _rendered(picture: Picture, recipes: Recipes) -> Rendered:
    cascade = Cascade(picture)
    plans = [(plan(picture.size, recipe), recipe) for recipe in recipes]
    # Largest first, as the cascade wants them.
    plans.sort(key=lambda planned: planned[0].scaled.width * planned[0].scaled.height, reverse=True)
    made = {recipe.name: _variant(cascade, planned, recipe) for planned, recipe in plans}
    small = cascade.small(SMALL_SIDE)
    return Rendered(
        width=picture.size.width,
        height=picture.size.height,
        thumbhash=thumb_hash(small),
        dominant_color=dominant_colour(small),
        variants=tuple(made[recipe.name] for recipe in recipes),
    )


def _variant(cascade: Cascade, planned: Plan, recipe: Recipe) -> RenderedVariant:
    image = on_canvas(cascade.cut(planned), planned, recipe)
    return RenderedVariant(
        name=recipe.name,
        width=image.width,
        height=image.height,
        format=recipe.format,
        body=encode(image, recipe),
    )
