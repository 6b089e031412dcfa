"""Millrace's own document: valid, complete, the same every time, and true to what the edge serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.app import SERVICES
from edge.openapi import millrace_document
from edge.openapi.millrace import SERVED_SERVICES, millrace_document_bytes
from edge.openapi.own_paths import own_paths
from edge.openapi.paths import describe_path
from edge.rest.routes import read_routes
from millrace.affiliate.v1 import error_reason_pb2 as affiliate
from millrace.analytics.v1 import error_reason_pb2 as analytics
from millrace.auth.v1 import access_pb2
from millrace.catalog.v1 import error_reason_pb2 as catalog
from millrace.jobs.v1 import error_reason_pb2 as jobs
from millrace.media.v1 import error_reason_pb2 as media

METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return millrace_document()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def test_a_public_validator_finds_no_fault(document: dict[str, Any]) -> None:
    """The document is OpenAPI 3.1, its schemas are of that dialect, and every reference leads somewhere."""
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_its_operations_are_the_rules_that_the_edge_serves(document: dict[str, Any]) -> None:
    """None is missing and none is made up, beside what the edge answers by itself."""
    served = {
        (describe_path(route).text, route.http_method.lower(), route.rpc.full_name)
        for route in read_routes(SERVICES).rules()
    }
    described = {
        (path, method, operation["x-rpc"])
        for path, method, operation in operations(document)
        if path not in own_paths()
    }
    assert described == served
    assert {service.full_name for service in SERVICES} == set(SERVED_SERVICES)


def test_the_edge_has_the_paths_that_it_answers_itself(document: dict[str, Any]) -> None:
    """The redirect, health and the document itself are there."""
    assert set(own_paths()) < set(document["paths"])


def test_every_schema_is_used(document: dict[str, Any]) -> None:
    """What nothing refers to would only be noise."""
    text = json.dumps(document)
    unused = [
        name for name in document["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text
    ]
    assert unused == []


def test_equal_contracts_give_equal_bytes() -> None:
    """Nothing depends on hashes, time or the order of asking."""
    assert millrace_document_bytes() == millrace_document_bytes()


def test_operation_ids_are_unique_and_tags_are_declared(document: dict[str, Any]) -> None:
    """Generators of clients need both."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    declared = {tag["name"] for tag in document["tags"]}
    assert len(ids) == len(set(ids))
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == declared


def test_every_operation_and_every_member_is_in_words(document: dict[str, Any]) -> None:
    """Whoever writes a proto without a comment hears of it from the linter; here no comment gets lost."""
    silent = [path for path, _, operation in operations(document) if not operation.get("summary")]
    for name, schema in document["components"]["schemas"].items():
        members = schema.get("properties", {})
        silent += [f"{name}.{member}" for member, said in members.items() if not said.get("description")]
    assert silent == []


def test_no_proto_name_is_left_in_the_words(document: dict[str, Any]) -> None:
    """`page_size` is called `pageSize` here, as the reader writes it."""
    names = {"page_size", "page_token", "next_page_token", "destination_url", "product_id", "link_id"}
    quoted = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", json.dumps(document)))
    assert not quoted & names


def test_security_is_what_the_contract_grants(document: dict[str, Any]) -> None:
    """Every method with roles needs a bearer token of one of them, and the roles are listed."""
    grants = {
        method.full_name: method.GetOptions().Extensions[access_pb2.access]
        for service in SERVICES
        for method in service.methods
    }
    for path, _, operation in operations(document):
        if path in own_paths():
            assert operation["security"] == []
            continue
        roles = [access_pb2.Access.Role.Name(role) for role in grants[operation["x-rpc"]].roles]
        assert operation["security"] == [{"bearer": []}]
        assert operation["x-roles"] == roles
        assert f"Callers: {', '.join(roles)}." in operation["description"]


def test_every_list_is_marked_as_paged(document: dict[str, Any]) -> None:
    """A client can follow pages without knowing the method."""
    paged = {
        operation["x-rpc"].rpartition(".")[2]: operation["x-pagination"]
        for _, _, operation in operations(document)
        if "x-pagination" in operation
    }
    expected = {"pageSize": "pageSize", "pageToken": "pageToken", "nextPageToken": "nextPageToken"}
    assert paged == {
        "ListPartners": {**expected, "items": "partners"},
        "ListLinks": {**expected, "items": "links"},
        "ListDeadLetters": {**expected, "items": "deadLetters"},
        "ListJobs": {**expected, "items": "jobs"},
        "ListMedia": {**expected, "items": "media"},
        "ListProducts": {**expected, "items": "products"},
    }


def test_answers_say_what_is_always_there(document: dict[str, Any]) -> None:
    """Fields without presence are required in answers, others are not."""
    product = document["components"]["schemas"]["Product"]
    absent = set(product["properties"]) - set(product["required"])
    assert absent == {"releasedAt", "version", "createdAt", "updatedAt"}


