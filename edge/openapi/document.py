"""The whole document: every HTTP rule of the services, in the order of the contract, with its components."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from edge.openapi.bodies import Bodies
from edge.openapi.contract import Contract
from edge.openapi.free_names import free_name
from edge.openapi.operations import Operations
from edge.openapi.paths import DescribedPath, describe_path
from edge.openapi.problems import HEADERS, field_problem_schema, problem_responses, problem_schema
from edge.openapi.schema_names import SchemaNames
from edge.openapi.schemas import Schemas
from edge.openapi.security import security_schemes
from edge.rest.routes import Route, read_routes

OPENAPI_VERSION = "3.1.1"
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
_SHARED_PACKAGE_SUFFIXES = (".rpc.v1",)


def make_document(
    image: FileDescriptorSet,
    services: Sequence[str] | None = None,
    *,
    title: str,
    version: str,
    description: str = "",
    license_id: str | None = None,
    servers: Sequence[Mapping[str, str]] = ({"url": "/"},),
    extra_paths: Mapping[str, Any] | None = None,
    extra_tags: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these services (full names), or of all with HTTP rules.

    The image must hold every import; comments, the rules of `buf.validate`, `google.api.field_behavior` and
    Millrace's own options are used where it has them. Equal input gives an equal document, its members in the
    same order. `extra_paths` are path items for what is served without an RPC. Raises `BadRuleError` for a
    rule that the translator would refuse, KeyError for an unknown service.
    """
    contract = Contract(image)
    described = contract.services(services)
    routes = read_routes(described).rules()
    names = SchemaNames(route.rpc for route in routes)
    names.take("Problem", "FieldProblem")
    schemas = Schemas(contract, names)
    operations = Operations(contract, schemas, Bodies(contract, schemas, names))
    paths = _paths(routes, operations)
    return {
        "openapi": OPENAPI_VERSION,
        "info": _info(title, version, description, license_id),
        "servers": [dict(server) for server in servers],
        "tags": [*_service_tags(contract, described), *map(dict, extra_tags)],
        "paths": {**paths, **(extra_paths or {})},
        "components": _components(contract, schemas, described),
    }


def _info(title: str, version: str, description: str, license_id: str | None) -> dict[str, Any]:
    info: dict[str, Any] = {"title": title, "version": version}
    if description:
        info["description"] = description
    if license_id is not None:
        info["license"] = {"name": license_id, "identifier": license_id}
    return info


def _paths(routes: Iterable[Route], operations: Operations) -> dict[str, Any]:
    """Path items. OpenAPI has no place for some rules; those stand in `x-other-operations` of theirs."""
    by_shape: dict[str, DescribedPath] = {}
    items: dict[str, Any] = {}
    routes = list(routes)
    tags = _tag_names(
        {route.rpc.containing_service.full_name: route.rpc.containing_service for route in routes}
    )
    for route, operation_id in zip(routes, _operation_ids(routes, tags), strict=True):
        path = describe_path(route)
        path = path.renamed_as(by_shape.setdefault(path.shape, path))
        tag = tags[route.rpc.containing_service.full_name]
        operation = operations.of(route, path, operation_id, tag)
        item = items.setdefault(path.text, {})
        method = route.http_method.lower()
        if route.http_method in _METHODS and method not in item:
            item[method] = operation
        else:
            item.setdefault("x-other-operations", []).append({"method": route.http_method, **operation})
    return items


def _operation_ids(routes: Sequence[Route], tags: Mapping[str, str]) -> Iterator[str]:
    """`<tag>_<method>` for the first rule of a method; a number behind it for each of the others."""
    first = [f"{tags[route.rpc.containing_service.full_name]}_{route.rpc.name}" for route in routes]
    taken, given = set(first), set[str]()
    for name in first:
        yield free_name(name, taken, "_") if name in given else name
        given.add(name)


def _service_tags(contract: Contract, services: Sequence[ServiceDescriptor]) -> list[dict[str, str]]:
    names = _tag_names({service.full_name: service for service in services})
    tags = []
    for full_name, name in names.items():
        comment = contract.comment(full_name)
        tags.append({"name": name, "description": comment} if comment else {"name": name})
    return tags


def _tag_names(services: Mapping[str, ServiceDescriptor]) -> dict[str, str]:
    """Short names, or whole ones where short ones clash."""
    short = Counter(service.name for service in services.values())
    return {
        full_name: service.name if short[service.name] == 1 else full_name.replace(".", "_")
        for full_name, service in services.items()
    }


def _components(
    contract: Contract, schemas: Schemas, services: Sequence[ServiceDescriptor]
) -> dict[str, Any]:
    packages = {service.full_name.rpartition(".")[0] for service in services}
    roots = {package.partition(".")[0] for package in packages}
    shared = [
        package
        for package in contract.packages()
        if package in packages
        or (package.partition(".")[0] in roots and package.endswith(_SHARED_PACKAGE_SUFFIXES))
    ]
    schemas.add("Problem", problem_schema(contract, shared))
    schemas.add("FieldProblem", field_problem_schema())
    components: dict[str, Any] = {
        "schemas": schemas.components(),
        "responses": problem_responses(),
        "headers": HEADERS,
    }
    security = security_schemes(contract)
    return {**components, "securitySchemes": security} if security else components
