"""What the redirect needs to know of a request: its head, and who sent it. Bodies do not matter to a link."""

import msgspec
from aiohttp import HttpVersion
from multidict import CIMultiDictProxy

from edge.client_address import Peer


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request's head as it was parsed. `target` is the path with its query, still percent-encoded."""

    method: str
    target: str
    version: HttpVersion
    headers: CIMultiDictProxy[str]
    keep_alive: bool
    peer: Peer
