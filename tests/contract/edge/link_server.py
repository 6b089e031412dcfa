"""A real gRPC server that answers ResolveLink, and everything else of AffiliateService with UNIMPLEMENTED."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Any, Self

import grpc

from millrace.affiliate.v1 import affiliate_service_pb2, link_pb2
from millrace.affiliate.v1.affiliate_service_pb2_grpc import (
    AffiliateServiceServicer,
    add_AffiliateServiceServicer_to_server,
)
from millrace.streams.ids import id_text, new_id_bytes


class LinkServer(AffiliateServiceServicer):
    """Knows the links it was given; counts who asked for what, and may be made slow or broken."""

    def __init__(self) -> None:
        self.links: dict[str, link_pb2.ResolvedLink] = {}
        self.asked: Counter[str] = Counter()
        self.credentials: set[str] = set()
        self.clients: set[str] = set()
        self.heard: set[str] = set()
        self.delay_seconds = 0.0
        # Set once the client of a call to CreateLink has gone.
        self.cancelled = asyncio.Event()
        self.failure: grpc.StatusCode | None = None
        self.port = 0
        self._server: grpc.aio.Server | None = None

    def add(self, code: str, destination: str = "https://shop.example/p/shoe", **fields: object) -> bytes:
        """Adds or changes an active link; returns its id."""
        known = self.links.get(code)
        link = link_pb2.ResolvedLink(
            short_code=code,
            link_id=known.link_id if known else id_text(new_id_bytes()),
            partner_id=id_text(new_id_bytes()),
            destination_url=destination,
            status=link_pb2.Link.ACTIVE,
            version=known.version + 1 if known else 1,
            attribution_window_seconds=2_592_000,
        )
        for name, value in fields.items():
            if name == "expires_at_ms":
                assert isinstance(value, int)
                link.expires_at.FromMilliseconds(value)
            else:
                setattr(link, name, value)
        self.links[code] = link
        return bytes.fromhex(link.link_id.replace("-", ""))

    async def ResolveLink(  # type: ignore[override] # noqa: N802 - the generated base is the synchronous one
        self,
        request: affiliate_service_pb2.ResolveLinkRequest,
        context: grpc.aio.ServicerContext[affiliate_service_pb2.ResolveLinkRequest, link_pb2.ResolvedLink],
    ) -> link_pb2.ResolvedLink:
        """Answers like the real one: NOT_FOUND for an unknown code."""
        self.asked[request.short_code] += 1
        self.credentials.update(
            str(value) for key, value in context.invocation_metadata() or () if key == "authorization"
        )
        await asyncio.sleep(self.delay_seconds)
        if self.failure is not None:
            await context.abort(self.failure, "as the test wishes")
        link = self.links.get(request.short_code)
        if link is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such link.")
        return link

    async def CreateLink(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        """Makes nothing, and says whose wish it was by the destination."""
        self.asked["CreateLink"] += 1
        try:
            await asyncio.sleep(self.delay_seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return link_pb2.Link(short_code="made22", destination_url=request.destination_url)

    async def ListLinks(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        """As many links as the page may hold."""
        links = [link_pb2.Link(short_code=f"made{number}") for number in range(request.page_size)]
        return affiliate_service_pb2.ListLinksResponse(links=links)

    async def GetProgram(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        """Notes whose call it is, and refuses it."""
        self.clients.update(
            str(value) for key, value in context.invocation_metadata() if key == "x-forwarded-for"
        )
        self.heard.update(str(value) for _, value in context.invocation_metadata())
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "This server only resolves links.")

    async def start(self) -> None:
        """Listens, on the same port as before if there was one."""
        self._server = grpc.aio.server()
        add_AffiliateServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Closes the port; calls under way are cancelled."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
