"""A page of another origin uploads a picture in a real browser and shows its variants."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import NODE, output_of
from tests.e2e.conftest import FRONTEND
from tests.e2e.media_pictures import quadrants, saved
from tests.e2e.media_shop import PRODUCT_SET
from tests.stack import Stack


@pytest.fixture(scope="module")
async def visit(
    stack: Stack, chromium: Path, driver: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What one visit saw; see media_page.mjs."""
    folder = tmp_path_factory.mktemp("media-page")
    picture = folder / "Wasserkocher – größer.jpg"
    picture.write_bytes(saved(quadrants((1800, 1200)), "jpeg", quality=90, comment=uuid.uuid4().hex))
    seen = await output_of(
        str(NODE), str(Path(__file__).with_name("media_page.mjs")), str(chromium),
        stack["edge_url"], FRONTEND, stack["admin_token"], str(picture), str(folder),
    )  # fmt: skip
    visit: dict[str, Any] = json.loads(seen)
    return visit


async def test_a_page_of_another_origin_uploads(visit: dict[str, Any]) -> None:
    """The browser lets it ask, PUT the file with its checksum, and read every answer."""
    assert visit["origin"] == FRONTEND
    assert visit["put"] == 200
    assert visit["record"]["status"] == "READY"
    assert visit["record"]["filename"] == "Wasserkocher – größer.jpg"
    assert visit["complaints"] == []


async def test_the_page_shows_every_variant(visit: dict[str, Any]) -> None:
    """In formats that a browser decodes, in the sizes that the record says."""
    said = [{name: one[name] for name in ("name", "width", "height")} for one in visit["record"]["variants"]]
    assert visit["images"] == said
    assert [one["name"] for one in said] == PRODUCT_SET
