"""Caught mails on disk, newest kept: one file each, an envelope line in JSON, then the bytes as received."""

import contextlib
import json
import threading
import uuid
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

MAX_MAILS = 1_000
MAX_TOTAL_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True)
class Envelope:
    """What the SMTP session said about a mail, and when it ended (milliseconds since 1970)."""

    mail_id: str
    received_at_ms: int
    sender: str
    recipients: tuple[str, ...]
    size: int


class MailStore:
    """The newest mails of a folder, oldest first; safe to use from several threads."""

    def __init__(self, folder: Path, *, max_mails: int = MAX_MAILS, max_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._folder = folder
        self._max_mails = max_mails
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._envelopes = {envelope.mail_id: envelope for envelope in self._read_folder()}

    def add(self, sender: str, recipients: list[str], content: bytes, *, now_ms: int) -> Envelope:
        """Keeps a mail, and forgets the oldest ones that no longer fit. On return the mail is in its file."""
        # Ids sort by arrival, so that the order survives a restart.
        mail_id = f"{now_ms:013d}-{uuid.uuid4().hex[:12]}"
        envelope = Envelope(mail_id, now_ms, sender, tuple(recipients), len(content))
        unfinished = self._folder / f"{mail_id}.part"
        unfinished.write_bytes(json.dumps(asdict(envelope)).encode() + b"\n" + content)
        with self._lock:
            unfinished.replace(self._file(mail_id))
            self._envelopes[mail_id] = envelope
            self._forget_oldest()
        return envelope

    def envelopes(self) -> list[Envelope]:
        """All envelopes, newest first."""
        with self._lock:
            return list(reversed(self._envelopes.values()))

    def content(self, mail_id: str) -> bytes | None:
        """The mail exactly as received; None when unknown or forgotten."""
        with self._lock:
            if mail_id not in self._envelopes:
                return None
            return self._file(mail_id).read_bytes().partition(b"\n")[2]

    def envelope(self, mail_id: str) -> Envelope | None:
        """The envelope of one mail; None when unknown or forgotten."""
        with self._lock:
            return self._envelopes.get(mail_id)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            for mail_id in list(self._envelopes):
                self._forget(mail_id)

    def _forget_oldest(self) -> None:
        total = sum(envelope.size for envelope in self._envelopes.values())
        while len(self._envelopes) > 1 and (
            len(self._envelopes) > self._max_mails or total > self._max_bytes
        ):
            oldest = next(iter(self._envelopes))
            total -= self._envelopes[oldest].size
            self._forget(oldest)

    def _forget(self, mail_id: str) -> None:
        del self._envelopes[mail_id]
        self._file(mail_id).unlink(missing_ok=True)

    def _file(self, mail_id: str) -> Path:
        return self._folder / f"{mail_id}.mail"

    def _read_folder(self) -> list[Envelope]:
        for unfinished in self._folder.glob("*.part"):
            unfinished.unlink()
        found = []
        for file in sorted(self._folder.glob("*.mail")):
            with contextlib.suppress(ValueError, TypeError), file.open("rb") as source:
                fields = json.loads(source.readline())
                found.append(Envelope(**{**fields, "recipients": tuple(fields["recipients"])}))
        return found


def parse(content: bytes) -> EmailMessage:
    """The mail as a message; broken ones are parsed as far as they go."""
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101  (policy.default says so; the type checker cannot)
    return message


def body(message: EmailMessage, kind: str) -> str | None:
    """The text of the `plain` or `html` body; None when the mail has none or it cannot be decoded."""
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):
        return None


def header(message: EmailMessage, name: str) -> str:
    """A header's text, empty when missing or beyond parsing."""
    try:
        return str(message.get(name, ""))
    except (
        LookupError,
        ValueError,
        AttributeError,
        IndexError,
        TypeError,
    ):  # hostile headers break the parser
        return ""
