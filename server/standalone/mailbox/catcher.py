"""The SMTP side of the mailbox: takes every mail of reasonable size, for any address."""

import time

from aiosmtpd.smtp import SMTP, Envelope, Session

from server.standalone.mailbox.store import MailStore

MAX_MAIL_BYTES = 10 * 1024 * 1024
MAX_RECIPIENTS = 1_000


class Catcher:
    """The handler that aiosmtpd calls."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_RCPT(  # noqa: N802  (aiosmtpd looks hooks up by verb)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuses recipients past the bound, as a real server would."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  (aiosmtpd looks hooks up by verb)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keeps the mail; the positive reply means that it is in its file."""
        content = (
            envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        )
        kept = self._store.add(
            envelope.mail_from or "", list(envelope.rcpt_tos), content, now_ms=time.time_ns() // 1_000_000
        )
        return f"250 2.0.0 kept as {kept.mail_id}"


def smtp_session(store: MailStore) -> SMTP:
    """The protocol of one connection."""
    return SMTP(
        Catcher(store), data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, hostname="mailbox.localhost"
    )
