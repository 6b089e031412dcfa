"""The judgement of a file's structure: its type, its wholeness, its size, and that it is nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from server.media.media import Rejection
from server.media.pictures.structure import avif, gif, jpeg, png, webp
from server.media.pictures.structure.findings import Layout, Unfit, truncated
from server.media.pictures.structure.polyglots import check_alone
from server.media.pictures.structure.signatures import check_type

_WALKS: Final[Mapping[str, Callable[[bytes], Layout]]] = {
    "image/jpeg": jpeg.walk,
    "image/png": png.walk,
    "image/gif": gif.walk,
    "image/webp": webp.walk,
    "image/avif": avif.walk,
}


def judge(content: bytes, content_type: str) -> Rejection | None:
    """Why a file is not taken as a picture of the declared type; None when it is whole and nothing else.

    Never raises, whatever the bytes. Time grows with the length of the file: 25 MiB take less than a second,
    however they are made. Pixels are not decoded, so what is wrong only in them shows only there.
    """
    try:
        if not content:
            raise truncated("everything")
        check_type(content, content_type)
        layout = _WALKS[content_type](content)
        check_alone(content, content_type, layout)
    except Unfit as unfit:
        return unfit.rejection
    return None
