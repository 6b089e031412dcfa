"""What the upstream of these tests answers for the contract in `shelf.proto`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.contract.gateway_tool.upstream_server import Answer, Stream, UpstreamServer

SERVICE = "shelf.v1.Shelves"


@dataclass
class Seen:
    """What tests want to know of calls that never come back."""

    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class ShelfServer(UpstreamServer):
    """A server with one book, and a method for every way in which a call may end."""

    def __init__(self, image: Path, *, port: int = 0) -> None:
        self.seen = Seen()
        answers: dict[str, Answer | Stream] = {
            "GetBook": self._get_book,
            "CreateBook": self._create_book,
            "UpdateBook": self._echo,
            "ListBooks": self._echo,
            "ReadBook": self._read_book,
            "UploadCover": self._upload_cover,
            "Fail": self._fail,
            "Wait": self._wait,
            "Metadata": self._metadata,
        }
        super().__init__(image, {f"{SERVICE}/{name}": answer for name, answer in answers.items()}, port=port)

    async def _get_book(self, request: Any, context: Any) -> Any:
        book = self.message("shelf.v1.Book", name=request.name, title="Mill", isbn=9_007_199_254_740_993)
        book.binding = 2
        book.printed_at.FromJsonString("1860-04-04T00:00:00Z")
        book.reading_time.FromJsonString("3600.5s")
        book.subtitle.value = "on the Floss"
        book.notes.update({"shelf": [1, None, {"high": True}]})
        book.enclosed.Pack(self.message("shelf.v1.Bookmark", page=7), type_url_prefix="type.example.com")
        book.pages_by_chapter["1"] = 12
        book.checksum = b"\xff\xfe"
        return book

    async def _create_book(self, request: Any, context: Any) -> Any:
        request.book.name = f"{request.parent}/books/{request.book_id or 'new'}"
        return request.book

    async def _echo(self, request: Any, context: Any) -> Any:
        return request

    async def _read_book(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(1, request.pages + 1):
            yield self.message("shelf.v1.Page", number=number)
        if request.breaks:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.7 went away")
        if request.hangs:
            await self._hang()

    async def _upload_cover(self, request: Any, context: Any) -> Any:
        return request.cover

    async def _fail(self, request: Any, context: Any) -> Any:
        status = status_pb2.Status(code=request.code, message=request.detail)
        for detail in _details(request.field):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        code = next(code for code in grpc.StatusCode if code.value[0] == request.code)
        await context.abort(code, request.detail)

    async def _wait(self, request: Any, context: Any) -> Any:
        await self._hang()

    async def _metadata(self, request: Any, context: Any) -> Any:
        answer = self.message("google.protobuf.Struct")
        for key, value in context.invocation_metadata():
            answer.get_or_create_list(key).append(value)
        return answer

    async def _hang(self) -> None:
        self.seen.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.seen.cancelled.set()
            raise


def _details(field_path: str) -> list[Any]:
    info = error_details_pb2.ErrorInfo(domain="shelf.example", reason="SHELF_FULL")
    if not field_path:
        return [info]
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field=field_path, description="must be shorter")
    return [info, bad]
