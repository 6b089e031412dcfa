from __future__ import annotations

import itertools

import asyncpg
import pytest

from workers.retries import pauses, refuses_values


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (asyncpg.CharacterNotInRepertoireError("x"), True),
        (asyncpg.NotNullViolationError("x"), True),
        (asyncpg.CheckViolationError("x"), True),
        (asyncpg.DeadlockDetectedError("x"), False),
        (asyncpg.SerializationError("x"), False),
        (asyncpg.CannotConnectNowError("x"), False),
        (asyncpg.AdminShutdownError("x"), False),
        (asyncpg.ConnectionDoesNotExistError("x"), False),
        (asyncpg.DiskFullError("x"), False),
        (asyncpg.UndefinedTableError("x"), False),
        (asyncpg.InterfaceError("x"), False),
        (ConnectionResetError(), False),
        (TimeoutError(), False),
    ],
)
def test_only_the_rows_own_faults_refuse_them(error: Exception, refused: bool) -> None:
    """Nothing that may pass by itself sends a record to the dead letters."""
    assert refuses_values(error) is refused


def test_pauses_grow_to_a_second() -> None:
    """The first try again comes at once, later ones at most a second apart, never in step."""
    waits = list(itertools.islice(pauses(), 50))
    assert waits[0] <= 0.05
    assert all(0 < wait <= 1 for wait in waits)
    assert len(set(waits[10:])) > 30
