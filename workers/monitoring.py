"""The small HTTP server for operators, in a thread of its own: /metrics, /healthz and /readyz."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from workers.health import Health


@contextmanager
def serving_monitoring(host: str, port: int, registry: CollectorRegistry, health: Health) -> Iterator[None]:
    """Serve until the block ends; port 0 serves nothing."""
    if port == 0:
        yield
        return
    server = ThreadingHTTPServer((host, port), _handler(registry, health))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="monitoring", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(registry: CollectorRegistry, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds; a silent caller does not keep its thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/healthz":
                self._answer(HTTPStatus.OK, "application/json", b'{"status": "alive"}')
            elif path == "/readyz":
                status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", json.dumps(dict(health.states())).encode())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name for it
            """Scrapes are not worth a log line."""

    return Handler
