"""One picture's turn: what it lists in the end, and what becomes of bytes that are not taken."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from server.media.keys import variant_key
from server.media.recipes import Recipe
from server.media.store import ObjectMissing
from tests.contract.media.working.ground import (
    BODY,
    KEYS,
    MEDIUM,
    RECIPES,
    SHA256,
    THUMB,
    Ground,
    png,
    refusing,
)

LARGE = Recipe(name="large", width=12, fit="inside", format="png")


async def test_uploaded_picture_becomes_ready_with_its_variants(ground: Ground) -> None:
    """They are listed in the order wanted, their objects are there, and the facts of the bytes known."""
    media_id = await ground.add_picture(declared_sha256=SHA256)
    assert await ground.process(media_id) == {"outcome": "READY", "made": 2, "reused": 0}
    row = await ground.row(media_id)
    assert (row.status, row.sha256) == ("READY", SHA256)
    assert await ground.variants(media_id) == KEYS
    assert await ground.objects("_variants/") == sorted(KEYS)
    assert (await ground.store.head(KEYS[1])).content_type == "image/jpeg"
    sizes = await ground.column("SELECT bytes FROM media_renditions ORDER BY key")
    assert sizes == [(await ground.store.head(key)).size for key in sorted(KEYS)]
    assert await ground.column("SELECT width FROM media_contents") == [16]


async def test_second_turn_of_a_ready_picture_does_nothing(ground: Ground) -> None:
    """Jobs run at least once; a picture that is READY is not drawn again."""
    media_id = await ground.ready()
    assert await ground.process(media_id, refusing("BROKEN")) == {
        "outcome": "nothing to do",
        "status": "READY",
    }
    assert (await ground.row(media_id)).status == "READY"


async def test_only_what_is_missing_is_made(ground: Ground) -> None:
    """Another picture of the same bytes takes the variants there are."""
    await ground.ready()
    media_id = await ground.add_picture(recipes=(LARGE, THUMB))
    assert await ground.process(media_id) == {"outcome": "READY", "made": 1, "reused": 1}
    assert await ground.variants(media_id) == [variant_key(SHA256, LARGE), KEYS[0]]


async def test_known_bytes_of_another_type_are_refused(ground: Ground) -> None:
    """The same bytes being fine as PNG elsewhere makes them no JPEG."""
    await ground.ready()
    media_id = await ground.add_picture(content_type="image/jpeg")
    assert (await ground.process(media_id))["reason"] == "WRONG_TYPE"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"declared_bytes": len(BODY) + 1}, "SIZE_MISMATCH"),
        ({"declared_sha256": b"\1" * 32}, "CHECKSUM_MISMATCH"),
    ],
)
async def test_bytes_that_were_not_declared_are_rejected(
    ground: Ground, columns: dict[str, Any], reason: str
) -> None:
    """Whatever their length or hash says against them; nothing is made of them."""
    media_id = await ground.add_picture(**columns)
    assert await ground.process(media_id) == {"outcome": "REJECTED", "reason": reason}
    row = await ground.row(media_id)
    assert (row.status, row.reason, row.sha256) == ("REJECTED", reason, None)
    assert row.reason_detail.endswith(".")
    assert await ground.objects("_variants/") == []


async def test_refused_picture_is_rejected_and_judged_anew_elsewhere(ground: Ground) -> None:
    """The rejection is the picture's own: nothing is remembered of the bytes."""
    body = png()[:-20]
    for _ in range(2):
        media_id = await ground.add_picture(body)
        assert await ground.process(media_id) == {"outcome": "REJECTED", "reason": "TRUNCATED"}
    assert await ground.column("SELECT sha256 FROM media_contents") == []


async def test_ready_picture_survives_variants_that_take_too_much(ground: Ground) -> None:
    """Its bytes were taken before: it stays READY with what it has, and what was too much is forgotten."""
    media_id = await ground.ready()
    wanted = await ground.column("SELECT wanted FROM media")
    more = [*wanted[0], {"name": "l", "width": 9}]
    await ground.execute(
        "UPDATE media SET status = 'PROCESSING', wanted = CAST(:wanted AS jsonb)", wanted=json.dumps(more)
    )
    outcome = await ground.process(media_id, refusing("LIMIT_EXCEEDED"))
    assert (outcome["outcome"], outcome["refused"]) == ("READY", "LIMIT_EXCEEDED")
    assert await ground.variants(media_id) == KEYS
    assert await ground.column("SELECT wanted FROM media") == wanted


