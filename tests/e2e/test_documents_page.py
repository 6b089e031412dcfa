"""The page at `/api/docs` in a real browser: it renders, operations can be tried, nothing asks outside."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import NODE, output_of
from tests.stack import Stack


@pytest.fixture(scope="module")
async def visit(
    stack: Stack, chromium: Path, driver: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What one visit saw; see documents_page.mjs."""
    script = Path(__file__).with_name("documents_page.mjs")
    folder = tmp_path_factory.mktemp("documents-page")
    seen = await output_of(
        str(NODE), str(script), str(chromium), stack["edge_url"], stack["admin_token"], str(folder)
    )
    visit: dict[str, Any] = json.loads(seen)
    return visit


async def test_every_operation_is_shown(visit: dict[str, Any], stack: Stack) -> None:
    """The page is named Millrace and has each operation of the document."""
    assert visit["title"] == "Millrace"
    assert visit["operations"] > 20


async def test_an_operation_tried_without_a_token_shows_the_problem(visit: dict[str, Any]) -> None:
    """The answer is there as it came, with the request's id."""
    tried = visit["withoutToken"]

    assert tried["status"] == 401
    assert json.loads(tried["body"])["code"] == "UNAUTHENTICATED"
    assert "x-request-id: " in tried["headers"]


async def test_an_operation_tried_with_a_token_succeeds(visit: dict[str, Any]) -> None:
    """The page shows 200, the body and the headers."""
    tried = visit["withToken"]

    assert tried["status"] == 200
    assert "links" in json.loads(tried["body"])
    assert "x-request-id: " in tried["headers"]


async def test_no_request_leaves_the_machine(visit: dict[str, Any], stack: Stack) -> None:
    """Every single one went to the edge that served the page."""
    assert len(visit["requests"]) > 8
    assert [url for url in visit["requests"] if not url.startswith((f"{stack['edge_url']}/", "data:"))] == []


async def test_the_browser_complains_of_nothing(visit: dict[str, Any]) -> None:
    """No script fails, and the page needs nothing that its policy refuses."""
    assert visit["complaints"] == []


async def test_a_token_is_not_kept(visit: dict[str, Any]) -> None:
    """After loading the page again nobody is authorised."""
    assert visit["tokenIsKept"] is False


async def test_an_operation_can_be_linked_to(visit: dict[str, Any]) -> None:
    """The address of an operation opens it."""
    assert visit["linkedOperation"] == "operations-CatalogService-CatalogService_ListProducts"


async def test_an_example_can_be_sent_as_it_is(visit: dict[str, Any]) -> None:
    """It has what the contract gives examples of, and no invented values that would only be refused."""
    assert json.loads(visit["example"]) == {
        "destinationUrl": "https://shop.example/sale",
        "customCode": "summer-sale",
        "campaign": "newsletter-12",
    }


async def test_examples_are_readable(visit: dict[str, Any]) -> None:
    """Answers are shown whole; a field with a pattern has a plain example, not a random text that fits it."""
    assert json.loads(visit["answerExample"])["clickIdParameter"] == "string"
    assert json.loads(visit["productExample"])["productId"] == "sku-4711"


async def test_the_page_follows_the_readers_colours(visit: dict[str, Any]) -> None:
    """Dark where the system is dark."""
    red, green, blue = (int(part) for part in visit["dark"].removeprefix("rgb(").removesuffix(")").split(","))

    assert max(red, green, blue) < 80
