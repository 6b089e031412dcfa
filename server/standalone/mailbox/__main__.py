"""`python -m server.standalone.mailbox FOLDER SMTP_PORT HTTP_PORT`: catches mail until stopped."""

import asyncio
import signal
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from server.standalone.mailbox.catcher import smtp_session
from server.standalone.mailbox.pages import Pages
from server.standalone.mailbox.store import MailStore


async def serve(store: MailStore, smtp_port: int, http_port: int) -> None:
    """Serves both sides until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    pages = ThreadingHTTPServer(("127.0.0.1", http_port), type("OurPages", (Pages,), {"store": store}))
    pages.daemon_threads = True
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    async with await loop.create_server(lambda: smtp_session(store), "127.0.0.1", smtp_port):
        await stopping.wait()
    pages.shutdown()


if __name__ == "__main__":
    folder, smtp, http = sys.argv[1:]
    asyncio.run(serve(MailStore(Path(folder)), int(smtp), int(http)))
