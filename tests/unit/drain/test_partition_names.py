from __future__ import annotations

import datetime

import pytest

from workers.drain.partitions import partition_name


@pytest.mark.parametrize("date", [datetime.date(1970, 1, 1), datetime.date(2028, 2, 29)])
def test_partition_name(date: datetime.date) -> None:
    """A partition is named after the UTC day whose clicks it holds."""
    day = (date - datetime.date(1970, 1, 1)).days
    assert partition_name(day) == f"clicks_{date.isoformat().replace('-', '_')}"
