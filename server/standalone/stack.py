"""One stack from nothing to ready: which step needs which other, and nothing else."""

import asyncio
import dataclasses
import socket
import sys
from collections.abc import Mapping
from typing import Any

from server.standalone.backing.postgres import ensure_database
from server.standalone.backing.services import BackingServices, prepare_services
from server.standalone.children import ChildSpec
from server.standalone.development_keys import load_or_make_keys
from server.standalone.endpoints import Endpoints
from server.standalone.own_processes import (
    BUCKET_DOOR,
    edge_url,
    own_environment,
    own_processes,
    server_ports,
    stop_order,
)
from server.standalone.ports import RememberedPorts
from server.standalone.probes import at_once
from server.standalone.schema import look_at, migrations_digest, read_installed, write_installed
from server.standalone.settings import PROJECT, Settings
from server.standalone.supervision import Supervisor
from server.standalone.terminal import say
from server.standalone.tokens import DevelopmentTokens, Signing

BACKING_READY_WITHIN = 60.0
OWN_READY_WITHIN = 60.0
DEMO_DAYS = 28
# Counts up when there is more to write: a stack that was seeded before gets it at its next start.
DEMO_HISTORY = 2
# So does this, when the pictures of the products are drawn otherwise.
DEMO_PICTURES = 1


