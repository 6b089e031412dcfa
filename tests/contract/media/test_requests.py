"""Asking for variants: which ones are meant, that nothing is made twice, and waiting for them."""

import asyncio
import hashlib
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.media.v1 import media_service_pb2 as rpc
from millrace.media.v1.media_pb2 import Media
from server.errors import FailedPrecondition, InvalidArgument, NotFound
from server.media.recipes import DEFAULT_SET, DEFAULT_SETS, Recipe
from tests.contract.media.pictures import Pictures

SHA256 = hashlib.sha256(b"some bytes").digest()
HERO = {"name": "hero", "width": 300}


async def test_the_set_of_the_entity_type_is_meant_when_nothing_is_named(pictures: Pictures) -> None:
    """Products get the product's set, in its order; other things get the default one."""
    product = await pictures.uploaded()
    banner = await pictures.uploaded(entity_type="banner")
    for media_id, recipes in ((product, DEFAULT_SETS["product"]), (banner, DEFAULT_SETS[DEFAULT_SET])):
        answer = await pictures.process(media_id)
        assert answer.status == Media.PROCESSING
        assert (await pictures.stored(media_id)).wanted == recipes


async def test_names_and_whole_recipes_are_resolved(pictures: Pictures) -> None:
    """A name alone is the set's recipe; anything else is a recipe of its own with the usual values."""
    media_id = await pictures.uploaded()
    whole = {
        "name": "thumb",
        "width": 40,
        "height": 50,
        "fit": "contain",
        "format": "avif",
        "quality": 1,
        "focal_point": {"x": 1},
        "background": "#AABBCCdd",
        "upscale": True,
    }
    tinted = {"name": "tinted", "height": 9, "background": "#ABCDEF"}
    await pictures.process(media_id, {"name": "og"}, whole, tinted)
    assert (await pictures.stored(media_id)).wanted == (
        Recipe(name="og", width=1200, height=630, format="jpeg"),
        Recipe(
            name="thumb",
            width=40,
            height=50,
            fit="contain",
            format="avif",
            quality=1,
            focal_x=1.0,
            focal_y=0.5,
            background="#aabbccdd",
            upscale=True,
        ),
        Recipe(name="tinted", height=9, background="#abcdefff"),
    )


async def test_wrong_variants_are_named(pictures: Pictures) -> None:
    """Each unknown name, and each recipe without a side, is a field of the refusal; nothing is stored."""
    media_id = await pictures.uploaded()
    with pytest.raises(InvalidArgument) as refusal:
        await pictures.process(media_id, {"name": "og"}, {"name": "huge"}, {"name": "tiny"})
    assert refusal.value.reason == "VARIANT_UNKNOWN"
    assert [each.field for each in refusal.value.fields] == ["variants[1].name", "variants[2].name"]
    assert "thumb, medium, large, og" in refusal.value.fields[0].message
    with pytest.raises(InvalidArgument) as refusal:
        await pictures.process(media_id, HERO, {"name": "a", "fit": "fill"}, {"name": "b", "upscale": True})
    assert [each.field for each in refusal.value.fields] == ["variants[1].width", "variants[2].width"]
    assert (await pictures.get(media_id)).status == Media.PENDING


async def test_a_picture_is_named_by_its_key_as_well(pictures: Pictures) -> None:
    """The key that was given out does as well as the id; unknown ones are MEDIA_NOT_FOUND."""
    media_id = await pictures.uploaded()
    key = (await pictures.get(media_id)).key
    answer = await pictures.call(rpc.ProcessMediaRequest(key=key))
    assert (answer.media_id, answer.status) == (media_id, Media.PROCESSING)
    unknown = "0198c0de-0000-7000-8000-000000000000"
    for request in (
        rpc.ProcessMediaRequest(key=f"{key}x"),
        rpc.ProcessMediaRequest(media_id=unknown),
        rpc.GetMediaRequest(media_id=unknown),
        rpc.DeleteMediaRequest(media_id=unknown),
    ):
        with pytest.raises(NotFound) as refusal:
            await pictures.call(request)
        assert refusal.value.reason == "MEDIA_NOT_FOUND"


async def test_a_picture_is_named_in_one_way(pictures: Pictures) -> None:
    """Neither and both are refused by the field, and so is an entity id without its type."""
    some_id = "0198c0de-0000-7000-8000-000000000000"
    for request, field in (
        (rpc.ProcessMediaRequest(), "media_id"),
        (rpc.ProcessMediaRequest(media_id=some_id, key="x"), "media_id"),
        (rpc.ListMediaRequest(entity_id="x"), "entity_type"),
    ):
        with pytest.raises(InvalidArgument) as refusal:
            await pictures.call(request)
        assert [each.field for each in refusal.value.fields] == [field]


async def test_twenty_calls_at_once_leave_one_job(pictures: Pictures) -> None:
    """However many ask at the same time, there is one job, and all hear the same."""
    media_id = await pictures.uploaded()
    answers = await asyncio.gather(*(pictures.process(media_id) for _ in range(20)))
    assert await pictures.jobs() == [{"media_id": media_id}]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == Media.PROCESSING


