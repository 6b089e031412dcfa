"""CSV: as RFC 4180 says, and harmless in a spreadsheet."""

import csv
import io
from datetime import UTC, datetime

import pytest

from server.analytics.csv_tables import csv_bytes


def test_rows_end_with_both_characters_and_quotes_are_doubled() -> None:
    """Commas, quotes and line breaks stay within their cell."""
    table = csv_bytes(("name", "count"), [('a "b", c\nd', 3)])
    assert table == b'name,count\r\n"a ""b"", c\nd",3\r\n'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_begins_like_a_formula(sign: str) -> None:
    """A stranger chooses the traffic source that an operator opens in a spreadsheet."""
    [_, [cell]] = csv.reader(io.StringIO(csv_bytes(("x",), [(sign + "1+1",)]).decode(), newline=""))
    assert cell == "'" + sign + "1+1"


def test_numbers_and_instants_stay_what_they_are() -> None:
    """A negative amount is no formula; instants are RFC 3339."""
    table = csv_bytes(("a", "b", "c"), [(-5, 0.5, datetime(2026, 11, 1, tzinfo=UTC))])
    assert table.splitlines()[1] == b"-5,0.5,2026-11-01T00:00:00Z"


def test_text_is_utf_8() -> None:
    """Whatever the alphabet."""
    assert "søppel,東京" in csv_bytes(("x", "y"), [("søppel", "東京")]).decode()
