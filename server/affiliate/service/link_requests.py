"""A link as it is asked for, and what can be judged of it before the database is asked."""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from server.affiliate.codes import RESERVED, RefusedCode, check_custom_code, normalise_code
from server.affiliate.commission import Commission
from server.affiliate.service import fields
from server.affiliate.service.errors import CommissionNotAllowed, PartnerNotFound, refused_field
from server.auth.actor import Actor


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link as it was asked for; None, False and "" mean that nothing was said."""

    partner_id: uuid.UUID | None
    product_id: str | None
    destination_url: str | None
    custom_code: str | None
    commission: Commission | None
    expires_at: datetime | None
    campaign: str | None
    forward_query: bool
    click_id_parameter: str | None
    fallback_url: str | None
    request_id: str | None

    def fingerprint(self) -> bytes:
        """SHA-256 of what was asked for, without who asked and under which request id.

        Things unsaid are left out, so that a field added one day does not change older fingerprints.
        """
        said = {name: value for name, value in asdict(self).items() if value}
        said.pop("partner_id", None)
        said.pop("request_id", None)
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).digest()


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """What was asked for, with all that can be judged without the database already judged."""

    asked: NewLink
    owner_id: uuid.UUID
    custom_code: str | None
    product_id: str | None
    request_id: str | None


def check_request(actor: Actor, asked: NewLink) -> CheckedRequest:
    """Judges who asks for whom and every field that needs no database.

    Raises PartnerNotFound, CommissionNotAllowed, InvalidArgument naming the field.
    """
    return CheckedRequest(
        asked=asked,
        owner_id=_owner(actor, asked),
        custom_code=_custom_code(asked),
        product_id=fields.optional_line("product_id", asked.product_id),
        request_id=fields.optional_line("request_id", asked.request_id),
    )


def _owner(actor: Actor, asked: NewLink) -> uuid.UUID:
    owner_id = asked.partner_id or actor.partner_id
    if owner_id is None:
        raise refused_field("partner_id", "name the partner to create the link for")
    if not actor.may_see(owner_id):
        raise PartnerNotFound(owner_id)
    if asked.commission is not None and not actor.is_admin:
        raise CommissionNotAllowed
    return owner_id


def _custom_code(asked: NewLink) -> str | None:
    if not asked.custom_code:
        return None
    try:
        return check_custom_code(asked.custom_code)
    except RefusedCode as error:
        reserved = normalise_code(asked.custom_code) in RESERVED
        raise refused_field(
            "custom_code", str(error), "CODE_RESERVED" if reserved else "INVALID_FIELD"
        ) from error
