"""Use cases of the program's settings. How they reach the links is told in `snapshots`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.affiliate.commission import Commission
from server.affiliate.currencies import UnknownCurrency, check_currency
from server.affiliate.destinations import DestinationRules, RefusedDestination
from server.affiliate.hosts import RefusedHost, normalise_allowed_host
from server.affiliate.models import Program
from server.affiliate.product_urls import check_template
from server.affiliate.repository.programs import ProgramRepository
from server.affiliate.service import fields
from server.affiliate.service.changes import changed_values
from server.affiliate.service.errors import refused_field
from server.affiliate.snapshots import destination_rules
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """New values of the settings; only those named beside it count. Durations are in days."""

    name: str
    allowed_destination_hosts: tuple[str, ...]
    product_url_template: str | None
    default_commission: Commission | None
    attribution_window_days: int
    hold_days: int
    payout_minimum: int
    payout_currency: str
    time_zone: str
    fallback_url: str | None
    precedence: str


class ProgramService:
    """Constructor: the session factory, and the base of our short URLs, to which no link may lead."""

    def __init__(self, sessions: Sessions, *, public_url: str) -> None:
        self._sessions = sessions
        self._public_url = public_url

    async def read(self) -> Program:
        """The settings now in force."""
        async with self._sessions() as session:
            return await ProgramRepository(session).read()

    async def update(self, actor: Actor, settings: ProgramSettings, paths: frozenset[str]) -> Program:
        """Changes the settings named in `paths`, all or none; raises InvalidArgument.

        URLs are judged against the hosts that hold after the change.
        """
        async with self._sessions.begin() as session:
            program = await ProgramRepository(session).lock()
            # Hosts come first: the URLs of the same request may lie on them.
            for path in sorted(paths, key=lambda path: path != "allowed_destination_hosts"):
                _APPLY[path](program, settings, destination_rules(program, self._public_url))
            before, after = changed_values(program)
            if not after:
                return program
            program.version += 1
            program.updated_at = datetime.now(UTC)
            AuditRepository(session).add(actor, "program.update", "program", before=before, after=after)
        return program


_Apply = Callable[[Program, ProgramSettings, DestinationRules], None]


def _name(program: Program, settings: ProgramSettings, _rules: DestinationRules) -> None:
    program.name = fields.line("name", settings.name)


def _hosts(program: Program, settings: ProgramSettings, _rules: DestinationRules) -> None:
    hosts: dict[str, None] = {}
    for index, text in enumerate(settings.allowed_destination_hosts):
        try:
            hosts[normalise_allowed_host(text)] = None
        except RefusedHost as error:
            raise refused_field(f"allowed_destination_hosts[{index}]", str(error)) from error
    program.allowed_destination_hosts = list(hosts)


def _template(program: Program, settings: ProgramSettings, rules: DestinationRules) -> None:
    template = settings.product_url_template
    try:
        program.product_url_template = check_template(template, rules) if template else None
    except RefusedDestination as error:
        raise refused_field("product_url_template", str(error), "DESTINATION_NOT_ALLOWED") from error


def _commission(program: Program, settings: ProgramSettings, _rules: DestinationRules) -> None:
    if settings.default_commission is None:
        raise refused_field("default_commission", "must be set: every sale needs one rule that holds")
    program.commission = settings.default_commission


def _currency(program: Program, settings: ProgramSettings, _rules: DestinationRules) -> None:
    try:
        program.payout_currency = check_currency(settings.payout_currency)
    except UnknownCurrency as error:
        raise refused_field("payout_currency", str(error)) from error


def _time_zone(program: Program, settings: ProgramSettings, _rules: DestinationRules) -> None:
    try:
        ZoneInfo(settings.time_zone)
    # ZoneInfo reads a file: what is no key at all ("../x", "", "Europe") fails in ways of its own.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refused_field("time_zone", "must be an IANA name such as Europe/Berlin") from error
    program.time_zone = settings.time_zone


def _fallback(program: Program, settings: ProgramSettings, rules: DestinationRules) -> None:
    program.fallback_url = fields.optional_destination("fallback_url", settings.fallback_url, rules)


def _plain(name: str) -> _Apply:
    """A setting whose only rules are those of the contract."""
    return lambda program, settings, _rules: setattr(program, name, getattr(settings, name))


_APPLY: Mapping[str, _Apply] = {
    "name": _name,
    "allowed_destination_hosts": _hosts,
    "product_url_template": _template,
    "default_commission": _commission,
    "attribution_window_days": _plain("attribution_window_days"),
    "hold_days": _plain("hold_days"),
    "payout_minimum": _plain("payout_minimum"),
    "payout_currency": _currency,
    "time_zone": _time_zone,
    "fallback_url": _fallback,
    "precedence": _plain("precedence"),
}
