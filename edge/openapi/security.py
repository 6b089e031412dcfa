"""Who may call: the access option of Millrace's contract as OpenAPI security."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from edge.openapi.contract import Contract

_ACCESS = "millrace.auth.v1.access"
_SCHEME = "bearer"


def security_schemes(contract: Contract) -> dict[str, Any]:
    """What credentials there are; empty for a contract that does not say who may call."""
    if not contract.declares(_ACCESS):
        return {}
    return {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token whose `role` is one that the operation names.",
        }
    }


def is_public(contract: Contract, method: MethodDescriptor) -> bool:
    """Whether the contract says that the method needs no credential."""
    access = contract.option(method, _ACCESS)
    return bool(access is not None and access.public)


def security_of(contract: Contract, method: MethodDescriptor) -> dict[str, Any]:
    """The operation's security members; none for a contract that does not say who may call."""
    if not contract.declares(_ACCESS):
        return {}
    if is_public(contract, method):
        return {"security": []}
    return {"security": [{_SCHEME: []}], "x-roles": roles_of(contract, method)}


def roles_of(contract: Contract, method: MethodDescriptor) -> list[str]:
    """Names of the roles that may call; empty means nobody, or that the contract does not say."""
    access = contract.option(method, _ACCESS)
    if access is None:
        return []
    names = access.DESCRIPTOR.fields_by_name["roles"].enum_type.values_by_number
    return [names[number].name for number in access.roles]
