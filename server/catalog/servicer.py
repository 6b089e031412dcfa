"""CatalogService on the wire: messages in, messages out. Rules and transactions live in the service."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from millrace.catalog.v1 import catalog_service_pb2 as pb
from millrace.catalog.v1 import catalog_service_pb2_grpc, product_pb2
from server.auth.principal import Principal, Role, current_principal
from server.catalog.images import FindImages
from server.catalog.messages import message_of, status_of, upsert_of
from server.catalog.product import ProductStatus, ProductUpsert, StoredProduct, in_normal_form
from server.catalog.rules import broken_rules
from server.catalog.service import CatalogService, ProductFilter
from server.catalog.upserts import SlugConflict
from server.errors import FieldViolation, InvalidArgument, PermissionDenied
from server.rpc.pages import PageTokens
from server.rpc.validation import invalid_fields

# Leaves room below the 4 MiB that gRPC clients accept by default; a page may be shorter than asked for.
_PAGE_MAX_BYTES = 3 * 1024 * 1024
# With four variants each, more of them would not fit anyway; no product alone has so many.
_PAGE_MAX_PICTURES = 5_000

ContractCheck = Callable[[Message], Sequence[FieldViolation]]


class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """`contract_violations` judges a product by the rules of its proto, which batches need item by item;
    `find_images` is asked once for each answer that shows products.
    """

    def __init__(
        self,
        service: CatalogService,
        *,
        page_tokens: PageTokens,
        contract_violations: ContractCheck,
        find_images: FindImages,
    ) -> None:
        self._service = service
        self._find_images = find_images
        self._page_tokens = page_tokens
        self._contract_violations = contract_violations

    async def UpsertProduct(self, request: pb.UpsertProductRequest, _context: Any) -> product_pb2.Product:
        judged = self._judge(request.product)
        if not isinstance(judged, ProductUpsert):
            raise invalid_fields([replace(found, field=f"product.{found.field}") for found in judged])
        [stored] = await self._messages_of([await self._service.upsert_product(judged)])
        return stored

    async def BatchUpsertProducts(
        self, request: pb.BatchUpsertProductsRequest, _context: Any
    ) -> pb.BatchUpsertProductsResponse:
        _refuse_repeated_ids(request.products)
        judged = [self._judge(product) for product in request.products]
        upserts = [item for item in judged if isinstance(item, ProductUpsert)]
        outcomes = iter(await self._service.upsert_products(upserts) if upserts else ())
        results: list[pb.UpsertResult] = []
        for index, (product, item) in enumerate(zip(request.products, judged, strict=True)):
            if isinstance(item, ProductUpsert):
                results.append(_result(index, item.content.product_id, next(outcomes)))
            else:
                results.append(_rejected(index, product.product_id, item))
        return pb.BatchUpsertProductsResponse(results=results)

    async def GetProduct(self, request: pb.GetProductRequest, _context: Any) -> product_pb2.Product:
        only_active = current_principal().role is Role.PARTNER
        product = await self._service.get_product(request.product_id, only_active=only_active)
        [found] = await self._messages_of([product])
        return found

    async def ListProducts(self, request: pb.ListProductsRequest, _context: Any) -> pb.ListProductsResponse:
        principal = current_principal()
        page = self._page_tokens.open(request, caller=principal.identity)
        wanted = ProductFilter(status=_visible_status(request, principal), brand=request.brand or None)
        after = str(page.after[0]) if page.after else None
        found = await self._service.list_products(wanted, after=after, limit=page.size + 1)
        answer = pb.ListProductsResponse()
        size = 0
        for message in await self._messages_of(_few_pictures(found[: page.size])):
            size += message.ByteSize()
            if answer.products and size > _PAGE_MAX_BYTES:
                break
            answer.products.append(message)
        if len(found) > len(answer.products):
            last = answer.products[-1].product_id
            answer.next_page_token = self._page_tokens.seal(request, caller=principal.identity, after=(last,))
        return answer

    async def DeleteProduct(self, request: pb.DeleteProductRequest, _context: Any) -> Empty:
        await self._service.delete_product(request.product_id)
        return Empty()

    async def _messages_of(self, products: Sequence[StoredProduct]) -> list[product_pb2.Product]:
        """The products with their pictures, which are asked for once, and not at all when there are none."""
        media_ids = {uuid.UUID(media_id) for one in products for media_id in one.content.image_media_ids}
        images = await self._find_images(media_ids) if media_ids else {}
        return [message_of(product, images) for product in products]

    def _judge(self, message: product_pb2.Product) -> ProductUpsert | list[FieldViolation]:
        """What to store, or every rule that the product breaks."""
        violations = [*self._contract_violations(message)]
        if violations:
            return violations
        try:
            upsert = upsert_of(message)
        except ValueError:
            return [FieldViolation("released_at", "must lie in the years 1 to 9999")]
        violations = [FieldViolation(*broken) for broken in broken_rules(upsert)]
        return violations or replace(upsert, content=in_normal_form(upsert.content))


def _few_pictures(products: Sequence[StoredProduct]) -> Sequence[StoredProduct]:
    """As many of the products, from the first one on, as one answer may ask pictures for."""
    pictures = 0
    for number, product in enumerate(products):
        pictures += len(product.content.image_media_ids)
        if pictures > _PAGE_MAX_PICTURES:
            return products[:number]
    return products


def _visible_status(request: pb.ListProductsRequest, principal: Principal) -> ProductStatus | None:
    status = status_of(request.status)
    if principal.role is not Role.PARTNER:
        return status
    if status not in (None, ProductStatus.ACTIVE):
        raise PermissionDenied("Partners list ACTIVE products only.", reason="ROLE_NOT_ALLOWED")
    return ProductStatus.ACTIVE


def _refuse_repeated_ids(products: Sequence[product_pb2.Product]) -> None:
    seen: set[str] = set()
    repeated: list[FieldViolation] = []
    for index, product in enumerate(products):
        if product.product_id in seen:
            repeated.append(FieldViolation(f"products[{index}].product_id", "must stand once in a batch"))
        elif product.product_id:
            seen.add(product.product_id)
    if repeated:
        raise InvalidArgument(
            "Name each product once in a batch.", reason="PRODUCT_REPEATED", fields=repeated
        )


def _result(index: int, product_id: str, outcome: object) -> pb.UpsertResult:
    if isinstance(outcome, SlugConflict):
        taken = FieldViolation("slug", "belongs to another product; give another one, or none")
        return _rejected(index, product_id, [taken])
    return pb.UpsertResult(
        index=index, product_id=product_id, outcome=pb.UpsertResult.Outcome.Value(str(outcome))
    )


def _rejected(index: int, product_id: str, violations: Sequence[FieldViolation]) -> pb.UpsertResult:
    return pb.UpsertResult(
        index=index,
        product_id=product_id,
        outcome=pb.UpsertResult.REJECTED,
        violations=[
            pb.UpsertResult.Violation(field=found.field, message=found.message) for found in violations
        ],
    )
