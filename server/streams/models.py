"""Stream records that can never become rows, whole, with the reason. The drain buries them here."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Table, Text, func

from server.db.metadata import Base
from server.streams.dead_letter_columns import STREAM_DEAD_LETTERS

stream_dead_letters = Table(
    STREAM_DEAD_LETTERS,
    Base.metadata,
    Column("stream", Text, primary_key=True),
    Column("entry_id", Text, primary_key=True),
    # Which of the entry's events it is; a click's entry has but one.
    Column("position", SmallInteger, primary_key=True, server_default="0", autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("died_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
