"""RPCs of the program's settings."""

from typing import Any

from google.protobuf.message import Message

from millrace.affiliate.v1.affiliate_service_pb2 import GetProgramRequest, UpdateProgramRequest
from millrace.affiliate.v1.program_pb2 import Program as ProgramMessage
from server.affiliate.models import Program
from server.affiliate.service.programs import ProgramService, ProgramSettings
from server.affiliate.servicer.masks import paths_to_change
from server.affiliate.servicer.values import commission_message, instant, read_commission
from server.auth.actor import current_actor
from server.rpc.validation import ContractRules, invalid_fields


class ProgramRpcs:
    """GetProgram and UpdateProgram."""

    def __init__(self, programs: ProgramService, rules: ContractRules) -> None:
        self._programs = programs
        self._rules = rules

    async def GetProgram(self, request: GetProgramRequest, context: Any) -> ProgramMessage:  # noqa: N802
        return program_message(await self._programs.read())

    async def UpdateProgram(self, request: UpdateProgramRequest, context: Any) -> ProgramMessage:  # noqa: N802
        paths = paths_to_change(request.program, request.update_mask)
        self._check(request.program, paths)
        updated = await self._programs.update(current_actor(), _settings(request.program), paths)
        return program_message(updated)

    def _check(self, program: Message, paths: frozenset[str]) -> None:
        # The contract leaves the settings unchecked as a whole: what is not in the mask may be empty.
        violations = [
            found
            for found in self._rules.violations_of(program)
            if found.field.partition(".")[0].partition("[")[0] in paths
        ]
        if violations:
            raise invalid_fields(violations)


def program_message(program: Program) -> ProgramMessage:
    """The settings as the contract shows them."""
    return ProgramMessage(
        name=program.name,
        allowed_destination_hosts=program.allowed_destination_hosts,
        product_url_template=program.product_url_template or "",
        default_commission=commission_message(program.commission),
        attribution_window_days=program.attribution_window_days,
        hold_days=program.hold_days,
        payout_minimum=program.payout_minimum,
        payout_currency=program.payout_currency,
        time_zone=program.time_zone,
        fallback_url=program.fallback_url,
        precedence=ProgramMessage.Precedence.Value(program.precedence),
        updated_at=instant(program.updated_at),
    )


def _settings(program: ProgramMessage) -> ProgramSettings:
    precedence = program.precedence or ProgramMessage.COUPON
    return ProgramSettings(
        name=program.name,
        allowed_destination_hosts=tuple(program.allowed_destination_hosts),
        product_url_template=program.product_url_template or None,
        default_commission=read_commission(program, "default_commission"),
        attribution_window_days=program.attribution_window_days,
        hold_days=program.hold_days,
        payout_minimum=program.payout_minimum,
        payout_currency=program.payout_currency,
        time_zone=program.time_zone,
        fallback_url=program.fallback_url or None,
        precedence=ProgramMessage.Precedence.Name(precedence),
    )
