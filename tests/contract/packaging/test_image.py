"""The image's steps, performed in a clean folder, make processes that serve a click in production mode.

An engine's isolation is not here: the account, the read-only files and the environment are.
"""

import asyncio
import json
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from server.media.pictures.library import check_library
from server.standalone.backing import s3
from server.standalone.ports import free_port
from tests.contract.packaging.compose_file import OURS, ComposeFile
from tests.contract.packaging.container import Container, stop
from tools.image_steps import Stage

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the image is one of Linux")


@dataclass
class System:
    """Containers by service, each with the environment that compose gives it; the URLs are its doors."""

    containers: dict[str, Container]
    edge_url: str
    pictures_url: str

    def __getitem__(self, service: str) -> Container:
        return self.containers[service]


@pytest.fixture
async def s3_server(services_folder: Path) -> AsyncIterator[s3.ObjectStore]:
    """As the compose file's own."""
    state = services_folder / "pictures-of-the-image"
    state.mkdir()
    async with s3.running_object_store(state) as (server, _):
        yield server


@pytest.fixture
def system(  # noqa: PLR0917
    image: Stage,
    compose: ComposeFile,
    empty_postgres_dsn: str,
    redis_url: str,
    redis_prefix: str,
    s3_server: s3.ObjectStore,
) -> System:
    """What differs from compose is where things are: the stores of the tests, and free ports."""
    grpc, edge, uploads, pictures = free_port(), free_port(), free_port(), free_port()
    places = {
        "MILLRACE_S3_ENDPOINT": s3_server.endpoint,
        "MILLRACE_S3_ACCESS_KEY": s3_server.access_key,
        "MILLRACE_S3_SECRET_KEY": s3_server.secret_key,
        "MILLRACE_S3_DOOR_PORT": str(uploads),
        "MILLRACE_MEDIA_PORT": str(pictures),
        "MILLRACE_POSTGRES_DSN": empty_postgres_dsn,
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_REDIS_PREFIX": redis_prefix,
        "MILLRACE_GRPC_LISTEN": f"0.0.0.0:{grpc}",
        "MILLRACE_GRPC_TARGET": f"dns:///localhost:{grpc}",
        "MILLRACE_EDGE_PORT": str(edge),
    }

    def container(service: str) -> Container:
        given = compose.environment(service)
        here = {name: place for name, place in places.items() if name in {*given, *image.environment}}
        own = {"MILLRACE_REDIS_PREFIX": redis_prefix, "MILLRACE_METRICS_PORT": str(free_port())}
        return Container(image, {**given, **here, **own})

    return System(
        {name: container(name) for name in OURS},
        f"http://127.0.0.1:{edge}",
        f"http://127.0.0.1:{pictures}",
    )


@asynccontextmanager
async def running(system: System, image: Stage, compose: ComposeFile) -> AsyncIterator[None]:
    """Start in compose's order, each once the last is healthy; end all of them within compose's patience."""
    async with AsyncExitStack() as stack:
        for name in ("server", "drain", "worker", "scheduler", "bucket-door", "edge"):
            process = await system[name].start(*compose.services[name]["command"])
            patience = float(compose.services[name]["stop_grace_period"].removesuffix("s"))
            stack.push_async_callback(_stopped, process, image, patience)
            _, *health = compose.services[name]["healthcheck"]["test"]
            await system[name].becomes_healthy(process, *health)
        yield


async def _stopped(process: asyncio.subprocess.Process, image: Stage, patience: float) -> None:
    try:
        assert await stop(process, image, within=patience) == 0
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise


async def test_a_click_through_the_image(system: System, image: Stage, compose: ComposeFile) -> None:
    """Migrate, start, make a link, click it, and find the click counted; then everything ends with 0."""
    before = _files(image)
    code, _, complaint = await system["migrate"].run(
        *image.entrypoint, *compose.services["migrate"]["command"]
    )
    assert (code, complaint) == (0, "")

    async with running(system, image, compose), aiohttp.ClientSession(system.edge_url) as session:
        admin = Api(session, await _token(system, "--role", "admin"))
        partner_id = (await admin.post("partners", {"name": "Ada", "email": "ada@partners.example"}))[
            "partnerId"
        ]
        await admin.post(f"partners/{partner_id}:approve", {})
        partner = Api(session, await _token(system, "--role", "partner", "--partner-id", partner_id))
        link = await partner.post("links", {"destinationUrl": "https://shop.example/kettle"})
        click = await session.get(
            f"/l/{link['shortCode']}", headers={"User-Agent": BROWSER}, allow_redirects=False
        )
        assert (click.status, click.headers["Location"]) == (302, "https://shop.example/kettle")
        assert "Secure" not in click.headers["Set-Cookie"]  # the address in the .env is a plain one
        assert await _clicks_counted(partner, link["linkId"]) == 1
        await _documents_are_there(session)
        assert (await session.get(f"{system.pictures_url}/product/kettle/none.jpg")).status == 404

    assert _files(image) == before


async def test_the_files_belong_to_somebody_else(image: Stage) -> None:
    """The image's account can write nothing of the image."""
    container = Container(image, {})
    folder = shlex.quote(str(image.place("/opt/millrace")))
    probe = f"import os; print(any(os.access(top, os.W_OK) for top, _, _ in os.walk({folder!r})))"
    _, said, _ = await container.run("python", "-c", probe)
    assert said.strip() == str(os.geteuid() != 0)


async def test_the_image_has_a_fit_library_of_pictures(image: Stage) -> None:
    """Of the kind that this environment has."""
    code, said, complaint = await Container(image, {}).run("python", "-m", "server.media.pictures.library")
    assert (code, complaint) == (0, "")
    assert json.loads(said) == msgspec.to_builtins(check_library())


def _files(image: Stage) -> set[Path]:
    return set(image.place("/opt/millrace").rglob("*"))


async def _token(system: System, *arguments: str) -> str:
    server = system["server"]
    code, token, complaint = await server.run(*server.image.entrypoint, "token", "mint", *arguments)
    assert (code, complaint) == (0, "")
    return token.strip()


async def _documents_are_there(session: aiohttp.ClientSession) -> None:
    """The contract and the page's assets are data files, which a wheel may leave out."""
    contract = await session.get("/api/openapi.json")
    assert (await contract.json())["openapi"].startswith("3.1")
    page = await (await session.get("/api/docs")).text()
    assets = re.findall(r'="(?:/api/)?(docs/assets/[^"]+)"', page)
    assert assets
    for asset in assets:
        assert (await session.get(f"/api/{asset}")).status == 200, asset


async def _clicks_counted(partner: "Api", link_id: str) -> int:
    async with asyncio.timeout(30):
        while True:
            stats = await partner.get(f"links/{link_id}/stats")
            if clicks := int(stats["humanClicks"]):
                return clicks
            await asyncio.sleep(0.1)


class Api:
    """Calls the affiliate paths as one caller and expects success."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: Any) -> Any:
        return await self._call("POST", path, json=body)

    async def get(self, path: str) -> Any:
        return await self._call("GET", path)

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        url = f"/api/v1/affiliate/{path}"
        async with self._session.request(method, url, headers=self._headers, **options) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()
