"""Lists of pictures, what other domains read of them, and deleting them without harm to those that share."""

import asyncio
import hashlib
import uuid
from itertools import chain

import pytest
from sqlalchemy import text

from millrace.media.v1 import media_service_pb2 as rpc
from server.errors import InvalidArgument
from server.media.content_lock import lock_content
from server.media.service.reading import MediaService
from server.media.tasks import DELETE_UNUSED
from tests.contract.media.pictures import Pictures

SHA256 = hashlib.sha256(b"some bytes").digest()


async def listed(pictures: Pictures, **wanted: str | int) -> list[str]:
    """The ids of all pages of a list."""
    request, found = rpc.ListMediaRequest(**wanted), []  # type: ignore[arg-type]
    while True:
        answer = await pictures.call(request)
        assert len(answer.media) <= (request.page_size or 50)
        found += [media.media_id for media in answer.media]
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


async def test_lists_are_narrowed_and_paged(pictures: Pictures) -> None:
    """A list shows each picture of its filter once, the oldest first, whatever the page's size."""
    ids: dict[tuple[str, str], list[str]] = {}
    for number in range(12):
        thing = (("product", "banner")[number % 2], f"id-{number % 3}")
        given = await pictures.upload_url(entity_type=thing[0], entity_id=thing[1])
        ids.setdefault(thing, []).append(given.media_id)
    everything = sorted(chain.from_iterable(ids.values()))
    products = sorted(chain.from_iterable(ids["product", f"id-{number}"] for number in range(3)))
    for size in (1, 5, 6, 500, 10_000):
        assert await listed(pictures, page_size=size) == everything
        assert await listed(pictures, page_size=size, entity_type="product") == products
    assert await listed(pictures, entity_type="product", entity_id="id-1") == ids["product", "id-1"]
    assert await listed(pictures, entity_type="product", entity_id="none") == []
    assert await listed(pictures, entity_type="prod_ct") == []


async def test_a_page_token_belongs_to_its_filter(pictures: Pictures) -> None:
    """A token of one list is refused by another."""
    for _ in range(2):
        await pictures.upload_url()
    page = await pictures.call(rpc.ListMediaRequest(page_size=1))
    with pytest.raises(InvalidArgument) as refusal:
        await pictures.call(rpc.ListMediaRequest(entity_type="product", page_token=page.next_page_token))
    assert refusal.value.reason == "PAGE_TOKEN_INVALID"


async def test_lists_show_variants(pictures: Pictures) -> None:
    """A picture in a list is the same as alone."""
    finished, pending = await pictures.uploaded(), (await pictures.upload_url()).media_id
    await pictures.process(finished)
    await pictures.finish(finished, SHA256)
    answer = await pictures.call(rpc.ListMediaRequest())
    assert [*answer.media] == [await pictures.get(finished), await pictures.get(pending)]
    assert len(answer.media[0].variants) == 4


async def test_other_domains_read_finished_pictures_only(pictures: Pictures) -> None:
    """Of many ids those of READY pictures are found, with their variants; none is asked for nothing."""
    finished, working = await pictures.uploaded(), await pictures.uploaded()
    for media_id in (finished, working):
        await pictures.process(media_id)
    await pictures.finish(finished, SHA256)
    media = MediaService(pictures.sessions)
    asked = [uuid.UUID(finished), uuid.UUID(working), *(uuid.uuid4() for _ in range(5_000))]
    found = await media.pictures_of(asked)
    assert [*found] == [uuid.UUID(finished)]
    assert found[uuid.UUID(finished)] == await pictures.stored(finished)
    assert len(found[uuid.UUID(finished)].variants) == 4
    assert await media.pictures_of([]) == {}
    await pictures.process(finished, {"name": "more", "width": 7})
    assert [*await media.pictures_of(asked)] == [uuid.UUID(finished)]


async def deleted_keys(pictures: Pictures) -> list[list[str]]:
    return [job["keys"] for job in await pictures.jobs("media.delete_objects")]


async def test_a_deleted_picture_takes_along_what_nobody_shares(pictures: Pictures) -> None:
    """Of two pictures of the same bytes the first takes its own variant only, the last takes the rest."""
    first, second = await pictures.uploaded(), await pictures.uploaded()
    await pictures.process(first, {"name": "thumb"}, {"name": "hero", "width": 9})
    await pictures.process(second, {"name": "thumb"})
    for media_id in (first, second):
        await pictures.finish(media_id, SHA256)
    (thumb, hero), originals = (
        [variant.key for variant in (await pictures.stored(first)).variants],
        [(await pictures.stored(media_id)).key for media_id in (first, second)],
    )
    await pictures.call(rpc.DeleteMediaRequest(media_id=first))
    assert await deleted_keys(pictures) == [[originals[0], hero]]
    assert [variant.key for variant in (await pictures.stored(second)).variants] == [thumb]
    assert await pictures.column("SELECT key FROM media_renditions") == [thumb]
    await pictures.call(rpc.DeleteMediaRequest(media_id=second))
    assert await deleted_keys(pictures) == [[originals[0], hero], [originals[1], thumb]]
    left = (
        "SELECT count(*) FROM media UNION ALL SELECT count(*) FROM media_variants"
        " UNION ALL SELECT count(*) FROM media_renditions UNION ALL SELECT count(*) FROM media_contents"
    )
    assert await pictures.column(left) == [0] * 4


async def test_pending_pictures_are_deleted_as_well(pictures: Pictures) -> None:
    """Also of a picture without known bytes the original goes: something may have been uploaded."""
    given = await pictures.upload_url()
    await pictures.call(rpc.DeleteMediaRequest(media_id=given.media_id))
    assert await deleted_keys(pictures) == [[given.key]]


async def test_a_deletion_does_not_wait_for_whoever_holds_the_content(pictures: Pictures) -> None:
    """Drawing may take a minute: the picture goes at once, its variants by a job that looks afterwards.
    A picture that comes to share them meanwhile keeps them.
    """
    first, second = await pictures.uploaded(), await pictures.uploaded()
    for media_id in (first, second):
        await pictures.process(media_id)
    await pictures.finish(first, SHA256)
    original = (await pictures.stored(first)).key
    async with pictures.sessions.begin() as session:
        await lock_content(session, SHA256)
        async with asyncio.timeout(5):
            await pictures.call(rpc.DeleteMediaRequest(media_id=first))
    assert await deleted_keys(pictures) == [[original]]
    [left] = await pictures.jobs("media.delete_unused")
    assert DELETE_UNUSED.decode(1, left).sha256 == SHA256
    await pictures.finish(second, SHA256)
    assert len((await pictures.get(second)).variants) == 4
    assert await pictures.column("SELECT count(*) FROM media_renditions") == [4]


async def test_a_deletion_sees_content_that_just_became_known(pictures: Pictures) -> None:
    """A picture finished between a deletion's first look and its lock leaves no variant behind."""
    media_id = await pictures.uploaded()
    await pictures.process(media_id)
    async with pictures.sessions.begin() as session:
        await session.execute(text("SELECT 1 FROM media FOR UPDATE"))
        deleting = asyncio.create_task(pictures.call(rpc.DeleteMediaRequest(media_id=media_id)))
        async with asyncio.timeout(10):
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not await pictures.column(waiting):
                await asyncio.sleep(0.01)
        await session.execute(
            text("INSERT INTO media_contents VALUES (:sha, 1, 1, '', '#000000')"), {"sha": SHA256}
        )
        await session.execute(text("UPDATE media SET status = 'READY', sha256 = :sha"), {"sha": SHA256})
    await deleting
    assert await pictures.column("SELECT count(*) FROM media_contents") == [0]
