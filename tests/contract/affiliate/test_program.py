"""The program's settings: defaults, changes by mask, rules, audit."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from millrace.affiliate.v1 import affiliate_service_pb2 as rpc
from millrace.affiliate.v1.commission_pb2 import Commission
from millrace.affiliate.v1.program_pb2 import Program
from server.audit import AuditEntry
from server.errors import InvalidArgument
from tests.contract.affiliate.callers import ADMIN, Affiliate


async def update(affiliate: Affiliate, program: Program, *mask: str) -> Program:
    request = rpc.UpdateProgramRequest(program=program, update_mask=FieldMask(paths=mask))
    updated = await affiliate.call(ADMIN, request)
    assert isinstance(updated, Program)
    return updated


async def read(affiliate: Affiliate) -> Program:
    program = await affiliate.call(ADMIN, rpc.GetProgramRequest())
    assert isinstance(program, Program)
    return program


async def test_fresh_installation_has_settings_that_work(affiliate: Affiliate) -> None:
    """Windows, holds and terms are there before anybody has set them."""
    program = await read(affiliate)
    assert (program.attribution_window_days, program.hold_days) == (30, 14)
    assert program.allowed_destination_hosts == ["shop.example"]
    assert program.product_url_template == "https://shop.example/p/{slug}"
    assert program.default_commission.rate == "5"
    assert (program.time_zone, program.precedence) == ("UTC", Program.COUPON)
    assert not program.HasField("fallback_url")


async def test_only_the_fields_in_the_mask_change(affiliate: Affiliate) -> None:
    """What is set in the message but not named in the mask is ignored."""
    before = await read(affiliate)
    after = await update(affiliate, Program(hold_days=7, attribution_window_days=1, name=""), "hold_days")
    assert after.hold_days == 7
    assert after.attribution_window_days == 30
    assert after.name == before.name
    assert after.updated_at.ToNanoseconds() > before.updated_at.ToNanoseconds()


async def test_without_a_mask_what_is_set_changes(affiliate: Affiliate) -> None:
    """Hosts are kept in one spelling, each once."""
    hosts = ["Shop.Example", "shop.example", "bücher.example", "127.0.0.1:3000"]
    after = await update(affiliate, Program(allowed_destination_hosts=hosts))
    assert after.allowed_destination_hosts == ["shop.example", "xn--bcher-kva.example", "127.0.0.1:3000"]


async def test_hosts_and_urls_on_them_change_in_one_call(affiliate: Affiliate) -> None:
    """URLs are judged against the hosts that hold afterwards."""
    after = await update(
        affiliate,
        Program(
            allowed_destination_hosts=["new.example"],
            product_url_template="https://new.example/{product_id}",
            fallback_url="https://NEW.example",
        ),
    )
    assert after.fallback_url == "https://new.example/"


async def test_named_field_that_is_unset_is_cleared(affiliate: Affiliate) -> None:
    """A fallback can be taken away again."""
    await update(affiliate, Program(fallback_url="https://shop.example/"))
    assert not (await update(affiliate, Program(), "fallback_url")).HasField("fallback_url")


BAD_SETTINGS = [
    (Program(hold_days=-1), "hold_days"),
    (Program(hold_days=366), "hold_days"),
    (Program(attribution_window_days=366), "attribution_window_days"),
    (Program(payout_minimum=-1), "payout_minimum"),
    (Program(payout_currency="EURO"), "payout_currency"),
    (Program(payout_currency="XXX"), "payout_currency"),
    (Program(time_zone="Mars/Olympus"), "time_zone"),
    (Program(time_zone="../../etc/passwd"), "time_zone"),
    (Program(time_zone="Europe"), "time_zone"),
    (Program(name="A\x00"), "name"),
    (Program(allowed_destination_hosts=["shop.example", "*.x.example"]), "allowed_destination_hosts[1]"),
    (Program(fallback_url="https://evil.example/"), "fallback_url"),
    (Program(product_url_template="https://evil.example/{slug}"), "product_url_template"),
    (Program(product_url_template="https://shop.example/"), "product_url_template"),
    (
        Program(default_commission=Commission(type=Commission.PERCENTAGE, rate="100.1")),
        "default_commission.rate",
    ),
    (
        Program(default_commission=Commission(type=Commission.FIXED, amount=1, currency="ZZZ")),
        "default_commission.currency",
    ),
]


async def test_bad_setting_is_refused_by_name(affiliate: Affiliate) -> None:
    """Nothing is changed, and the field to correct is named."""
    before = await read(affiliate)
    for program, named in BAD_SETTINGS:
        with pytest.raises(InvalidArgument) as refused:
            await update(affiliate, program)
        assert refused.value.fields[0].field == named
    assert await read(affiliate) == before


async def test_setting_that_must_hold_cannot_be_cleared(affiliate: Affiliate) -> None:
    """A program without these would leave later questions unanswered."""
    for path in ("name", "default_commission", "time_zone", "attribution_window_days"):
        with pytest.raises(InvalidArgument) as refused:
            await update(affiliate, Program(), path)
        assert refused.value.fields[0].field == path


async def test_change_is_audited_with_what_was_before(affiliate: Affiliate) -> None:
    """An update that changes nothing leaves no entry."""
    await update(affiliate, Program(hold_days=7))
    await update(affiliate, Program(hold_days=7))
    async with affiliate.sessions() as session:
        (entry,) = await session.scalars(select(AuditEntry))
    assert (entry.action, entry.before, entry.after) == (
        "program.update",
        {"hold_days": 14},
        {"hold_days": 7},
    )
