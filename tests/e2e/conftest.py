"""One running stack for all journeys, and a caller for each role."""

import asyncio
import itertools
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.browser import output_of
from tests.stack import ROOT, Stack, running_stack
from tools.chromium import ADVICE, can_install, find_chromium, install_chromium

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36"
)
SHOP = "shop.example"
FRONTEND = "https://frontend.example"
DECODE_MEMORY_MIB = 160


@dataclass(frozen=True)
class Answer:
    """What came back from one request."""

    status: int
    headers: Any
    body: Any

    def json(self) -> Any:
        return self.body


class Api:
    """Calls REST paths as one caller."""

    def __init__(self, session: aiohttp.ClientSession, token: str | None) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = {**self._headers, **options.pop("headers", {})}
        async with self._session.request(method, path, json=body, headers=headers, **options) as response:
            is_json = "json" in response.headers.get("Content-Type", "")
            content = await response.json(content_type=None) if is_json else await response.text()
            return Answer(response.status, response.headers, content)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", path, {} if body is None else body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def made(self, path: str, body: Any = None) -> Any:
        """Posts and expects success."""
        answer = await self.post(path, body)
        assert answer.status == 200, answer.body
        return answer.body


@dataclass(frozen=True)
class Visitors:
    """Shoppers with addresses of their own; the stack trusts loopback to forward them."""

    session: aiohttp.ClientSession
    numbers: Iterator[int]

    def address(self) -> str:
        number = next(self.numbers)
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    async def click(
        self, code: str, *, address: str | None = None, method: str = "GET", query: str = "", **headers: str
    ) -> Answer:
        sent = {"User-Agent": BROWSER, "X-Forwarded-For": address or self.address()}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, f"/l/{code}{query}", headers=sent, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.text())


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with stack_in_new_folder(
        {
            "MILLRACE_EDGE_PROCESSES": "2",
            "MILLRACE_CORS_ORIGINS": FRONTEND,
            # Little, so that a picture that needs too much is soon there.
            "MILLRACE_MEDIA_DECODE_MEMORY_MIB": str(DECODE_MEMORY_MIB),
        }
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def victim() -> AsyncIterator[Stack]:
    """A stack whose processes are killed and restarted, apart so that other journeys do not feel it."""
    async with stack_in_new_folder(
        {
            "MILLRACE_EDGE_PROCESSES": "2",
            "MILLRACE_SERVER_PROCESSES": "2",
            # So that the jobs of a dead worker are soon tried again.
            "MILLRACE_JOB_LEASE_SECONDS": "3",
        }
    ) as running:
        yield running


@asynccontextmanager
async def stack_in_new_folder(settings: Mapping[str, str]) -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="millrace-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with running_stack(folder, settings) as running:
            yield running


@pytest.fixture
async def session(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=100)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(stack["edge_url"], connector=connector, cookie_jar=jar) as opened:
        yield opened


@pytest.fixture
def admin(session: aiohttp.ClientSession, stack: Stack) -> Api:
    return Api(session, stack["admin_token"])


@pytest.fixture
def nobody(session: aiohttp.ClientSession) -> Api:
    return Api(session, None)


@pytest.fixture
def visitors(session: aiohttp.ClientSession) -> Visitors:
    # Every test has a crowd of its own, so that uniqueness starts afresh.
    return Visitors(session, itertools.count(uuid.uuid4().int % 8_000_000))


@pytest.fixture
async def partner(admin: Api, session: aiohttp.ClientSession) -> tuple[Api, dict[str, Any]]:
    """A new ACTIVE partner, as caller and as record."""
    created = await admin.made(
        "/api/v1/affiliate/partners", {"name": "Ada", "email": f"{uuid.uuid4().hex}@partners.example"}
    )
    path = f"/api/v1/affiliate/partners/{created['partnerId']}"
    approved = await admin.made(f"{path}:approve")
    token = (await admin.made(f"{path}:mintToken"))["token"]
    return Api(session, token), approved


@pytest.fixture
async def product(admin: Api) -> dict[str, Any]:
    """A product that the catalogue knows."""
    product_id = f"e2e-{uuid.uuid4().hex[:12]}"
    made: dict[str, Any] = await admin.made(
        "/api/v1/catalog/products",
        {
            "productId": product_id,
            "name": f"Kettle {product_id}",
            "variants": [{"sku": "K-1", "price": "2995", "currency": "EUR"}],
        },
    )
    return made


@pytest.fixture
def new_link(
    partner: tuple[Api, dict[str, Any]], product: dict[str, Any]
) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Makes a link of the partner to the product."""

    async def make(**fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = await partner[0].made(
            "/api/v1/affiliate/links", {"productId": product["productId"], **fields}
        )
        return made

    return make


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> Path:
    found = find_chromium()
    if found is None and can_install():
        request.config.get_terminal_writer().line("\ninstalling Chromium with apt-get", flush=True)
        found = install_chromium()
        assert found is not None, "apt-get did not bring a Chromium"
    if found is None:
        pytest.skip(ADVICE)
    return found


@pytest.fixture(scope="session")
async def driver() -> Path:
    """The folder in which the browser's driver is installed."""
    await output_of(sys.executable, str(ROOT / "tools" / "typescript.py"), "install")
    return ROOT / "clients" / "typescript"


async def eventually(check: Callable[[], Awaitable[bool]], *, within_seconds: float) -> None:
    """Awaits the moment at which the check holds; fails when it has not come in time."""
    async with asyncio.timeout(within_seconds):
        while not await check():
            await asyncio.sleep(0.05)
