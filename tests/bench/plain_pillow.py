"""The product's four variants as a plain script makes them, with nothing around: what Pillow itself costs.

    python -m tests.bench.plain_pillow      answers each file's name on a line by the CPU seconds that it took

The same draft, order of sizes, filter and options of the encoders as ours, from a file to four files beside
it, in a process that has done it before; no checks, placeholder, store, database or fresh process.
"""

import io
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

LANCZOS = Image.Resampling.LANCZOS
WEBP: dict[str, Any] = {"format": "WEBP", "quality": 80, "method": 2}
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 80, "optimize": True, "subsampling": "4:2:0"}


def make_variants(content: bytes) -> list[bytes]:
    """large, og, medium and thumb of a landscape photo of at least 1600 × 1200."""
    image: Image.Image = Image.open(io.BytesIO(content), formats=["JPEG"])
    image.draft(None, (1600, 1200))
    image.load()
    large = covered(image, 1600, 1600 * image.height // image.width)
    og = covered(large, 1200, 630)
    medium = covered(large, 800, 800)
    thumb = covered(medium, 200, 200)
    return [saved(large, WEBP), saved(og, JPEG), saved(medium, WEBP), saved(thumb, WEBP)]


def covered(image: Image.Image, width: int, height: int) -> Image.Image:
    """Fills the size with the middle of the picture."""
    scale = max(width / image.width, height / image.height)
    across, down = width / scale, height / scale
    left, upper = (image.width - across) / 2, (image.height - down) / 2
    box = (left, upper, left + across, upper + down)
    return image.resize((width, height), LANCZOS, box, reducing_gap=2.0)


def saved(image: Image.Image, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def main() -> None:
    for line in sys.stdin:
        file = Path(line.strip())
        before = time.process_time()
        for number, body in enumerate(make_variants(file.read_bytes())):
            file.with_suffix(f".{number}").write_bytes(body)
        print(time.process_time() - before, flush=True)


if __name__ == "__main__":
    main()
