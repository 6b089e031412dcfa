"""What a worker, its fork server and a confined process say to each other. Sends nothing itself."""

from __future__ import annotations

import struct
from typing import Final

import msgspec


class Order(msgspec.Struct, frozen=True):
    """What a process is to call, and what that may take. The question's bytes follow it."""

    module: str
    function: str
    question_bytes: int
    memory_bytes: int
    cpu_seconds: int


# In front of an order: its length.
ORDER_LENGTH: Final = struct.Struct("<I")
# In front of an answer: of which kind it is, and its length.
ANSWER_HEADER: Final = struct.Struct("<cQ")
ANSWERED: Final = b"a"
OUT_OF_MEMORY: Final = b"m"
RAISED: Final = b"r"
# What the server tells of a process that ended: exit code, below zero for a signal, and seconds of computing.
ENDING: Final = struct.Struct("<id")

# For a process that has not even the memory to say so.
OUT_OF_MEMORY_CODE: Final = 97

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
MAX_RAISED_BYTES: Final = 64 * 1024
