"""The command line of the tool: reads it, says in one line what is wrong with it, and serves."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click
import grpc
import uvloop

from edge.client_address import Network
from edge.gateway.app import serving
from edge.gateway.descriptor_sets import Contract, read_contract
from edge.gateway.forwarding import can_forward
from edge.gateway.options import Options
from edge.gateway.refusals import StartRefused, cannot_listen
from edge.gateway.tls import TlsFiles, credentials_of
from edge.lifetime import until_stopped
from edge.logs import configure_logs
from edge.rest.gateway import DEFAULT_DEADLINE_S
from edge.sockets import listening_socket

_FILE = click.Path(path_type=Path)
_PORT = click.IntRange(0, 65_535)


class _Refusal(click.ClickException):
    exit_code = 2


def _networks(context: click.Context, option: click.Parameter, value: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _header_names(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not can_forward(name):
            raise click.BadParameter(f"{name!r} cannot be sent along as gRPC metadata.")
    return names


def _target(context: click.Context, option: click.Parameter, value: str) -> str:
    if not value or value.startswith(("http://", "https://")):
        raise click.BadParameter("write HOST:PORT, without http://; --tls makes the connection secure.")
    return value


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.option(
    "--descriptor-set",
    "descriptor_sets",
    type=_FILE,
    multiple=True,
    required=True,
    metavar="FILE",
    help="The compiled contract, imports included: of `protoc --include_imports --descriptor_set_out=FILE`, "
    "or an image of `buf build -o FILE`. May be repeated.",
)
@click.option(
    "--upstream",
    required=True,
    metavar="HOST:PORT",
    callback=_target,
    help="The gRPC server, or any name that gRPC resolves; calls are spread over all its addresses.",
)
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
@click.option("--port", type=_PORT, default=8080, metavar="PORT", help="The port to listen on; 0: any.")
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    help="Serve only this service, by its full name. May be repeated.  [default: all that have HTTP rules]",
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=DEFAULT_DEADLINE_S,
    metavar="SECONDS",
    help="How long a request may take, from its head to the last byte of the answer. A stream may go on.",
)
@click.option("--tls", is_flag=True, help="Speak TLS to the upstream. The other --tls options imply it.")
@click.option(
    "--tls-ca", type=_FILE, metavar="FILE", help="PEM of the authorities that the upstream is known by."
)
@click.option(
    "--tls-cert", type=_FILE, metavar="FILE", help="PEM of the certificate that is shown to the upstream."
)
@click.option("--tls-key", type=_FILE, metavar="FILE", help="PEM of that certificate's key.")
@click.option(
    "--watch-health/--no-watch-health",
    "watches_health",
    default=False,
    help="Send nothing to an address whose gRPC health service does not say SERVING. Not for a server that "
    "asks for a credential when its health is watched: it would get nothing at all.",
)
@click.option(
    "--forward-header",
    "forwarded_headers",
    multiple=True,
    metavar="NAME",
    callback=_header_names,
    help="Send this request header along as metadata, too. May be repeated.",
)
@click.option(
    "--trusted-proxies",
    default="",
    metavar="NETWORKS",
    callback=_networks,
    help="Comma list of networks whose X-Forwarded-For is believed.",
)
@click.option("--metrics-host", default="127.0.0.1", help="The address of /metrics.")
@click.option("--metrics-port", type=_PORT, default=0, metavar="PORT", help="The port of /metrics; 0: none.")
@click.option(
    "--docs/--no-docs",
    "has_documents",
    default=True,
    help="Serve the contract as OpenAPI at /api/openapi.json, and a page to browse it at /api/docs.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.option(
    "--log-format", type=click.Choice(["console", "json"]), help="[default: json unless at a terminal]"
)
def main(
    *,
    descriptor_sets: tuple[Path, ...],
    services: tuple[str, ...],
    log_level: str,
    log_format: str | None,
    tls: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    **options: Any,
) -> None:
    """Serves the HTTP rules (google.api.http) of a compiled protobuf contract in front of a gRPC server.

    Requests and answers are proto3 JSON, read strictly; errors are application/problem+json. SIGTERM and
    SIGINT stop it without failing a request.
    """
    try:
        contract = read_contract(descriptor_sets, services)
        credentials = _credentials(tls, TlsFiles(tls_ca, tls_cert, tls_key))
        door = _door(Options(credentials=credentials, **options), contract)
        configure_logs(log_level, log_format or ("console" if sys.stdout.isatty() else "json"))
        uvloop.run(until_stopped(door))
    except StartRefused as refused:
        raise _Refusal(str(refused)) from refused


def _credentials(tls: bool, files: TlsFiles) -> grpc.ChannelCredentials | None:
    return credentials_of(files) if tls or files != TlsFiles() else None


def _door(options: Options, contract: Contract) -> AbstractAsyncContextManager[str]:
    try:
        listening = listening_socket(inherited_fd=None, host=options.host, port=options.port)
    except OSError as error:
        raise cannot_listen(options.host, options.port, error) from error
    return serving(options, contract, listening)
