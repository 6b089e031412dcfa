"""Pictures come out upright, and nothing of what the camera wrote beside the pixels comes out at all."""

import io
import struct

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from server.media.pictures.encoding import encode
from server.media.pictures.rendering import Rendered
from server.media.recipes import Recipe
from tests.unit.media.picture_samples import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    answered,
    assert_close,
    exif,
    file_of,
    noise,
    pixels,
    quadrants,
    rendered,
)

ORIENTATIONS = range(1, 9)
# What a camera stores of a picture as it was seen: the opposite of how it is turned back.
_STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_COVER = Recipe(name="cover", width=20, height=16, focal_x=0.3, focal_y=0.8, format="png")
_LOSSLESS = [("image/png", "PNG", {}), ("image/webp", "WEBP", {"lossless": True, "exact": True})]


def _seen() -> Image.Image:
    """Not a square, no symmetry, and a gradient so that a pixel's shift would show."""
    image = quadrants(60, 34)
    gradient = Image.linear_gradient("L").resize(image.size)
    return Image.merge("RGB", [ImageChops.multiply(band, gradient) for band in image.split()])


def _stored(orientation: int) -> Image.Image:
    return _seen().transpose(_STORED_AS[orientation]) if orientation in _STORED_AS else _seen()


@pytest.mark.parametrize(("content_type", "format_", "options"), _LOSSLESS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_all_orientations_give_the_same_pixels(
    orientation: int, content_type: str, format_: str, options: dict[str, bool]
) -> None:
    """Exactly, and in every variant: what is turned is the picture, before anything else is done to it."""
    file = file_of(_stored(orientation), format_, exif=exif(orientation), **options)
    answer = rendered(file, content_type)
    assert (answer.width, answer.height) == (60, 34)
    assert pixels(file, content_type).tobytes() == _seen().tobytes()
    plain = file_of(_seen(), "PNG")
    assert pixels(file, content_type, _COVER).tobytes() == pixels(plain, "image/png", _COVER).tobytes()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(("content_type", "format_"), [("image/jpeg", "JPEG"), ("image/avif", "AVIF")])
def test_lossy_files_are_upright_as_well(content_type: str, format_: str, orientation: int) -> None:
    """Within what their compression loses; also where the decoder is asked for fewer pixels at once."""
    image = quadrants(320, 160).transpose(_STORED_AS[orientation]) if orientation > 1 else quadrants(320, 160)
    file = file_of(image, format_, quality=90, exif=exif(orientation))
    half = pixels(file, content_type, Recipe(name="half", width=80, fit="inside", format="png"))
    assert half.size == (80, 40)
    for place, colour in (((20, 10), RED), ((60, 10), GREEN), ((20, 30), BLUE), ((60, 30), YELLOW)):
        assert_close(half.getpixel(place), colour, within=6)


def test_sideways_jpeg_keeps_what_its_variants_need() -> None:
    """Few pixels are decoded, but the sides of a picture that is turned are not taken for each other."""
    seen = noise(240, 960)
    upright = file_of(seen, "JPEG", quality=95)
    sideways = file_of(seen.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif(6))
    recipe = Recipe(name="x", width=110, fit="inside", format="png")
    difference = ImageChops.difference(
        pixels(upright, "image/jpeg", recipe), pixels(sideways, "image/jpeg", recipe)
    )
    assert max(ImageStat.Stat(difference).mean) < 4


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0" + b"II*\0\x08\0\0\0" + b"\xff\xff" + b"\x12\x01" * 6,
        b"Exif\0\0" + b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 99) + b"\0\0\0\0",
        b"Exif\0\0" + b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, 2, 4) + b"six\0\0\0\0\0",
    ],
)
def test_broken_exif_is_ignored(block: bytes) -> None:
    """The picture is shown as it is stored."""
    answer = rendered(file_of(_seen(), "JPEG", exif=block), "image/jpeg")
    assert (answer.width, answer.height) == (60, 34)


def test_orientation_of_xmp_alone_is_not_heeded() -> None:
    """Browsers do not heed it, and the original is shown by them."""
    note = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    answer = rendered(file_of(_seen(), "JPEG", xmp=note), "image/jpeg")
    assert (answer.width, answer.height) == (60, 34)


@pytest.mark.parametrize("format_", ["webp", "jpeg", "png", "avif"])
@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/webp", "image/avif"])
def test_nothing_but_pixels_gets_into_a_variant(content_type: str, format_: str) -> None:
    """No position, camera, comment, XMP or profile: neither readable nor anywhere in the bytes."""
    source = file_of(_seen(), content_type.removeprefix("image/").upper(), **_metadata(content_type))
    assert b"Kodachrome" in source
    sizes = Recipe(name="s", width=30, format=format_), Recipe(name="o", width=4000, format=format_)  # type: ignore[arg-type]
    answer = rendered(source, content_type, *sizes)
    for variant in answer.variants:
        found = Image.open(io.BytesIO(variant.body))
        assert not found.getexif()
        assert not {"exif", "icc_profile", "xmp", "comment", "XML:com.adobe.xmp"} & set(found.info)
        for trace in (b"Exif", b"Kodachrome", b"xmpmeta", b"acsp", b"secret"):
            assert trace not in variant.body


@pytest.mark.parametrize("format_", ["webp", "jpeg", "png", "avif"])
def test_encoder_takes_no_metadata_from_its_image(format_: str) -> None:
    """Pillow would, for some formats."""
    image = _seen()
    image.info = {
        "exif": exif(1),
        "comment": b"Kodachrome",
        "icc_profile": b"Kodachrome",
        "xmp": b"Kodachrome",
    }
    body = encode(image, Recipe(name="x", width=9, format=format_))  # type: ignore[arg-type]
    assert b"Kodachrome" not in body
    assert b"Exif" not in body


def _metadata(content_type: str) -> dict[str, object]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    everything: dict[str, object] = {"exif": exif(1), "icc_profile": profile}
    if content_type != "image/png":
        everything["xmp"] = b"<x:xmpmeta>secret</x:xmpmeta>"
    return everything | ({"comment": b"secret"} if content_type == "image/jpeg" else {})


def test_jpeg_with_several_pictures_is_its_first() -> None:
    """As phones write them: the second is a preview, or the same in a wider range."""
    file = file_of(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (10, 10))])
    answer = answered(file, "image/jpeg")
    assert isinstance(answer, Rendered), answer
    assert (answer.width, answer.height) == (48, 32)
    assert_close(pixels(file, "image/jpeg").getpixel((8, 8)), RED, within=6)