async def test_nothing_uploaded_leaves_the_picture_pending(ground: Ground) -> None:
    """It is as before the call, so that the upload may still come."""
    media_id = await ground.add_picture(None)
    assert (await ground.process(media_id))["outcome"] == "PENDING"
    assert (await ground.row(media_id)).status == "PENDING"


async def test_deleted_picture_is_nothing_to_do(ground: Ground) -> None:
    """A job may come after the deletion."""
    media_id = await ground.add_picture()
    await ground.execute("DELETE FROM media")
    assert await ground.process(media_id) == {"outcome": "gone"}


async def test_lost_original_is_made_up_for_by_one_of_the_same_bytes(ground: Ground) -> None:
    """Further variants of a picture can be made as long as any original of its content is there."""
    first, _ = [await ground.ready() for _ in range(2)]
    await ground.store.delete([(await ground.row(first)).key])
    await ground.execute(
        "UPDATE media SET status = 'PROCESSING', wanted = CAST(:wanted AS jsonb) WHERE media_id = :id",
        id=first,
        wanted='[{"name": "wide", "width": 10}]',
    )
    assert await ground.process(first) == {"outcome": "READY", "made": 1, "reused": 0}


async def test_bytes_put_in_place_of_a_ready_picture_are_not_looked_at(ground: Ground) -> None:
    """An upload URL works a while longer: what it put there afterwards neither replaces nor rejects it."""
    media_id = await ground.ready()
    key = (await ground.row(media_id)).key
    await ground.store.write(key, b"<html>".ljust(len(BODY)), content_type="image/png")
    more = [*(await ground.row(media_id)).wanted, {"name": "wide", "width": 10}]
    await ground.execute(
        "UPDATE media SET status = 'PROCESSING', wanted = CAST(:w AS jsonb)", w=json.dumps(more)
    )
    assert (await ground.process(media_id))["outcome"] == "READY"
    assert (await ground.row(media_id)).sha256 == SHA256
    assert await ground.variants(media_id) == KEYS
    other = await ground.ready()
    assert await ground.variants(other) == KEYS
    await ground.execute(
        "UPDATE media SET status = 'PROCESSING', wanted = CAST(:w AS jsonb)", w=json.dumps(more)
    )
    assert await ground.process(media_id) == {"outcome": "READY", "made": 1, "reused": 2}


async def test_picture_without_any_original_keeps_the_variants_there_are(ground: Ground) -> None:
    """What cannot be made any more is forgotten, and the picture READY with the rest."""
    media_id = await ground.ready()
    await ground.store.delete([(await ground.row(media_id)).key])
    wanted = '[{"name": "thumb", "width": 4, "height": 4}, {"name": "wide", "width": 10}]'
    await ground.execute("UPDATE media SET status = 'PROCESSING', wanted = CAST(:w AS jsonb)", w=wanted)
    assert (await ground.process(media_id))["outcome"] == "READY"
    assert await ground.variants(media_id) == KEYS[:1]
    assert [each["name"] for each in (await ground.row(media_id)).wanted] == ["thumb"]


async def test_picture_without_original_and_variants_is_lost(ground: Ground) -> None:
    """There is nothing that it could show."""
    media_id = await ground.ready()
    await ground.store.delete([(await ground.row(media_id)).key])
    await ground.execute("DELETE FROM media_variants")
    await ground.execute("DELETE FROM media_renditions")
    await ground.execute("UPDATE media SET status = 'PROCESSING'")
    assert (await ground.process(media_id))["reason"] == "OBJECT_LOST"


async def test_failed_run_leaves_nothing_to_see(ground: Ground) -> None:
    """Objects may be there already; rows are not, and the next run makes the whole set."""
    media_id = await ground.add_picture()

    async def break_down(*_: object) -> None:
        raise ObjectMissing("as good as any")

    with pytest.raises(ObjectMissing):
        await ground.process(media_id, break_down)
    assert (await ground.row(media_id)).status == "PROCESSING"
    assert await ground.renditions() == []
    assert (await ground.process(media_id))["made"] == len(RECIPES)


async def test_variants_do_not_depend_on_the_order_of_recipes(ground: Ground) -> None:
    """Each object has the format of its own recipe."""
    body = png("olive")
    media_id = await ground.ready(body, recipes=(MEDIUM, LARGE, THUMB))
    sha256 = hashlib.sha256(body).digest()
    assert await ground.variants(media_id) == [variant_key(sha256, each) for each in (MEDIUM, LARGE, THUMB)]
    starts = [await ground.store.read_start(key, 4) for key in await ground.variants(media_id)]
    assert starts == [b"\xff\xd8\xff\xe0", b"\x89PNG", b"RIFF"]
