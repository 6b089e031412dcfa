"""PEM files into gRPC credentials, tried out before anybody depends on them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from edge.gateway.refusals import StartRefused


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the upstream is known by, and what it is shown. Without `ca`, gRPC's own authorities count."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def credentials_of(files: TlsFiles) -> grpc.ChannelCredentials:
    """Raises `StartRefused`: gRPC itself takes any bytes for a certificate and fails every later call."""
    if (files.certificate is None) != (files.key is None):
        raise StartRefused("--tls-cert and --tls-key need each other")
    context = ssl.create_default_context()
    try:
        if files.ca is not None:
            context.load_verify_locations(files.ca)
        if files.certificate is not None:
            # An encrypted key would otherwise ask for its password at the terminal.
            context.load_cert_chain(files.certificate, files.key, password=lambda: "")
        return grpc.ssl_channel_credentials(
            root_certificates=_content(files.ca),
            private_key=_content(files.key),
            certificate_chain=_content(files.certificate),
        )
    except OSError as error:
        named = ", ".join(str(path) for path in (files.ca, files.certificate, files.key) if path is not None)
        raise StartRefused(f"{named}: cannot be used for TLS: {_reason(error)}") from error


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no PEM file").replace("_", " ").lower()
    return error.strerror or type(error).__name__
