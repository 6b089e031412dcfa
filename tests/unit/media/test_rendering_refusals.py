"""What is no picture to be shown is refused with a reason, and what is odd but whole is shown."""

import io
import random
import warnings

import pytest
from PIL import Image, ImageFile

from server.media.content_types import EXTENSIONS, MAX_PIXELS
from server.media.media import Reason
from server.media.pictures import decoding
from server.media.pictures.decoding import Undecodable, decode
from server.media.pictures.fitting import Size
from server.media.pictures.rendering import Refused, Rendered
from server.media.recipes import Recipe
from tests.unit.media.picture_samples import (
    BLUE,
    RED,
    answered,
    assert_close,
    file_of,
    noise,
    pixels,
    png,
    rendered,
)

_THUMB = Recipe(name="thumb", width=16, format="png")
_FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}


def _decoded(content: bytes, content_type: str) -> Size:
    """Without the look at the file's structure that `render` takes first."""
    return decode(content, content_type, needed=lambda size: size).size


@pytest.mark.parametrize("content_type", ["image/gif", "image/webp", "image/png", "image/avif"])
def test_of_an_animation_the_first_frame_is_shown(content_type: str) -> None:
    """Whatever follows it."""
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, BLUE, (0, 0, 0))]
    file = file_of(
        frames[0], _FORMATS[content_type], save_all=True, append_images=frames[1:], duration=40, quality=95
    )
    assert getattr(Image.open(io.BytesIO(file)), "n_frames", 1) == 3
    assert_close(pixels(file, content_type).getpixel((20, 15)), RED, within=4)


def test_transparent_gif_keeps_its_transparency() -> None:
    """As alpha."""
    image = Image.new("P", (20, 10), 0)
    image.putpalette(bytes((0, 0, 0, *RED)))
    image.paste(1, (10, 0, 20, 10))
    found = pixels(file_of(image, "GIF", transparency=0), "image/gif")
    left, right = found.getpixel((2, 2)), found.getpixel((17, 2))
    assert isinstance(left, tuple)
    assert left[3] == 0
    assert right == (*RED, 255)


@pytest.mark.parametrize("content_type", list(_FORMATS))
@pytest.mark.parametrize("declared", list(EXTENSIONS))
def test_only_the_declared_type_is_decoded(content_type: str, declared: str) -> None:
    """Pillow would find out by itself; no other decoder may be reached."""
    file = file_of(noise(20, 20), _FORMATS[content_type])
    if content_type == declared:
        assert _decoded(file, declared) == (20, 20)
        return
    with pytest.raises(Undecodable) as caught:
        _decoded(file, declared)
    assert caught.value.rejection.reason is Reason.BROKEN
    answer = answered(file, declared, _THUMB)
    assert isinstance(answer, Refused)
    assert answer.reason == Reason.WRONG_TYPE


@pytest.mark.parametrize("content_type", list(_FORMATS))
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
def test_truncated_pictures_are_refused(content_type: str, part: float) -> None:
    """By the structure first, and by the decoder if that had not seen it; never half a picture."""
    file = file_of(noise(48, 48), _FORMATS[content_type])
    cut = file[: int(len(file) * part)]
    answer = answered(cut, content_type, _THUMB)
    assert isinstance(answer, Refused)
    assert answer.reason in (Reason.TRUNCATED, Reason.BROKEN, Reason.WRONG_TYPE)
    with pytest.raises(Undecodable) as caught:
        _decoded(cut, content_type)
    assert caught.value.rejection.reason in (Reason.TRUNCATED, Reason.BROKEN)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("content_type", list(_FORMATS))
def test_flipped_bits_are_refused_or_shown_but_never_raise(content_type: str) -> None:
    """Some of them change a colour, which nothing can tell."""
    file = file_of(noise(24, 24), _FORMATS[content_type])
    chance = random.Random(3)  # noqa: S311 - the same in every run
    for _ in range(60):
        damaged = bytearray(file)
        for at in chance.sample(range(len(file)), 3):
            damaged[at] ^= 1 << chance.randrange(8)
        answer = answered(bytes(damaged), content_type, _THUMB)
        assert isinstance(answer, Rendered) or answer.reason in set(Reason)
        try:
            _decoded(bytes(damaged), content_type)
        except Undecodable as refused:
            _assert_plain(refused.rejection.detail)


def _assert_plain(detail: str) -> None:
    """A sentence, with nothing of our inside in it."""
    assert detail.endswith(".")
    assert not {"PIL", "BytesIO", "Error", "object", "0x"} & set(detail.replace(".", " ").split())


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    """By the header of a file that has no pixels at all."""
    bomb = png((50_000, 50_000), 8, 2, b"\0" * 50_000)
    for size in ((50_000, 50_000), (7_072, 7_071), (65_536, 1)):
        bomb = _with_size(bomb, size)
        with pytest.raises(Undecodable) as caught:
            _decoded(bomb, "image/png")
        assert caught.value.rejection.reason is Reason.TOO_MANY_PIXELS
        answer = answered(bomb, "image/png", _THUMB)
        assert isinstance(answer, Refused)
        assert answer.reason == Reason.TOO_MANY_PIXELS


def _with_size(file: bytes, size: tuple[int, int]) -> bytes:
    rows = file[33:]
    return png(size, 8, 2, b"\0" * size[1])[:33] + rows


def test_pillows_own_limit_is_an_error_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a global of the process, which tests share."""
    before = 1_234
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", before)
    with warnings.catch_warnings(), decoding._pixel_limit():
        assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS
        with pytest.raises(Image.DecompressionBombWarning):
            warnings.warn("x", Image.DecompressionBombWarning, stacklevel=1)
    assert before == Image.MAX_IMAGE_PIXELS


def test_wanting_memory_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """MemoryError passes through, and what a decoder reports as an error of its own becomes one."""
    file = file_of(noise(20, 20), "PNG")

    def starved(*_: object, **__: object) -> None:
        raise OSError("out of memory when reading image file")

    monkeypatch.setattr(decoding, "resizable", starved)
    with pytest.raises(MemoryError):
        answered(file, "image/png", _THUMB)


def test_odd_but_whole_files_are_shown() -> None:
    """Text beside the pixels, a progressive JPEG, an interlaced or palette PNG of one bit."""
    for file, content_type in (
        (file_of(noise(20, 20), "JPEG", progressive=True, comment=b"x" * 60_000), "image/jpeg"),
        (file_of(noise(20, 20).convert("1"), "PNG"), "image/png"),
        (file_of(noise(20, 20).convert("P"), "GIF", interlace=1), "image/gif"),
        (file_of(noise(20, 20), "JPEG", subsampling="4:4:4", restart_marker_blocks=1), "image/jpeg"),
    ):
        assert rendered(file, content_type, _THUMB).width == 20
