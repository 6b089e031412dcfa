"""What the affiliate program leaves to be done later. Which function does it is for `workers` to say."""

from __future__ import annotations

import uuid

import msgspec
from tenacity.wait import wait_random_exponential

from server.jobs.tasks import RetryPolicy, Task


class LinkToPublish(msgspec.Struct, frozen=True):
    """A link that was made or changed. What it is now is read when the job runs."""

    link_id: uuid.UUID


class ClickPartitionUpkeep(msgspec.Struct, frozen=True):
    """Nothing to say: the days follow from the clock and the settings."""


# Redis may be away for minutes. Edges ask the server themselves once their snapshot is older than that.
_UNTIL_REDIS_IS_BACK = RetryPolicy(attempts=20, wait=wait_random_exponential(multiplier=1, max=60))

PUBLISH_LINK = Task(
    "affiliate.publish_link", LinkToPublish, queue="critical", retry=_UNTIL_REDIS_IS_BACK, time_limit=10
)
KEEP_CLICK_PARTITIONS = Task("affiliate.keep_click_partitions", ClickPartitionUpkeep, time_limit=300)

TASKS = (PUBLISH_LINK, KEEP_CLICK_PARTITIONS)
