from __future__ import annotations

import datetime

import pytest

from server.db.day_partitions import partition_day, partition_name


@pytest.mark.parametrize("date", [datetime.date(1970, 1, 1), datetime.date(2028, 2, 29)])
def test_partition_name(date: datetime.date) -> None:
    """A partition is named after the UTC day whose clicks it holds."""
    day = (date - datetime.date(1970, 1, 1)).days
    assert partition_name("clicks", day) == f"clicks_{date.isoformat().replace('-', '_')}"
    assert partition_day("clicks", partition_name("clicks", day)) == day


@pytest.mark.parametrize(
    "name", ["clicks", "clicks_2026_13_01", "clicks_2026_02_30", "clicks_2026_01_01_kept", "kept_2026_01_01"]
)
def test_tables_of_other_names_hold_no_day(name: str) -> None:
    """Retention never takes a table for a day that only looks like one."""
    assert partition_day("clicks", name) is None
