"""What the API carries most, in believable messages no two of which are alike.

The same ones in every run. Nothing here measures.
"""

import random
from collections.abc import Callable, Sequence
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from millrace.affiliate.v1 import affiliate_service_pb2, link_pb2
from millrace.catalog.v1 import catalog_service_pb2, product_pb2

YEAR_SECONDS = 365 * 86_400
BRANDS = ("Acme", "Bülow & Söhne", "Nordlicht", "Kestrel", "Tanaka")
WORDS = ("blue", "steel", "kettle", "lamp", "litre", "switch", "garden", "oak", "travel", "quiet", "spare")


def samples(make: Callable[[random.Random], Message], count: int) -> Sequence[Message]:
    chance = random.Random(11)  # noqa: S311 - the same messages every time
    return [make(chance) for _ in range(count)]


def link(chance: random.Random) -> link_pb2.Link:
    short_code = "".join(chance.choices("abcdefghijkmnpqrstuvwxyz23456789", k=7))
    return link_pb2.Link(
        link_id=_uuid(chance),
        partner_id=_uuid(chance),
        product_id=f"icecat-{chance.randrange(10**7)}",
        destination_url=f"https://shop.example/p/{chance.randrange(10**7)}?colour=blue&size=m",
        tracking_code=chance.randbytes(32).hex(),
        short_code=short_code,
        short_url=f"https://shop.example/l/{short_code}",
        status=link_pb2.Link.ACTIVE,
        campaign=_words(chance, 2),
        forward_query=True,
        click_id_parameter="click_id",
        expires_at=Timestamp(seconds=1_900_000_000 + chance.randrange(YEAR_SECONDS)),
        created_at=_instant(chance),
        updated_at=_instant(chance),
    )


def page_of_links(chance: random.Random) -> affiliate_service_pb2.ListLinksResponse:
    return affiliate_service_pb2.ListLinksResponse(
        links=[link(chance) for _ in range(20)], next_page_token=_uuid(chance)
    )


def new_link(chance: random.Random) -> affiliate_service_pb2.CreateLinkRequest:
    """What a partner sends most: a product, and a name for the campaign."""
    return affiliate_service_pb2.CreateLinkRequest(
        product_id=f"icecat-{chance.randrange(10**7)}", campaign=_words(chance, 2)
    )


def product(chance: random.Random) -> product_pb2.Product:
    """A product without variants, as most are."""
    return product_pb2.Product(
        product_id=f"icecat-{chance.randrange(10**7)}",
        slug=_words(chance, 3).replace(" ", "-"),
        name=_words(chance, 4),
        description=_words(chance, 14),
        status=product_pb2.Product.ACTIVE,
        categories=["kitchen", _words(chance, 1)],
        tags=[_words(chance, 1) for _ in range(3)],
        brand=chance.choice(BRANDS),
        ean=[f"{chance.randrange(10**13):013}"],
        popularity=chance.randrange(1_000) / 8,
        version=chance.randrange(1, 100),
        created_at=_instant(chance),
        updated_at=_instant(chance),
    )


def page_of_products(chance: random.Random) -> catalog_service_pb2.ListProductsResponse:
    """Fifty products with variants, attributes and pictures: about 60 kB of JSON."""
    return catalog_service_pb2.ListProductsResponse(
        products=[_rich_product(chance) for _ in range(50)], next_page_token=_uuid(chance)
    )


def _rich_product(chance: random.Random) -> product_pb2.Product:
    rich = product(chance)
    for number in range(chance.randrange(1, 4)):
        rich.variants.add(
            sku=f"{rich.product_id}-{number}",
            price=chance.randrange(100, 100_000),
            currency="EUR",
            is_default=number == 0,
            stock=chance.randrange(50),
        )
    for name in chance.sample(WORDS, 4):
        rich.attributes.add(name=name, value=_words(chance, 2))
    rich.image_media_ids.extend(_uuid(chance) for _ in range(2))
    return rich


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def _instant(chance: random.Random) -> Timestamp:
    """A moment of the last year, to the microsecond as PostgreSQL keeps it."""
    seconds = 1_760_000_000 + chance.randrange(YEAR_SECONDS)
    return Timestamp(seconds=seconds, nanos=chance.randrange(10**6) * 1_000)
