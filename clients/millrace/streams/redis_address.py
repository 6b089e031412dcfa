"""Where a Redis is and how to greet it, read from a URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Host and port, or a socket path, with what the handshake needs."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None
    tls: bool = False
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> RedisAddress:
        """Reads ``redis://``, ``rediss://`` (TLS) and ``unix://`` URLs like redis-py; raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(f"a Redis URL starts with redis://, rediss:// or unix://, not {parts.scheme}://")
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        asked = parse_qs(parts.query).get("db", ["0"])[-1]
        if parts.scheme == "unix":
            return cls(path=unquote(parts.path), database=int(asked), username=username, password=password)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 6379,
            tls=parts.scheme == "rediss",
            database=int(parts.path.strip("/") or asked),
            username=username,
            password=password,
        )

    def greeting(self) -> list[tuple[str, ...]]:
        """The commands a new connection starts with."""
        commands: list[tuple[str, ...]] = []
        if self.password is not None:
            commands.append(("AUTH", *([self.username] if self.username else []), self.password))
        if self.database:
            commands.append(("SELECT", str(self.database)))
        return commands
