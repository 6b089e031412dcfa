"""Clients of Millrace, the growth backend of a shop.

    async with millrace.connect("127.0.0.1:50051", token=token) as client:
        link = await client.affiliate.GetLink(GetLinkRequest(link_id=link_id))

The names below are loaded when first used, so that importing one part does not pay for the others.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.client import Client, connect
    from millrace.errors import FieldViolation, MillraceError

__all__ = ["Client", "FieldViolation", "MillraceError", "connect"]


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415 - only when a name is first asked for

    homes = {"Client": "client", "connect": "client", "FieldViolation": "errors", "MillraceError": "errors"}
    if name not in homes:
        raise AttributeError(f"module 'millrace' has no attribute {name!r}")
    return getattr(import_module(f"millrace.{homes[name]}"), name)