class Stack:
    """A stack being started. Whoever makes it calls `stop` in the end, however far `start` came."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, ports: RememberedPorts, door: socket.socket
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._ports = ports
        self._door = door
        self._logs = settings.state / "logs"
        self._own: list[ChildSpec] = []
        self._installed = read_installed(settings.state)

    async def start(self) -> Endpoints:
        """Starts everything and returns once everything is ready.

        Backing services start first. With a schema that is known to be current, our processes start at once
        and wait for the services by themselves; else the schema is brought up to date before.
        """
        services = await self._start_services()
        keys = load_or_make_keys(self._settings.state)
        environment = own_environment(
            self._settings,
            services,
            keys,
            grpc_ports=tuple(server_ports(self._settings, self._ports).values()),
            edge_port=self._edge_port(),
        )
        tokens = DevelopmentTokens(self._settings.state, _signing(environment))
        environment["MILLRACE_EDGE_TOKEN"] = tokens.token("edge", "service")
        self._own = own_processes(
            self._settings,
            environment,
            self._ports,
            self._door,
            self._logs,
            bucket_door=services.pictures.door,
        )
        self._ports.save()
        current = self._installed.migrations == migrations_digest()
        if current:
            self._start_own()
        await self._supervisor.wait_ready([child.name for child in services.children], BACKING_READY_WITHIN)
        await self._ensure_schema(services, environment)
        if not current:
            self._start_own()
        await self._supervisor.wait_ready([child.name for child in self._own], OWN_READY_WITHIN)
        partner_id = await self._ensure_demo(environment, tokens)
        return self._endpoints(services, environment, tokens, partner_id)

    def metrics_ports(self) -> dict[str, int]:
        """The metrics port of each process of ours that has one."""
        return {
            child.name: self._ports.port(f"metrics-{child.name}")
            for child in self._own
            if child.name != BUCKET_DOOR
        }

    async def stop(self) -> None:
        """Stops our processes in order, then the backing services."""
        await self._supervisor.stop(stop_order([child.name for child in self._own]))

    async def _start_services(self) -> BackingServices:
        if self._installed.database == "":
            say("first start: making the databases; this takes a few seconds")
        services = await prepare_services(self._settings, self._ports, self._logs)
        for child in services.children:
            self._supervisor.start(child)
        return services

    def _start_own(self) -> None:
        for child in self._own:
            self._supervisor.start(child)

    def _edge_port(self) -> int:
        return int(self._door.getsockname()[1])

    async def _ensure_schema(self, services: BackingServices, environment: Mapping[str, str]) -> None:
        if services.own_postgres and self._installed.database == "":
            await ensure_database(services.own_postgres)
        digest = migrations_digest()
        found = await look_at(services.postgres_dsn)
        known = self._installed
        if (digest, found.database, found.revision) != (known.migrations, known.database, known.revision):
            say("bringing the database schema up to date")
            await self._supervisor.run_to_end(self._step("server.standalone.migrate", environment))
            found = await look_at(services.postgres_dsn)
        if known.database != found.database:  # it has no demo shop yet
            self._note(partner_id=None, history=0, pictures=0)
        self._note(migrations=digest, database=found.database, revision=found.revision)

    async def _ensure_demo(self, environment: Mapping[str, str], tokens: DevelopmentTokens) -> str:
        as_admin = {**environment, "MILLRACE_ADMIN_TOKEN": tokens.token("admin", "admin")}
        if self._installed.partner_id is None:
            say("seeding the demo shop")
            self._note(partner_id=await self._answer_of("server.standalone.seed", as_admin))
        await asyncio.gather(self._ensure_history(environment), self._ensure_pictures(as_admin))
        return self._installed.partner_id or ""

    async def _ensure_history(self, environment: Mapping[str, str]) -> None:
        if self._installed.history < DEMO_HISTORY:
            say("writing four weeks of clicks and visits")
            await self._supervisor.run_to_end(
                self._step("workers.backfill", environment, "--days", str(DEMO_DAYS))
            )
            self._note(history=DEMO_HISTORY)

    async def _ensure_pictures(self, environment: Mapping[str, str]) -> None:
        """A start does not fail for want of a picture; the next one tries again."""
        if self._installed.pictures < DEMO_PICTURES:
            say("drawing and uploading pictures of the demo shop's products")
            missing = await self._answer_of("server.standalone.demo_pictures", environment)
            if not missing:
                self._note(pictures=DEMO_PICTURES)
                return
            products = missing.splitlines()
            say(f"{len(products)} demo products show no picture yet, the first: {products[0]}")

    async def _answer_of(self, module: str, environment: Mapping[str, str]) -> str:
        """What a step that asks the server writes into the file that it is given."""
        answer = self._settings.state / f"{module.rpartition('.')[2]}.answer"
        target = environment["MILLRACE_GRPC_TARGET"]
        await self._supervisor.run_to_end(self._step(module, environment, target, str(answer)))
        return answer.read_text().strip()

    def _step(self, module: str, environment: Mapping[str, str], *arguments: str) -> ChildSpec:
        name = module.rpartition(".")[2]
        return ChildSpec(
            name=name,
            command=(sys.executable, "-m", module, *arguments),
            environment=environment,
            folder=PROJECT,
            log=self._logs / f"{name}.log",
            ready=at_once,
        )

    def _note(self, **changes: Any) -> None:
        self._installed = dataclasses.replace(self._installed, **changes)
        write_installed(self._settings.state, self._installed)

    def _endpoints(
        self,
        services: BackingServices,
        environment: Mapping[str, str],
        tokens: DevelopmentTokens,
        partner_id: str,
    ) -> Endpoints:
        return Endpoints(
            edge_url=edge_url(self._settings, self._edge_port()),
            grpc_target=environment["MILLRACE_GRPC_TARGET"],
            postgres_dsn=services.postgres_dsn,
            redis_url=services.redis_url,
            s3_endpoint=services.pictures.endpoint,
            s3_upload_endpoint=services.pictures.upload_endpoint,
            s3_access_key=services.pictures.access_key,
            s3_secret_key=services.pictures.secret_key,
            s3_bucket=services.pictures.bucket,
            media_url=services.pictures.public_url,
            smtp=services.smtp,
            mailbox_url=services.mailbox_url,
            admin_token=tokens.token("admin", "admin"),
            partner_token=tokens.token("demo-partner", "partner", partner_id),
            partner_id=partner_id,
            service_token=tokens.token("service", "service"),
            metrics={name: f"http://127.0.0.1:{port}/metrics" for name, port in self.metrics_ports().items()},
        )


def _signing(environment: Mapping[str, str]) -> Signing:
    return Signing(
        secrets=environment["MILLRACE_JWT_SECRETS"],
        issuer=environment.get("MILLRACE_JWT_ISSUER", "millrace"),
        audience=environment.get("MILLRACE_JWT_AUDIENCE", "millrace"),
    )
