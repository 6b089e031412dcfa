"""Name and columns of the dead letters' table, for those who write it without SQLAlchemy."""

from __future__ import annotations

from typing import Final

STREAM_DEAD_LETTERS: Final = "stream_dead_letters"
DEAD_LETTER_COLUMNS: Final = ("stream", "entry_id", "position", "reason", "detail", "record", "died_at")
