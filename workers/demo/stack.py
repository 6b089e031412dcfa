"""Where the running stack is and what can be played in it, as its edge tells: products and links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from server.affiliate.product_urls import fill_template
from server.standalone.endpoints import FILE
from workers.backfill.shop import Shop, SoldProduct


class NothingToPlay(Exception):  # noqa: N818 - named for what is so
    """There is no stack, or nothing in it to visit; the text says what to do."""


class PlayedLink(NamedTuple):
    """An affiliate link, with the product that it leads to; None for one to the front page."""

    code: str
    product_id: str | None


class Scene(NamedTuple):
    """What visitors find."""

    shop: Shop
    links: list[PlayedLink]


def read_endpoints(state: Path) -> Mapping[str, str]:
    """The addresses and tokens of the stack with this state folder; raises NothingToPlay without one."""
    file = state / FILE
    try:
        endpoints: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NothingToPlay(
            f"No stack is running ({file} cannot be read). Start one with `make run` and wait until it is "
            "ready; MILLRACE_STATE_DIR names another one's folder."
        ) from error
    return endpoints


async def look_around(session: aiohttp.ClientSession, endpoints: Mapping[str, str]) -> Scene:
    """Ask the edge for products and links. Raises NothingToPlay when it cannot say or there are none."""
    admin, partner = endpoints["admin_token"], endpoints["partner_token"]
    program = await _ask(session, "/api/v1/affiliate/program", admin)
    template = program.get("productUrlTemplate") or f"https://{_first_host(program)}/products/{{slug}}"
    listed = await _ask(session, "/api/v1/catalog/products?pageSize=500", admin)
    products = [_sold(product, template) for product in listed["products"] if product["variants"]]
    if not products:
        raise NothingToPlay("The catalogue has no product to look at.")
    links = await _ask(session, "/api/v1/affiliate/links?pageSize=500", partner)
    active = [link for link in links["links"] if link["status"] == "ACTIVE"]
    return Scene(Shop(products), [PlayedLink(link["shortCode"], link.get("productId")) for link in active])


async def _ask(session: aiohttp.ClientSession, path: str, token: str) -> Any:
    try:
        async with session.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
            if response.status == 200:
                return await response.json()
            raise NothingToPlay(f"The edge answered {response.status} to {path}.")
    except aiohttp.ClientError as error:
        raise NothingToPlay(f"The edge does not answer: {error}") from error


def _first_host(program: Mapping[str, Any]) -> str:
    hosts = program.get("allowedDestinationHosts") or ["shop.example"]
    return str(hosts[0])


def _sold(product: Mapping[str, Any], template: str) -> SoldProduct:
    variant = product["variants"][0]
    return SoldProduct(
        product_id=product["productId"],
        url=fill_template(template, product_id=product["productId"], slug=product["slug"]),
        price=int(variant["price"]),
        currency=variant["currency"],
        popularity=float(product.get("popularity", 0.0)),
    )
