"""What a visitor finds in the shop: its front page and its products, liked ones more often. No I/O here."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import urlsplit


class SoldProduct(NamedTuple):
    """A product as its page shows it; `price` in minor units of `currency`."""

    product_id: str
    url: str
    price: int
    currency: str
    popularity: float


class Shop:
    """Products that can be found, looked at and bought; at least one, all of one host."""

    def __init__(self, products: Sequence[SoldProduct]) -> None:
        if not products:
            raise ValueError("a shop without products has no visitors")
        self._products = sorted(products)
        # The least liked product is found too.
        self._weights = list(accumulate(1.0 + max(0.0, each.popularity) for each in self._products))
        self._by_id: Mapping[str, SoldProduct] = {each.product_id: each for each in self._products}
        parts = urlsplit(self._products[0].url)
        self.front_page = f"{parts.scheme}://{parts.netloc}/"
        self.checkout = f"{self.front_page}checkout"

    def product(self, product_id: str | None) -> SoldProduct | None:
        """The product of that id; None for one that is not sold here, as for no id."""
        return self._by_id.get(product_id or "")

    def find(self, chance: random.Random) -> SoldProduct:
        """A product that somebody comes upon, popular ones more often."""
        return chance.choices(self._products, cum_weights=self._weights)[0]
