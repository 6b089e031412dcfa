"""The web side of the mailbox: a list and single mails, as pages for people and as JSON for programs.

Everything shown comes from strangers, so every value is escaped, HTML bodies appear as their source, and the
pages may load or run nothing.
"""

import json
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from server.standalone.mailbox.store import Envelope, MailStore, body, header, parse

OUR_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:1rem}}
</style></head><body><h1>{title}</h1>{content}</body></html>"""


class Pages(BaseHTTPRequestHandler):
    """Answers one request; `store` is set on a subclass by whoever starts the server."""

    store: MailStore
    protocol_version = "HTTP/1.1"
    server_version = "mailbox"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """`/`, `/mails/{id}`, `/mails/{id}/raw`, `/api/mails[?to=address]`, `/api/mails/{id}`."""
        if not self._asked_by_our_name():
            return self._send(HTTPStatus.FORBIDDEN, "text/plain", b"ask for 127.0.0.1 or localhost\n")
        url = urlsplit(self.path)
        match url.path.strip("/").split("/"):
            case [""]:
                self._page("Mailbox", list_page(self.store.envelopes(), self.store))
            case ["mails", mail_id]:
                self._mail_page(mail_id)
            case ["mails", mail_id, "raw"]:
                self._raw(mail_id)
            case ["api", "mails"]:
                self._json([facts(envelope, self.store) for envelope in self._wanted(url.query)])
            case ["api", "mails", mail_id]:
                self._mail_json(mail_id)
            case _:
                self._not_found()

    def do_DELETE(self) -> None:
        """`/api/mails` forgets every mail."""
        if not self._asked_by_our_name() or self.path != "/api/mails":
            return self._not_found()
        self.store.clear()
        self._json({})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name for it)
        """Says nothing: addresses do not belong in logs."""

    def _asked_by_our_name(self) -> bool:
        # A page elsewhere can point its own host name at loopback and then read our answers.
        name = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        return name in OUR_NAMES

    def _wanted(self, query: str) -> list[Envelope]:
        addresses = {address.casefold() for address in parse_qs(query).get("to", [])}
        kept = self.store.envelopes()
        if not addresses:
            return kept
        return [one for one in kept if addresses & {address.casefold() for address in one.recipients}]

    def _mail_page(self, mail_id: str) -> None:
        content = self.store.content(mail_id)
        if content is None:
            return self._not_found()
        message = parse(content)
        bodies = [text for kind in ("plain", "html") if (text := body(message, kind)) is not None]
        shown = "".join(f"<pre>{escape(text)}</pre>" for text in bodies)
        head = "\n".join(f"{name}: {header(message, name)}" for name in dict.fromkeys(message.keys()))
        raw = f'<p><a href="/mails/{escape(mail_id)}/raw">as received</a> · <a href="/">all</a></p>'
        self._page(header(message, "Subject") or "(no subject)", f"<pre>{escape(head)}</pre>{shown}{raw}")

    def _mail_json(self, mail_id: str) -> None:
        envelope, content = self.store.envelope(mail_id), self.store.content(mail_id)
        if envelope is None or content is None:
            return self._not_found()
        message = parse(content)
        headers = [[name, str(value)] for name, value in message.raw_items()]
        bodies = {"text": body(message, "plain"), "html": body(message, "html")}
        self._json({**facts(envelope, self.store), "headers": headers, **bodies})

    def _raw(self, mail_id: str) -> None:
        content = self.store.content(mail_id)
        if content is None:
            return self._not_found()
        self._send(HTTPStatus.OK, "text/plain; charset=utf-8", content)

    def _page(self, title: str, content: str) -> None:
        page = PAGE.format(title=escape(title), content=content).encode(errors="replace")
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page)

    def _json(self, value: Any) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(value).encode())

    def _not_found(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such mail\n")

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


def facts(envelope: Envelope, store: MailStore) -> dict[str, Any]:
    """What the list says about one mail."""
    message = parse(store.content(envelope.mail_id) or b"")
    return {
        "id": envelope.mail_id,
        "receivedAtMs": envelope.received_at_ms,
        "sender": envelope.sender,
        "recipients": list(envelope.recipients),
        "subject": header(message, "Subject"),
        "size": envelope.size,
    }


def list_page(envelopes: list[Envelope], store: MailStore) -> str:
    """The table of all mails, newest first."""
    if not envelopes:
        return "<p>Nothing has arrived yet.</p>"
    rows = "".join(_row(facts(envelope, store)) for envelope in envelopes)
    return f"<table><tr><th>Subject</th><th>From</th><th>To</th></tr>{rows}</table>"


def _row(mail: dict[str, Any]) -> str:
    subject = f'<a href="/mails/{escape(mail["id"])}">{escape(mail["subject"] or "(no subject)")}</a>'
    cells = (subject, escape(mail["sender"]), escape(", ".join(mail["recipients"])))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
