"""The affiliate service behind the rules of the contract, called as each of the roles."""

import uuid
from dataclasses import dataclass, field

from google.protobuf.message import Message
from pydantic import SecretStr

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.link_pb2 import Link
from millrace.affiliate.v1.partner_pb2 import Partner
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot, unpack
from millrace.streams.redis_pipe import PipeliningRedis
from server.affiliate.servicer import AffiliateServicer
from server.auth.keys import SigningKey
from server.auth.principal import Principal, Role, acting_as
from server.db.engine import Sessions
from server.rpc.validation import ContractRules

ADMIN = Principal("admin@test", Role.ADMIN)
EDGE = Principal("edge", Role.SERVICE)
SIGNING_KEYS = (SigningKey("test", SecretStr("a secret that only these tests know of")),)
PUBLIC_URL = "https://go.example"


def partner_principal(partner_id: str) -> Principal:
    return Principal(f"partner:{partner_id}", Role.PARTNER, partner_id)


@dataclass
class Affiliate:
    """The servicer behind the contract's rules, and what the tests look at behind its back."""

    servicer: AffiliateServicer
    rules: ContractRules
    sessions: Sessions
    redis: PipeliningRedis
    keys: StreamKeys
    slugs: dict[str, str] = field(default_factory=dict)

    async def call(self, principal: Principal, request: Message) -> Message:
        """The answer to a request, whose type names the method."""
        self.rules.check(request)
        method = getattr(self.servicer, type(request).__name__.removesuffix("Request"))
        with acting_as(principal):
            answer: Message = await method(request, None)
        return answer

    async def partner(self, *, approve: bool = True) -> Partner:
        email = f"{uuid.uuid4().hex}@partner.example"
        partner = await self.call(ADMIN, rpc.CreatePartnerRequest(name="Anna", email=email))
        assert isinstance(partner, Partner)
        if approve:
            partner = await self.call(ADMIN, rpc.ApprovePartnerRequest(partner_id=partner.partner_id))
            assert isinstance(partner, Partner)
        return partner

    async def link(self, principal: Principal, **fields: object) -> Link:
        request = rpc.CreateLinkRequest(**{"destination_url": "https://shop.example/", **fields})  # type: ignore[arg-type]  # the tests' own fields
        link = await self.call(principal, request)
        assert isinstance(link, Link)
        return link

    async def snapshot(self, short_code: str) -> LinkSnapshot | None:
        packed = await self.redis.execute("GET", self.keys.link(short_code))
        return None if packed is None else unpack(packed)
