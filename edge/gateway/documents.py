"""The contract as an OpenAPI document and a page, where the contract leaves their paths free."""

from __future__ import annotations

import re

import msgspec
from aiohttp import web

from edge.documents import add_documents
from edge.documents.routes import DOCUMENT_PATH, PAGE_PATH
from edge.gateway.descriptor_sets import Contract
from edge.gateway.own_paths import free_paths
from edge.openapi.document import make_document

_PATHS = (DOCUMENT_PATH, PAGE_PATH)
_VERSION = re.compile(r"v[0-9]+\w*", re.ASCII)


def add_contract_documents(app: web.Application, contract: Contract) -> None:
    """Serve both or, when a rule takes one of their paths, neither. Made when they are first asked for."""
    if len(free_paths(_PATHS, contract.routes)) == len(_PATHS):
        add_documents(app, lambda: contract_document(contract))


def contract_document(contract: Contract) -> bytes:
    """The OpenAPI document as JSON, called after the packages of the services and their version."""
    packages = list(
        dict.fromkeys(service.file.package for service in contract.services if service.file.package)
    )
    versions = [part for package in packages for part in package.split(".") if _VERSION.fullmatch(part)]
    return msgspec.json.encode(
        make_document(
            contract.image,
            contract.service_names,
            title=", ".join(packages) or ", ".join(contract.service_names),
            version=versions[0] if versions else "v1",
        )
    )
