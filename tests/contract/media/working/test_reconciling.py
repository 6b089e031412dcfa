"""Where store and rows disagree: what is repaired, what is only told, and when nothing is touched at all."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from server.media.keys import original_key, variant_key
from server.media.recipes import Recipe
from server.media.reconciling import ImplausibleLoss, Reconciliation, Report
from server.media.settings import MediaSettings
from server.media.store import ObjectFacts, ObjectStore, StoreUnavailable
from tests.contract.media.working.ground import KEYS, SHA256, Ground, png

AT_ONCE = timedelta(days=-1)


async def silent(count: int, what: str) -> None:
    """Shows no progress."""


async def reconcile(ground: Ground, **options: Any) -> Report:
    """With objects being old enough at once, unless told otherwise."""
    return await reconciliation(ground, **options).run(silent)


def reconciliation(
    ground: Ground, *, orphan_age: timedelta = AT_ONCE, store: ObjectStore | None = None
) -> Reconciliation:
    return Reconciliation(ground.sessions, store or ground.store, ground.jobs, orphan_age=orphan_age)


async def write(ground: Ground, *keys: str) -> None:
    for key in keys:
        await ground.store.write(key, b"x", content_type="image/png")


def an_original(entity_id: str = "sku-9") -> str:
    return original_key("product", entity_id, uuid.uuid4(), "image/png")


async def test_nothing_is_to_do_where_both_agree(ground: Ground) -> None:
    """Whatever the letters of their keys: both sides are walked in the same order."""
    for entity in ("a", "a-b", "a_b", "a0", "A", "aa"):
        media_id = uuid.uuid4()
        key = original_key("product", entity, media_id, "image/png")
        await ground.add_picture(status="READY", media_id=media_id, key=key)
    await ground.ready()
    report = await reconcile(ground)
    assert (report.objects, report.rows, report.repairs) == (9, 9, {"unused": 0})


async def test_objects_without_a_row_go_and_foreign_ones_stay(ground: Ground) -> None:
    """Foreign are those whose keys we would never write."""
    media_id = await ground.ready()
    orphans = sorted([an_original(), variant_key(b"\7" * 32, Recipe(name="thumb", width=1))])
    foreign = ["backup/2026.tar", "product/readme.md", "zebra.png"]
    await write(ground, *orphans, *foreign)
    report = await reconcile(ground)
    assert (report.orphans.keys, report.orphans.count) == (orphans, 2)
    assert (report.foreign.keys, report.repairs["removed"]) == (foreign, 2)
    assert await ground.objects() == sorted([*KEYS, *foreign, (await ground.row(media_id)).key])


async def test_young_objects_wait_for_their_row(ground: Ground) -> None:
    """Their picture may be on its way."""
    await write(ground, orphan := an_original())
    report = await reconcile(ground, orphan_age=timedelta(hours=24))
    assert (report.objects, report.orphans.count) == (1, 0)
    assert await ground.objects() == [orphan]


async def test_pending_and_rejected_pictures_need_no_object(ground: Ground) -> None:
    """Uploads may be on their way; what was refused is not needed."""
    await ground.add_picture(None, status="PENDING")
    await ground.add_picture(None, status="REJECTED", reason="BROKEN", reason_detail="It is broken.")
    assert (await reconcile(ground)).rows == 0
    assert await ground.column("SELECT status FROM media ORDER BY 1") == ["PENDING", "REJECTED"]


async def test_lost_variant_is_made_anew(ground: Ground) -> None:
    """Every picture that shows it is PROCESSING again; what was not lost stays listed."""
    pictures = [await ground.ready() for _ in range(2)]
    await ground.store.delete([KEYS[0]])
    report = await reconcile(ground)
    assert (report.lost_renditions.keys, report.repairs["again"]) == ([KEYS[0]], 1)
    queued = await ground.queued("media.process")
    assert sorted(each["media_id"] for each in queued) == sorted(map(str, pictures))
    for media_id in pictures:
        assert await ground.variants(media_id) == KEYS[1:]
        assert (await ground.process(media_id))["outcome"] == "READY"
        assert await ground.variants(media_id) == KEYS
    assert (await reconcile(ground)).lost_renditions.count == 0


async def test_lost_original_is_told_while_variants_are_left(ground: Ground) -> None:
    """A shop still shows them."""
    media_id = await ground.ready()
    await ground.store.delete([key := (await ground.row(media_id)).key])
    report = await reconcile(ground)
    assert (report.lost_originals.keys, report.repairs) == ([key], {"kept": 1, "unused": 0})
    assert (await ground.row(media_id)).status == "READY"
    assert await ground.variants(media_id) == KEYS


async def test_picture_that_lost_everything_is_rejected(ground: Ground) -> None:
    """And nothing but it."""
    lost, other = await ground.ready(), await ground.ready(png("olive"))
    await ground.store.delete([*KEYS, (await ground.row(lost)).key])
    await reconcile(ground)
    row = await ground.row(lost)
    assert (row.status, row.reason) == ("REJECTED", "OBJECT_LOST")
    assert (await ground.row(other)).status == "READY"
    assert set(KEYS).isdisjoint(await ground.renditions())


async def test_dry_run_tells_and_touches_nothing(ground: Ground) -> None:
    """For people who want to look first."""
    media_id = await ground.ready()
    await ground.store.delete([KEYS[0]])
    await write(ground, orphan := an_original())
    report = await reconciliation(ground).run(silent, dry=True)
    assert (report.orphans.keys, report.lost_renditions.keys, report.repairs) == ([orphan], [KEYS[0]], {})
    assert orphan in await ground.objects()
    assert await ground.variants(media_id) == KEYS


async def test_renditions_that_no_picture_shows_are_removed(ground: Ground) -> None:
    """With their content, once they are older than an hour; a job removes the objects."""
    kept = await ground.ready(png("olive"))
    await ground.ready()
    await ground.execute("DELETE FROM media WHERE sha256 = :sha256", sha256=SHA256)
    assert (await reconcile(ground)).repairs["unused"] == 0
    await ground.execute("UPDATE media_renditions SET created_at = created_at - interval '2 hours'")
    assert (await reconcile(ground)).repairs["unused"] == 2
    assert await ground.queued("media.delete_objects") == [{"keys": sorted(KEYS)}]
    assert await ground.renditions() == sorted(await ground.variants(kept))
    assert len(await ground.column("SELECT sha256 FROM media_contents")) == 1


async def test_empty_bucket_is_taken_for_the_wrong_one(ground: Ground) -> None:
    """Where everything seems lost nothing is repaired."""
    for _ in range(21):
        await ground.add_picture(None, status="READY")
    with pytest.raises(ImplausibleLoss, match=r"21 of 21 rows have no object: is the bucket the one"):
        await reconcile(ground)
    assert await ground.column("SELECT DISTINCT status FROM media") == ["READY"]


async def test_bucket_without_anything_of_ours_rejects_no_picture(ground: Ground) -> None:
    """However few there are: a rejection is final, and a bucket's name is easily mistaken."""
    await ground.store.delete([*KEYS, (await ground.row(media_id := await ground.ready())).key])
    await write(ground, "somebody/elses.txt")
    with pytest.raises(ImplausibleLoss, match=r"3 of 3 rows have no object"):
        await reconcile(ground)
    assert (await ground.row(media_id)).status == "READY"
    assert await ground.variants(media_id) == KEYS


