"""Opens gRPC channels that know, from the contract, what may be retried.

Callers' credentials, deadlines and the shape of errors are not here: see `client` and `errors`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# The details of an error come as metadata: of those above 8 KiB gRPC would drop some at random, and of those
# above 16 KiB all, and say RESOURCE_EXHAUSTED in place of the error.
MAX_METADATA_BYTES = 1024 * 1024

# gRPC spreads every back-off by its own jitter and stops retrying a target once more calls fail than
# the budget below allows.
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2.0,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}


def open_channel(
    target: str,
    services: Iterable[ServiceDescriptor],
    *,
    credentials: grpc.ChannelCredentials | None = None,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    watch_health: bool = True,
) -> grpc.aio.Channel:
    """Returns a channel to `target` (`host:port`, or any gRPC name); the caller closes it.

    Connecting happens with the first call. Methods that the contract calls free of side effects or
    idempotent are tried up to four times while the server is UNAVAILABLE; others once. Several addresses
    behind one name share the calls, and an address whose health service says NOT_SERVING gets none.
    `watch_health` must be off for servers that refuse to be asked, by asking for a credential for example:
    none of their addresses would ever get a call. Without `credentials` the channel is plain text.
    """
    options = [
        ("grpc.service_config", json.dumps(service_config(services, watch_health=watch_health))),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        # A channel of its own for each caller: one caller's reconnect back-off is not another's.
        ("grpc.use_local_subchannel_pool", 1),
        # A restarted server must be found again before the next one of a rolling restart goes.
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
    ]
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)


def service_config(services: Iterable[ServiceDescriptor], *, watch_health: bool = True) -> dict[str, Any]:
    """Returns the gRPC service config, a JSON object, that the contract asks for."""
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": RETRY_BUDGET,
        "methodConfig": [method_config(method) for method in repeatable_methods(services)],
    }
    return config | ({"healthCheckConfig": {"serviceName": ""}} if watch_health else {})


def method_config(method: MethodDescriptor) -> dict[str, Any]:
    return {
        "name": [{"service": method.containing_service.full_name, "method": method.name}],
        "retryPolicy": RETRY_POLICY,
    }


def repeatable_methods(services: Iterable[ServiceDescriptor]) -> Iterator[MethodDescriptor]:
    repeatable = {MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT}
    for service in services:
        for method in service.methods:
            if method.GetOptions().idempotency_level in repeatable:
                yield method
