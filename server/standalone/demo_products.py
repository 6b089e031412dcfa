"""The products of the demo shop, generated: the same ones on every call."""

from millrace.catalog.v1.product_pb2 import Attribute, Product, Variant

# Kind, category, price of the smallest in minor units.
KINDS = (
    ("Kettle", "Kitchen > Kettles", 3_490),
    ("Backpack", "Outdoor > Bags", 6_900),
    ("Desk Lamp", "Home > Lighting", 4_250),
    ("Headphones", "Audio > Headphones", 8_990),
)
MAKERS = ("Aldervale", "Brightwater", "Cobblestone")
COLOURS = ("black", "sand", "river blue")


def demo_products() -> list[Product]:
    """Each kind by each maker: a dozen products in three colours each."""
    return [
        _product(number, maker, kind, category, price)
        for number, (maker, (kind, category, price)) in enumerate(
            ((maker, kind) for maker in MAKERS for kind in KINDS), start=1
        )
    ]


def _product(number: int, maker: str, kind: str, category: str, price: int) -> Product:
    product_id = f"demo-{number:02d}"
    return Product(
        product_id=product_id,
        name=f"{maker} {kind}",
        description=f"A {kind.lower()} by {maker}, made up for the demo shop.",
        brand=maker,
        status=Product.ACTIVE,
        categories=[category],
        tags=["demo"],
        attributes=[Attribute(name="warranty", value="2 years")],
        popularity=float(13 - number),
        variants=[
            Variant(
                sku=f"{product_id}-{colour.replace(' ', '-')}",
                price=price + 500 * position,
                currency="EUR",
                is_default=position == 0,
                stock=25,
            )
            for position, colour in enumerate(COLOURS)
        ],
    )