async def test_empty_database_is_taken_for_the_wrong_one(ground: Ground) -> None:
    """It may be restored from an old backup: objects are not to go for that."""
    await write(ground, *[an_original(f"sku-{number}") for number in range(21)])
    with pytest.raises(ImplausibleLoss, match=r"21 of 21 objects have no row: is the database the one"):
        await reconcile(ground)
    assert len(await ground.objects()) == 21


class ChangingStore(ObjectStore):
    """The real store, whose listing leaves out some keys and shows others that nobody has written, as one
    does that was read before something changed; or breaks off."""

    def __init__(self, settings: MediaSettings, *, hidden: Sequence[str] = (), breaks: bool = False) -> None:
        super().__init__(settings)
        self.hidden = hidden
        self.breaks = breaks

    async def pages(self, *, prefix: str = "") -> AsyncIterator[Sequence[ObjectFacts]]:
        async for page in super().pages(prefix=prefix):
            yield [each for each in page if each.key not in self.hidden]
        if self.breaks:
            raise StoreUnavailable("list: the connection was closed")


async def test_objects_that_the_listing_missed_are_not_lost(
    ground: Ground, media_settings: MediaSettings
) -> None:
    """Each suspect is looked up again: it may have been written behind the listing's back."""
    media_id, _ = await ground.ready(), await ground.ready(png("olive"))
    original = (await ground.row(media_id)).key
    store = ChangingStore(media_settings, hidden=[*KEYS, original])
    report = await reconcile(ground, store=store)
    await store.close()
    assert (report.lost_renditions.count, report.lost_originals.count) == (2, 1)
    assert report.repairs == {"there": 3, "unused": 0}
    assert (await ground.row(media_id)).status == "READY"


async def test_row_written_behind_the_walk_keeps_its_object(ground: Ground) -> None:
    """An orphan is looked up again, and so is its content's lock waited for."""
    await write(ground, orphan := an_original())
    found = reconciliation(ground)

    async def appear(count: int, what: str) -> None:
        if what == "lost originals looked into" and count == 1:
            await ground.add_picture(None, status="PENDING", key=orphan)

    lost = await ground.ready()
    await ground.store.delete([(await ground.row(lost)).key])
    report = await found.run(appear)
    assert (report.orphans.keys, report.repairs.get("removed")) == ([orphan], 0)
    assert orphan in await ground.objects()


async def test_listing_that_breaks_off_changes_nothing(ground: Ground, media_settings: MediaSettings) -> None:
    """Half a listing says nothing of the other half."""
    media_id = await ground.ready()
    await write(ground, orphan := an_original("a"))
    store = ChangingStore(media_settings, hidden=KEYS, breaks=True)
    with pytest.raises(StoreUnavailable):
        await reconcile(ground, store=store)
    await store.close()
    assert orphan in await ground.objects()
    assert await ground.variants(media_id) == KEYS


async def test_bucket_of_many_pages_is_walked_once_and_wholly(ground: Ground) -> None:
    """Pages of the listing and of the rows do not end at the same keys."""
    await ground.execute(
        """INSERT INTO media (media_id, entity_type, entity_id, key, filename, content_type, declared_bytes,
            status)
        SELECT id, 'product', 's', 'product/s' || n || '/' || id || '.png', 'f', 'image/png', 1, 'PENDING'
        FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 2500) AS n) AS made"""
    )
    await write(ground, *await ground.column("SELECT key FROM media WHERE key LIKE '%s1__/%'"))
    await ground.execute("UPDATE media SET status = 'READY' WHERE key LIKE '%s1__/%'")
    report = await reconcile(ground)
    assert (report.objects, report.rows, report.orphans.count, report.lost_originals.count) == (
        100,
        100,
        0,
        0,
    )
