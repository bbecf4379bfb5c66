# The few protobuf messages of other projects, read and written by hand so that the package needs no further dependency.
"""google.rpc.Status with its ErrorInfo, and grpc.health.v1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ERROR_INFO_TYPE = "google.rpc.ErrorInfo"
BAD_REQUEST_TYPE = "google.rpc.BadRequest"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class StatusDetails:
    """What `grpc-status-details-bin` says: the status, the first ErrorInfo in it and the faults of its BadRequests."""

    status: int
    message: str
    reason: str = ""
    domain: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: tuple[tuple[str, str], ...] = ()  # (field, description)


def decode_status_details(data: bytes) -> StatusDetails | None:
    """Decodes a google.rpc.Status; None when the bytes are not one."""
    try:
        parts = list(fields(data))
        details = [_decode_any(value) for value in _bodies(parts, 3)]
        info = next((list(fields(body)) for kind, body in details if kind == ERROR_INFO_TYPE), [])
        entries = [list(fields(entry)) for entry in _bodies(info, 3)]
        faults = [list(fields(fault)) for kind, body in details if kind == BAD_REQUEST_TYPE for fault in _bodies(list(fields(body)), 1)]
        return StatusDetails(
            status=next((value for number, value in parts if number == 1 and isinstance(value, int)), 0),
            message=_text(parts, 2),
            reason=_text(info, 1),
            domain=_text(info, 2),
            metadata={_text(entry, 1): _text(entry, 2) for entry in entries},
            field_violations=tuple((_text(fault, 1), _text(fault, 2)) for fault in faults),
        )
    except ValueError:  # also UnicodeDecodeError
        return None


def _decode_any(data: bytes) -> tuple[str, bytes]:
    """A google.protobuf.Any as the name of its type and its bytes."""
    parts = list(fields(data))
    return _text(parts, 1).rpartition("/")[2], next(_bodies(parts, 2), b"")


def _bodies(parts: Iterable[tuple[int, int | bytes]], number: int) -> Iterator[bytes]:
    return (value for found, value in parts if found == number and isinstance(value, bytes))


def _text(parts: Iterable[tuple[int, int | bytes]], number: int) -> str:
    return next(_bodies(parts, number), b"").decode()


def encode_health_request(service: str) -> bytes:
    """Encodes a grpc.health.v1.HealthCheckRequest."""
    return _bytes_field(1, service.encode()) if service else b""


def decode_health_response(data: bytes) -> int:
    """Decodes a grpc.health.v1.HealthCheckResponse to its serving status (1 is SERVING)."""
    status = dict(fields(data)).get(1, 0)
    return status if isinstance(status, int) else 0


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields (field number, value) of a message: an int for numbers, bytes for strings and messages.

    Raises ValueError when the bytes end inside a field or use a group.
    """
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, position = _varint(data, position)
        elif wire_type == _FIXED64:
            length = 8
        elif wire_type == _FIXED32:
            length = 4
        else:
            raise ValueError(f"field {number} has wire type {wire_type}")
        if position + length > len(data):
            raise ValueError(f"field {number} wants {length} bytes, {len(data) - position} are left")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("a varint has no end")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position


def _bytes_field(number: int, value: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
