"""The demo shop's pictures: what a file of them is. That they come up in the shop is tested end to end."""

import io

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image
from PIL.ExifTags import IFD

from server.standalone.demo_pictures.picture import SIZE, draw
from server.standalone.demo_pictures.uploads import UploadRefused, kind_of, put
from server.standalone.demo_products import KINDS, MAKERS, demo_products

KIND_NAMES = [kind for kind, _, _ in KINDS]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_each_kind_is_drawn_as_a_camera_would_write_it(kind: str) -> None:
    """A whole JPEG with a place in its metadata, which variants must not have."""
    image = Image.open(io.BytesIO(draw(MAKERS[0], kind)))
    image.load()
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SIZE)
    assert image.getexif().get_ifd(IFD.GPSInfo)


def test_the_same_bytes_come_every_time() -> None:
    """A start that was cut short goes on with the picture it had; no maker's thing looks like another's."""
    drawn = [draw(maker, "Headphones") for maker in (*MAKERS, MAKERS[0])]
    assert drawn[0] == drawn[3]
    assert len(set(drawn)) == 3


def test_what_is_drawn_stands_out() -> None:
    """The thing is far darker or more colourful than the wall behind it, and is in the middle."""
    image = Image.open(io.BytesIO(draw("Cobblestone", "Kettle"))).convert("L")
    thing, wall = image.getpixel((830, 800)), image.getpixel((60, 300))
    assert isinstance(thing, int)
    assert isinstance(wall, int)
    assert thing < 130
    assert wall > 200


def test_every_demo_product_has_a_drawing() -> None:
    """Maker and kind are read from the product."""
    wanted = {(product.brand, kind_of(product)) for product in demo_products()}
    assert wanted == {(maker, kind) for maker in MAKERS for kind in KIND_NAMES}


async def test_a_refused_upload_does_not_tell_its_url() -> None:
    """The terminal and the log would otherwise keep a signature with which anybody could upload."""
    app = web.Application()
    async with TestServer(app) as store, aiohttp.ClientSession() as http:
        with pytest.raises(UploadRefused) as refused:
            await put(http, str(store.make_url("/media/a.jpg?X-Amz-Signature=secret")), b"bytes", {})
    assert str(refused.value) == "the store answered the upload with 404 Not Found"
