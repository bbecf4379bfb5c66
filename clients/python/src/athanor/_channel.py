# How a channel to the server is set up; the same for the sync and the asyncio client.
from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from .errors import AthanorError, Unavailable, from_rpc

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_TARGET = "127.0.0.1:8001"
HEALTH_METHOD = "/grpc.health.v1.Health/Check"

ChannelOption = tuple[str, int | str]

_OPTIONS: tuple[ChannelOption, ...] = (
    # A model's parameter list or a long score list may pass grpc's 4 MiB; the server sets the limits.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that restarts is found again within seconds, not minutes (grpc's default goes up to 120 s).
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Finds a connection that vanished without a word while a job is watched. The timeout allows for a busy server.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 60_000),
)


def channel_options(options: Sequence[ChannelOption]) -> list[ChannelOption]:
    """Our options, then the caller's, which win."""
    return [*(option for option in _OPTIONS if option[0] not in dict(options)), *options]


def channel_credentials(credentials: grpc.ChannelCredentials | None, token: str | None) -> grpc.ChannelCredentials | None:
    """What secures the channel; None for a plain one.

    A token goes with every call. Without TLS it is sent to this machine only: a connection to another one fails.
    """
    if token is None:
        return credentials
    transport = credentials or grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    return grpc.composite_channel_credentials(transport, grpc.access_token_call_credentials(token))


def call_error(error: grpc.RpcError, target: str) -> AthanorError:
    """The exception of a failed call; says where it was sent when no server answered."""
    found = from_rpc(error)
    if isinstance(found, Unavailable) and not found.message.startswith("["):
        return Unavailable(
            f"[unavailable] {target}: no athanor server answers ({found.message}). Start one with `npx athanor serve`.",
            status=found.status,
        )
    return found
