"""Who may call which method, read from the `access` option of the contract. Default is nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from millrace.auth.v1 import access_pb2
from server.auth.principal import Principal, Role
from server.auth.tokens import TokenVerifier
from server.errors import PermissionDenied, Unauthenticated

_ROLES = {
    access_pb2.Access.ADMIN: Role.ADMIN,
    access_pb2.Access.PARTNER: Role.PARTNER,
    access_pb2.Access.SERVICE: Role.SERVICE,
}


@dataclass(frozen=True, slots=True)
class MethodAccess:
    """The callers that one method serves."""

    roles: frozenset[Role] = frozenset()
    public: bool = False


class AccessMissing(Exception):  # noqa: N818 - it names what is missing
    """A method has no access option: the process must not start."""


def read_access(services: Iterable[ServiceDescriptor]) -> Mapping[str, MethodAccess]:
    """The access of every method by its path (`/package.Service/Method`). Raises AccessMissing."""
    table: dict[str, MethodAccess] = {}
    for service in services:
        for method in service.methods:
            access = _access_of(method)
            if access is None:
                raise AccessMissing(
                    f"{method.full_name} has no access option; say in the proto who may call it"
                )
            table[f"/{service.full_name}/{method.name}"] = access
    return table


def _access_of(method: MethodDescriptor) -> MethodAccess | None:
    options = method.GetOptions()
    if not options.HasExtension(access_pb2.access):
        return None
    access = options.Extensions[access_pb2.access]
    return MethodAccess(roles=frozenset(_ROLES[role] for role in access.roles), public=access.public)


class Guard:
    """Decides whether a call may go on, from its path and its `authorization` metadata."""

    def __init__(self, access: Mapping[str, MethodAccess], verifier: TokenVerifier) -> None:
        self._access = access
        self._verifier = verifier

    def admit(self, path: str, authorization: str | None) -> Principal | None:
        """The caller, or None for an anonymous caller of a public method.

        Raises Unauthenticated for a missing or bad token, PermissionDenied for a role not served.
        """
        access = self._access.get(path, MethodAccess())
        if authorization is None and access.public:
            return None
        principal = self._verifier.verify(_bearer_token(authorization))
        if not access.public and principal.role not in access.roles:
            raise PermissionDenied(
                f"The role {principal.role} may not call this method.",
                reason="ROLE_NOT_ALLOWED",
                metadata={"role": principal.role.value},
            )
        return principal


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send a valid bearer token.", reason="CREDENTIAL_INVALID")
    return token.strip()
