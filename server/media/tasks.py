"""What the media domain leaves to be done later. Which function does it is for `workers` to say."""

from __future__ import annotations

import uuid

import msgspec
from tenacity.wait import wait_random_exponential

from server.jobs.tasks import RetryPolicy, Task


class MediaToProcess(msgspec.Struct, frozen=True):
    """A picture whose variants are wanted. Which ones is read when the job runs."""

    media_id: uuid.UUID


class ObjectsToDelete(msgspec.Struct, frozen=True):
    """Keys in the bucket that no row had when this was written. Each is looked up again before it goes."""

    keys: tuple[str, ...]


class ContentLeft(msgspec.Struct, frozen=True):
    """Some content of which a picture was deleted while its variants were being made for another one."""

    sha256: bytes


class MediaUpkeep(msgspec.Struct, frozen=True):
    """Nothing to say: what is to be done follows from the rows, the store and the clock."""


# A store may be away for minutes, and people wait for their pictures as soon as it is back.
_UNTIL_THE_STORE_IS_BACK = RetryPolicy(attempts=60, wait=wait_random_exponential(multiplier=0.5, max=20))

PROCESS_MEDIA = Task(
    "media.process", MediaToProcess, queue="images", retry=_UNTIL_THE_STORE_IS_BACK, time_limit=180
)
DELETE_OBJECTS = Task("media.delete_objects", ObjectsToDelete, time_limit=120)
DELETE_UNUSED = Task("media.delete_unused", ContentLeft)
SWEEP_UPLOADS = Task("media.sweep_uploads", MediaUpkeep, time_limit=600)
RECONCILE = Task("media.reconcile", MediaUpkeep, queue="bulk", time_limit=3600)

TASKS = (PROCESS_MEDIA, DELETE_OBJECTS, DELETE_UNUSED, SWEEP_UPLOADS, RECONCILE)