def test_what_is_read_can_be_sent_back(document: dict[str, Any]) -> None:
    """A commission's type is answered by the names that are taken."""
    schemas = document["components"]["schemas"]
    answered = schemas["Commission"]["properties"]["type"]["enum"]
    accepted = schemas["CommissionInput"]["properties"]["type"]["anyOf"][0]["enum"]
    assert answered == accepted == ["PERCENTAGE", "FIXED"]


def test_what_only_the_service_sets_is_no_input(document: dict[str, Any]) -> None:
    """An output-only field is marked in the answer and missing in the request."""
    schemas = document["components"]["schemas"]
    assert schemas["Product"]["properties"]["createdAt"]["readOnly"] is True
    assert "createdAt" not in schemas["ProductInput"]["properties"]


def test_an_update_leaves_out_what_the_path_gives_and_demands_nothing(document: dict[str, Any]) -> None:
    """PATCH takes any part of the resource, but not its id."""
    operation = document["paths"]["/api/v1/affiliate/links/{linkId}"]["patch"]
    body = document["components"]["schemas"]["UpdateLinkBody"]
    [mask] = [one for one in operation["parameters"] if one["name"] == "updateMask"]
    assert "linkId" not in body["properties"]
    assert "required" not in body
    assert "required" not in operation["requestBody"]
    assert re.search(mask["schema"]["pattern"], "campaign,commission.rate")
    assert not re.search(mask["schema"]["pattern"], "trackingCode")
    assert not re.search(mask["schema"]["pattern"], "linkId")


def test_a_batch_judged_item_by_item_promises_no_refusal(document: dict[str, Any]) -> None:
    """Products of a batch are not bound by the rules, because the answer says which they break."""
    schemas = document["components"]["schemas"]
    items = schemas["BatchUpsertProductsRequest"]["properties"]["products"]["items"]
    assert items == {"$ref": "#/components/schemas/ProductUncheckedInput"}
    assert "required" not in schemas["ProductUncheckedInput"]
    assert "pattern" not in schemas["ProductUncheckedInput"]["properties"]["slug"]


def test_reasons_of_refusals_are_listed(document: dict[str, Any]) -> None:
    """What a method's comment names is under its status; the problem explains all of them."""
    create = document["paths"]["/api/v1/affiliate/links"]["post"]
    reason = document["components"]["schemas"]["Problem"]["properties"]["reason"]
    assert create["x-reasons"]["409"] == ["PAYLOAD_MISMATCH", "CODE_TAKEN", "CODES_EXHAUSTED"]
    assert "`CODE_TAKEN`" in create["responses"]["409"]["description"]
    assert {"CODE_TAKEN", "SLUG_TAKEN", "INVALID_FIELD"} <= set(reason["x-known-values"])
    assert "- `CODE_TAKEN`: Another link already has this code." in reason["description"]


def test_every_reason_of_a_domain_is_told_by_a_method(document: dict[str, Any]) -> None:
    """Nobody meets a reason that no operation speaks of; those of every call are explained by the problem."""
    told = {
        reason
        for _, _, operation in operations(document)
        for reasons in operation.get("x-reasons", {}).values()
        for reason in reasons
    }
    domains = (affiliate, analytics, catalog, jobs, media)
    known = {name for domain in domains for name, number in domain.ErrorReason.items() if number}
    # Services that send too many events are told so, by a method that has no path.
    assert known - told == {"STREAM_OVERLOADED"}


def test_what_a_path_names_may_be_missing_and_says_so(document: dict[str, Any]) -> None:
    """An operation on one thing gives the reason of its 404."""
    silent = [
        f"{method} {path}"
        for path, method, operation in operations(document)
        if "{" in path and "x-rpc" in operation and "404" not in operation.get("x-reasons", {})
    ]
    # Figures of a product that the catalogue has forgotten are still figures, and of no product zeros.
    product = "get /api/v1/analytics/products/{productId}"
    assert silent == [product, f"{product}:exportCsv"]


def test_the_redirect_says_when_to_come_back(document: dict[str, Any]) -> None:
    """As every 503 does."""
    assert "Retry-After" in document["paths"]["/l/{code}"]["get"]["responses"]["503"]["headers"]


def test_a_mask_has_one_meaning_when_it_is_left_out(document: dict[str, Any]) -> None:
    """That of the body's members; what the service makes of no mask cannot be met over REST."""
    for path in ("/api/v1/affiliate/program", "/api/v1/affiliate/links/{linkId}"):
        [mask] = [one for one in document["paths"][path]["patch"]["parameters"] if one["in"] == "query"]
        assert mask["description"].count("Unset:") == 1
        assert mask["description"].endswith("Unset: the fields that the body names.")


def test_the_example_of_a_problem_is_one(document: dict[str, Any]) -> None:
    """What the page shows as a refusal could be one."""
    schemas = document["components"]["schemas"]
    [example] = schemas["Problem"]["examples"]
    whole = {**schemas["Problem"], "components": document["components"]}
    assert jsonschema_rs.Draft202012Validator(whole).is_valid(example)
