"""What else happens to a picture, or to others of the same bytes, while its variants are made."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.content_lock import lock_content
from server.media.keys import variant_key
from server.media.pictures.rendering import Refused
from server.media.recipes import Recipe
from server.media.removal import ObjectRemoval
from server.media.repairs import Repairs
from server.media.repository import MediaRepository
from server.media.settings import MediaSettings
from server.media.store import ObjectStore, StoreUnavailable
from server.standalone.backing import s3
from tests.contract.media.working.ground import KEYS, RECIPES, SHA256, Ground, beside, held_drawing

HUGE = Recipe(name="huge", width=4000)
WIDE = '[{"name": "thumb", "width": 4, "height": 4}, {"name": "wide", "width": 10}]'


async def delete_picture(ground: Ground, media_id: object) -> list[str]:
    """As the service does it; the keys that it leaves to be removed."""
    async with ground.sessions.begin() as session:
        await lock_content(session, SHA256)
        repository = MediaRepository(session)
        await repository.delete(media_id)  # type: ignore[arg-type]
        return await repository.delete_unused(SHA256)


async def test_same_bytes_at_once_are_drawn_once(ground: Ground) -> None:
    """The second waits for the first, and finds its variants."""
    first, second = [await ground.add_picture() for _ in range(2)]
    async with held_drawing() as drawing, beside(ground.process(first, drawing)) as one:
        await drawing.begun.wait()
        async with beside(ground.process(second, drawing)) as two:
            await ground.until_waiting_for_content()
            drawing.go_on.set()
            assert ((await one)["made"], (await two)["made"]) == (2, 0)
    assert drawing.drawn == 2
    assert await ground.variants(first) == await ground.variants(second) == KEYS


async def test_nothing_is_seen_before_the_end(ground: Ground) -> None:
    """Neither variants nor what is known of the bytes, until all of it is."""
    media_id = await ground.add_picture()
    async with held_drawing() as drawing, beside(ground.process(media_id, drawing)) as turn:
        await drawing.begun.wait()
        assert (await ground.row(media_id)).status == "PROCESSING"
        assert await ground.renditions() == await ground.variants(media_id) == []
        drawing.go_on.set()
        await turn
    assert await ground.variants(media_id) == KEYS


async def test_other_variants_asked_for_meanwhile_are_made_next(ground: Ground) -> None:
    """The picture stays PROCESSING with a job; what is still wanted is not drawn again."""
    media_id = await ground.add_picture()
    async with held_drawing() as drawing, beside(ground.process(media_id, drawing)) as turn:
        await drawing.begun.wait()
        await ground.execute("UPDATE media SET wanted = CAST(:wanted AS jsonb)", wanted=WIDE)
        drawing.go_on.set()
        assert (await turn)["outcome"] == "again"
    assert (await ground.row(media_id)).status == "PROCESSING"
    assert await ground.queued("media.process") == [{"media_id": str(media_id)}]
    assert await ground.queued("media.delete_objects") == [{"keys": KEYS[1:]}]
    assert await ground.process(media_id) == {"outcome": "READY", "made": 1, "reused": 1}
    assert await ground.variants(media_id) == [KEYS[0], variant_key(SHA256, Recipe(name="wide", width=10))]


async def test_picture_deleted_meanwhile_leaves_no_variants(ground: Ground) -> None:
    """Objects written for it in vain are removed by a job."""
    media_id = await ground.add_picture()
    async with held_drawing() as drawing, beside(ground.process(media_id, drawing)) as turn:
        await drawing.begun.wait()
        await ground.execute("DELETE FROM media")
        drawing.go_on.set()
        assert await turn == {"outcome": "gone"}
    assert await ground.renditions() == []
    assert await ground.queued("media.delete_objects") == [{"keys": KEYS}]


async def test_removal_spares_what_is_shared_by_then(ground: Ground) -> None:
    """Between a deletion and the removal of its objects another picture may make the same ones."""
    first = await ground.ready()
    keys = await delete_picture(ground, first)
    second = await ground.ready()
    removal = await ObjectRemoval(ground.sessions, ground.store).remove(keys)
    assert (removal.removed, removal.in_use) == ([], sorted(KEYS))
    assert set(await ground.variants(second)) <= set(await ground.objects())


async def test_removal_waits_for_whoever_makes_the_same_variants(ground: Ground) -> None:
    """Else it would remove an object that is written, and whose row is not committed yet."""
    keys = await delete_picture(ground, await ground.ready())
    second = await ground.add_picture()
    removal = ObjectRemoval(ground.sessions, ground.store)
    async with held_drawing() as drawing, beside(ground.process(second, drawing)) as turn:
        await drawing.begun.wait()
        async with beside(removal.remove(keys)) as removing:
            await ground.until_waiting_for_content()
            drawing.go_on.set()
            await turn
            assert (await removing).removed == []
    assert set(await ground.variants(second)) <= set(await ground.objects())


async def test_removal_takes_what_nothing_has_and_nothing_foreign(ground: Ground) -> None:
    """A key that we would never write is left alone, whoever asks."""
    media_id = await ground.ready()
    original = (await ground.row(media_id)).key
    await ground.store.write("notes.txt", b"theirs", content_type="text/plain")
    keys = await delete_picture(ground, media_id)
    removal = await ObjectRemoval(ground.sessions, ground.store).remove([*keys, original, "notes.txt"])
    assert sorted(removal.removed) == sorted([*KEYS, original])
    assert await ground.objects() == ["notes.txt"]


async def test_what_a_refusal_does_not_concern_is_made_next(ground: Ground) -> None:
    """Asked for while variants were drawn that turn out to take too much: only these are forgotten."""
    media_id = await ground.ready()
    too_much, asked = (
        msgspec.to_builtins([*RECIPES, *more]) for more in ([HUGE], [HUGE, Recipe(name="wide", width=10)])
    )
    want = "UPDATE media SET status = 'PROCESSING', wanted = CAST(:wanted AS jsonb)"
    await ground.execute(want, wanted=json.dumps(too_much))

    async def refuse(*_: object) -> Refused:
        await ground.execute(want, wanted=json.dumps(asked))
        return Refused("LIMIT_EXCEEDED", "It takes too much.")

    assert (await ground.process(media_id, refuse))["outcome"] == "again"
    assert await ground.queued("media.process") == [{"media_id": str(media_id)}]
    assert await ground.process(media_id) == {"outcome": "READY", "made": 1, "reused": 2}
    assert await ground.variants(media_id) == [*KEYS, variant_key(SHA256, Recipe(name="wide", width=10))]


async def test_unused_variants_wait_for_whoever_makes_more_of_the_same_bytes(ground: Ground) -> None:
    """Nobody waits with a connection in hand; afterwards those that no picture shows go."""
    first, second = await ground.ready(), await ground.add_picture(recipes=RECIPES[:1])
    repairs = Repairs(ground.sessions, ground.store, ground.jobs)
    await ground.execute("DELETE FROM media WHERE media_id = :id", id=first)
    async with ground.sessions.begin() as session:
        await lock_content(session, SHA256)
        assert await repairs.remove_unused(SHA256) is None
    await ground.process(second)
    assert await repairs.remove_unused(SHA256) == KEYS[1:]
    assert await ground.variants(second) == await ground.renditions() == KEYS[:1]
    assert await ground.queued("media.delete_objects") == [{"keys": KEYS[1:]}]


async def test_ten_pictures_of_the_same_bytes_deleted_and_made_at_once(ground: Ground) -> None:
    """Whatever comes first, pictures that are left have all their objects."""
    pictures = [await ground.add_picture() for _ in range(10)]

    async def make(media_id: object) -> None:
        await ground.process(media_id)  # type: ignore[arg-type]

    async def drop(media_id: object) -> None:
        keys = await delete_picture(ground, media_id)
        await ObjectRemoval(ground.sessions, ground.store).remove(keys)

    await asyncio.gather(*map(make, pictures[:5]))
    await asyncio.gather(*map(make, pictures[5:]), *map(drop, pictures[:5]))
    for media_id in pictures[5:]:
        assert await ground.variants(media_id) == KEYS
    assert set(await ground.objects("_variants/")) == set(KEYS) == set(await ground.renditions())


async def test_store_that_is_away_changes_nothing_and_is_made_up_for(
    sessions: Sessions, services_folder: Path, request: pytest.FixtureRequest
) -> None:
    """The run fails as one to be tried again; once the store is back the next one makes it READY."""
    state = services_folder / request.node.name
    state.mkdir()
    async with s3.running_object_store(state) as (server, _):
        ground = Ground(sessions, _store_of(server), Jobs(lambda queue: None))
        media_id = await ground.add_picture()
    with pytest.raises(StoreUnavailable):
        await ground.process(media_id)
    assert (await ground.row(media_id)).status == "PROCESSING"
    async with s3.running_object_store(state, port=server.port):
        assert (await ground.process(media_id))["outcome"] == "READY"
        await ground.store.close()


async def test_store_that_goes_away_while_drawing_leaves_no_half_set(
    sessions: Sessions, services_folder: Path, request: pytest.FixtureRequest
) -> None:
    """Uploading fails then, and with it all of the run."""
    state = services_folder / request.node.name
    state.mkdir()
    async with s3.running_object_store(state) as (server, child):
        ground = Ground(sessions, _store_of(server), Jobs(lambda queue: None))
        media_id = await ground.add_picture()
        async with held_drawing() as drawing, beside(ground.process(media_id, drawing)) as turn:
            await drawing.begun.wait()
            await child.stop()
            drawing.go_on.set()
            with pytest.raises(StoreUnavailable):
                await turn
    assert await ground.renditions() == await ground.variants(media_id) == []
    await ground.store.close()


def _store_of(server: s3.ObjectStore) -> ObjectStore:
    return ObjectStore(
        MediaSettings(
            s3_endpoint=server.endpoint,
            s3_bucket=server.bucket,
            s3_access_key=server.access_key,
            s3_secret_key=SecretStr(server.secret_key),
        )
    )
