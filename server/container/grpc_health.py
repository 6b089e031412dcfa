"""Asks a gRPC server on this machine how it is. When that is asked, and why, is in `health`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc


def serving_status(target: str, tls: tuple[Path, Path] | None, *, timeout: float) -> str:
    """What the server at `target` says of the whole of itself, or the gRPC code of its silence.

    `tls` are its own certificate and key, where it has them. The certificate is then the only one trusted,
    and is shown as ours to a server that asks for one: not good for clients, it makes the answer UNAVAILABLE.
    """
    with _channel(target, tls) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its methods are made at run time
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _channel(target: str, tls: tuple[Path, Path] | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target)
    certificate, key = (file.read_bytes() for file in tls)
    credentials = grpc.ssl_channel_credentials(certificate, key, certificate)
    return grpc.secure_channel(
        target, credentials, options=[("grpc.ssl_target_name_override", _name_in(certificate))]
    )


def _name_in(certificate: bytes) -> str:
    """A name that the certificate is good for; it was made for callers from elsewhere, not for loopback."""
    own = x509.load_pem_x509_certificates(certificate)[0]
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0].replace("*", "any")
