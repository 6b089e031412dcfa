"""How much, how slowly and how long: what one connection may ask of us before it is cut or refused."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """The slowest that bytes may move: any way they like for a grace, from then on at a minimum rate."""

    grace_seconds: float = 5.0
    bytes_per_second: float = 1024.0

    def patience(self, moved: int) -> float:
        """Seconds from the beginning by which more than this number of bytes must have moved."""
        return self.grace_seconds + moved / self.bytes_per_second


@dataclass(frozen=True)
class Limits:
    """The limits of a connection. Sizes are in bytes."""

    # From the connection, or from the first byte of a later request, to the end of its head.
    head_seconds: float = 10.0
    # From an answer to the first byte of the next request.
    idle_seconds: float = 65.0
    # After an answer: for a body that nobody wanted, and for the client to read what it was sent.
    linger_seconds: float = 5.0
    # Of a client that has shut its side and waits: so long may nothing be said before it counts as gone.
    half_closed_seconds: float = 1.0
    body: Pace = Pace()
    # Of a client that reads slowly what it asked for: so much must it have taken in each grace.
    answer: Pace = Pace(grace_seconds=10.0)
    # The request's target; and one header, name and value.
    line_size: int = 8190
    head_size: int = 32_768
    headers: int = 100


USUAL_LIMITS = Limits()