async def test_twenty_different_variants_at_once_are_all_wanted(pictures: Pictures) -> None:
    """Calls at the same time for different variants lose none of them, and still leave one job."""
    media_id = await pictures.uploaded()
    names = [f"v{number}" for number in range(20)]
    await asyncio.gather(*(pictures.process(media_id, {"name": name, "width": 9}) for name in names))
    assert sorted(each.name for each in (await pictures.stored(media_id)).wanted) == sorted(names)
    assert len(await pictures.jobs()) == 1


async def test_variants_add_up_to_fifty_at_most(pictures: Pictures) -> None:
    """Over all calls a picture gets fifty names; one that it has can still be asked for in another way."""
    media_id = await pictures.uploaded()
    for start in (0, 20):
        await pictures.process(media_id, *({"name": f"v{start + n}", "width": 9} for n in range(20)))
    await pictures.process(media_id, *({"name": f"v{40 + n}", "width": 9} for n in range(10)))
    with pytest.raises(FailedPrecondition) as refusal:
        await pictures.process(media_id, HERO)
    assert refusal.value.reason == "TOO_MANY_VARIANTS"
    await pictures.process(media_id, {"name": "v0", "width": 8})
    assert len((await pictures.stored(media_id)).wanted) == 50


async def test_a_finished_picture_is_not_made_again(pictures: Pictures) -> None:
    """What is READY is returned as it is; what is asked for besides makes it PROCESSING, keeping the rest."""
    media_id = await pictures.uploaded()
    await pictures.process(media_id)
    await pictures.finish(media_id, SHA256)
    await pictures.execute("DELETE FROM jobs")
    ready = await pictures.get(media_id)
    assert await pictures.process(media_id) == ready
    assert await pictures.process(media_id, {"name": "og"}, wait=True) == ready
    assert await pictures.jobs() == []
    again = await pictures.process(media_id, HERO)
    assert again.status == Media.PROCESSING
    assert [each.name for each in again.variants] == ["thumb", "medium", "large", "og"]
    assert await pictures.jobs() == [{"media_id": media_id}]
    await pictures.finish(media_id, SHA256)
    wider = await pictures.process(media_id, {"name": "hero", "width": 301})
    assert wider.status == Media.PROCESSING
    assert [each.width for each in (await pictures.stored(media_id)).wanted][-1] == 301


async def test_a_finished_picture_shows_all_that_is_known(pictures: Pictures) -> None:
    """READY comes with dimensions, hash, placeholder, colour and the variants in the order asked for."""
    media_id = await pictures.uploaded()
    await pictures.process(media_id, {"name": "thumb"}, HERO)
    await pictures.finish(media_id, SHA256)
    media = await pictures.get(media_id)
    assert (media.status, media.width, media.height) == (Media.READY, 8, 6)
    assert (media.sha256, media.thumbhash, media.dominant_color) == (SHA256.hex(), "AQI=", "#008080")
    assert not media.HasField("reason")
    hero = media.variants[1]
    assert [each.name for each in media.variants] == ["thumb", "hero"]
    assert hero.url.startswith(f"https://pictures.example/of/_variants/{SHA256.hex()}/hero-")
    assert (hero.width, hero.height, hero.bytes, hero.format) == (4, 3, 99, "webp")


async def test_a_job_that_is_overdue_is_left_again(pictures: Pictures) -> None:
    """A repeated call leaves no second job, except when a minute passed and the first one is gone."""
    media_id = await pictures.uploaded()
    await pictures.process(media_id)
    await pictures.execute("DELETE FROM jobs")
    await pictures.process(media_id)
    assert await pictures.jobs() == []
    await pictures.execute("UPDATE media SET updated_at = now() - interval '61 seconds'")
    for _ in range(2):
        await pictures.process(media_id)
    assert await pictures.jobs() == [{"media_id": media_id}]


async def when_processing(pictures: Pictures, media_id: str, then: Awaitable[None]) -> None:
    async with asyncio.timeout(10):
        while (await pictures.get(media_id)).status != Media.PROCESSING:
            await asyncio.sleep(0.01)
    await then


async def test_waiting_ends_when_the_picture_is_finished(pictures: Pictures) -> None:
    """With `wait` the answer is the finished picture."""
    media_id = await pictures.uploaded()
    finishing = when_processing(pictures, media_id, pictures.finish(media_id, SHA256))
    answer, _ = await asyncio.gather(pictures.process(media_id, wait=True), finishing)
    assert answer.status == Media.READY
    assert len(answer.variants) == 4


async def test_waiting_ends_before_the_callers_deadline(pictures: Pictures) -> None:
    """When the deadline is near the answer is PROCESSING, and still in time."""
    media_id = await pictures.uploaded()
    pictures.context = SimpleNamespace(time_remaining=lambda: 0.7)
    began = asyncio.get_running_loop().time()
    answer = await pictures.process(media_id, wait=True)
    assert answer.status == Media.PROCESSING
    assert asyncio.get_running_loop().time() - began >= 0.2


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE media SET status = 'PENDING'", FailedPrecondition),
        ("DELETE FROM media", NotFound),
    ],
)
async def test_waiting_ends_with_what_the_job_found(
    pictures: Pictures, change: str, refusal: type[Exception]
) -> None:
    """A job that finds nothing uploaded, and a deletion meanwhile, end the waiting as refusals."""
    media_id = await pictures.uploaded()

    async def ask() -> Any:
        with pytest.raises(refusal):
            await pictures.process(media_id, wait=True)

    await asyncio.gather(ask(), when_processing(pictures, media_id, pictures.execute(change)))
