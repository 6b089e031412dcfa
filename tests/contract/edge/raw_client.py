"""A client that sends bytes as they are and reads answers one by one, as far as HTTP lets it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import msgspec

HOST = "Host: a.example"
LINKS = "/api/v1/affiliate/links"


def request(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request's head, with nothing added to what is asked for."""
    return "\r\n".join([f"{method} {target} HTTP/{version}", *headers, "", ""]).encode("latin-1")


def post(body: bytes, *headers: str, target: str = LINKS) -> bytes:
    """A POST with its length, and as JSON."""
    framing = (HOST, f"Content-Length: {len(body)}", "Content-Type: application/json")
    return request(target, *framing, *headers, method="POST") + body


def post_chunked(*chunks: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """A POST in these chunks; the last one is added."""
    framing = (HOST, "Transfer-Encoding: chunked", "Content-Type: application/json")
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request(LINKS, *framing, *headers, method="POST") + pieces + b"0\r\n\r\n"


@dataclass(frozen=True)
class RawAnswer:
    """One answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def is_problem(self) -> bool:
        return (
            self.headers.get("content-type") == "application/problem+json"
            and self.document["status"] == self.status
            and self.document["instance"] == self.headers["x-request-id"]
            and bool(self.document["code"])
        )

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


class RawClient:
    """One connection. Nothing here waits longer than a few seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: str) -> Self:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, within: float = 5.0, to_head: bool = False) -> RawAnswer:
        """The next answer. Raises IncompleteReadError when there is none."""
        async with asyncio.timeout(within):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *lines = head.rstrip("\r\n").split("\r\n")
            status = int(line.split(" ")[1])
            pairs = [text.partition(": ") for text in lines]
            headers: dict[str, str] = {}
            for name, _, value in pairs:
                known = headers.get(name.lower())
                headers[name.lower()] = value if known is None else f"{known}, {value}"
            empty = to_head or status in {204, 304} or status < 200
            body = b"" if empty else await self._body(headers)
        return RawAnswer(status, headers, body)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(headers["content-length"]))
        pieces = []
        while size := int(await self.reader.readline(), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return b"".join(pieces)

    async def ask(self, data: bytes, **options: Any) -> RawAnswer:
        self.send(data)
        return await self.answer(**options)

    async def rest(self, *, within: float = 5.0) -> bytes:
        """Everything until the edge ends the connection, in whatever way."""
        async with asyncio.timeout(within):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def raw_client(address: str) -> AsyncIterator[RawClient]:
    """One connection for the time of the context."""
    client = await RawClient.connect(address)
    try:
        yield client
    finally:
        client.close()


async def ask_once(address: str, data: bytes, **options: Any) -> RawAnswer:
    """One request on a connection of its own."""
    async with raw_client(address) as client:
        return await client.ask(data, **options)


async def refused(address: str, data: bytes) -> RawAnswer:
    """The one answer to something refused, after which the edge closes the connection."""
    async with raw_client(address) as client:
        answer = await client.ask(data)
        assert answer.closes
        assert await client.rest() == b""
        return answer
