"""A walk through the shop: which pages a visitor opens, what is looked at, put into the cart, and bought.

The history and the live demo play the same walks. How a visitor came, and who it is, is for others.
"""

from __future__ import annotations

import math
import random
from typing import Final, NamedTuple

from workers.backfill.shop import Shop, SoldProduct

_BOUNCE_SHARE: Final = 0.38  # leave from the front page
_GO_ON_SHARE: Final = 0.54  # look at another product
_CLICK_SHARE: Final = 0.14
_CART_SHARE: Final = 0.1
_BUY_SHARE: Final = 0.42  # of those with something in the cart
_MEDIAN_PAUSE_MS: Final = 16_000
_QUANTITIES: Final = (1, 1, 1, 1, 1, 2, 2, 3)
_TARGETS: Final = ("reviews", "size guide", "delivery", "gallery")
_BOT_PAGES: Final = 9
_BOT_PAUSE_MS: Final = 900


class Step(NamedTuple):
    """Something that happens in a visit, `after_ms` from its beginning; `type` as events have it."""

    type: str
    after_ms: int
    url: str
    product_id: str | None = None
    metadata: dict[str, int | str] | None = None


def walk(
    chance: random.Random, shop: Shop, *, first: SoldProduct | None = None, query: str = ""
) -> list[Step]:
    """The steps of a person who lands on `first`, or on the front page, in order of time.

    `query` is that of the landing page. The shop is one page to a browser, so the query stays in the address
    from then on.
    """
    visit = _Walk(chance, shop, query)
    if first is None:
        visit.open(shop.front_page)
        if chance.random() < _BOUNCE_SHARE:
            return visit.steps
    visit.look_at(first or shop.find(chance))
    while chance.random() < _GO_ON_SHARE:
        visit.look_at(shop.find(chance))
    if visit.cart and chance.random() < _BUY_SHARE:
        visit.buy()
    return visit.steps


def crawl(chance: random.Random, shop: Shop) -> list[Step]:
    """The steps of a bot: pages at a steady pace, nothing for the cart."""
    pages = [shop.front_page, *(shop.find(chance).url for _ in range(chance.randrange(_BOT_PAGES)))]
    return [Step("page_view", place * _BOT_PAUSE_MS, url) for place, url in enumerate(pages)]


class _Walk:
    """A walk so far."""

    def __init__(self, chance: random.Random, shop: Shop, query: str) -> None:
        self.steps: list[Step] = []
        self.cart: list[SoldProduct] = []
        self._chance = chance
        self._shop = shop
        self._query = f"?{query}" if query else ""
        self._now_ms = 0

    def open(self, url: str) -> None:
        """A page is opened, a while after whatever was before."""
        if self.steps:
            self._pause()
        self._step("page_view", url)

    def look_at(self, product: SoldProduct) -> None:
        """A product's page; some of its visitors click around, some put it into the cart."""
        self.open(product.url)
        self._now_ms += self._chance.randrange(40, 400)
        self._step("product_view", product.url, product.product_id)
        if self._chance.random() < _CLICK_SHARE:
            self._pause()
            target = self._chance.choice(_TARGETS)
            self._step("click", product.url, product.product_id, {"target": target})
        if product not in self.cart and self._chance.random() < _CART_SHARE:
            self._pause()
            self._step("add_to_cart", product.url, product.product_id, {"quantity": 1})
            self.cart.append(product)

    def buy(self) -> None:
        """One order of everything in the cart, an event for each product of it."""
        self.open(self._shop.checkout)
        self._pause()
        order_id = f"D-{self._chance.getrandbits(40):010x}"
        for product in self.cart:
            quantity = self._chance.choice(_QUANTITIES)
            order: dict[str, int | str] = {
                "amount": product.price * quantity,
                "currency": product.currency,
                "orderId": order_id,
                "quantity": quantity,
            }
            self._step("purchase", self._shop.checkout, product.product_id, order)
            self._now_ms += 1

    def _step(
        self,
        type: str,  # noqa: A002 - the field's name
        url: str,
        product_id: str | None = None,
        metadata: dict[str, int | str] | None = None,
    ) -> None:
        self.steps.append(Step(type, self._now_ms, url + self._query, product_id, metadata))

    def _pause(self) -> None:
        self._now_ms += math.ceil(self._chance.lognormvariate(math.log(_MEDIAN_PAUSE_MS), 0.8))
