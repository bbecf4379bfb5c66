# Exception classes, one a family of the server's error codes, and how they are made from a failed call.
"""Errors that athanor's calls raise.

Every error is an :class:`AthanorError` with the server's code, status and details; `str(error)` is the server's message,
which names the place, the values and what to do::

    try:
        client.compress("teacher", name="half", recipe={"steps": [{"lowRank": {"ratio": 2}}]})
    except athanor.errors.InvalidArgument as error:
        print(error.code, error.details, error)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import grpc

from ._wire import decode_status_details

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STATUS_DETAILS_KEY = "grpc-status-details-bin"


class AthanorError(Exception):
    """The base of all errors from the server, and of those that the client finds before it calls.

    `code` is the server's error code (`model_not_found`), `status` the gRPC status, `details` the values behind the
    message, as text, and `field_violations` the request's faults as (field, description), where the server lists them.
    """

    default_code: ClassVar[str] = "internal"
    default_status: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: grpc.StatusCode | None = None,
        details: Mapping[str, str] | None = None,
        field_violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.status = status if status is not None else self.default_status
        self.details: dict[str, str] = dict(details or {})
        self.field_violations = tuple(field_violations)

    def __str__(self) -> str:
        return self.message


class InvalidArgument(AthanorError, ValueError):
    """Something in the request is wrong; the message names the field."""

    default_code = "invalid_argument"
    default_status = grpc.StatusCode.INVALID_ARGUMENT


class BadRecipe(InvalidArgument):
    """A recipe with an unknown step or field, or a value out of range."""

    default_code = "bad_recipe"


class BadModel(InvalidArgument):
    """A checkpoint, config or tokenizer that cannot be used."""

    default_code = "bad_config"


class BadData(InvalidArgument):
    """Text that cannot be used: empty, not UTF-8, too short, or without the named field."""

    default_code = "bad_data"


class NotFound(AthanorError, LookupError):
    """A file, model or job that is not there."""

    default_code = "file_not_found"
    default_status = grpc.StatusCode.NOT_FOUND


class ModelNotFound(NotFound):
    """No model has that name."""

    default_code = "model_not_found"


class JobNotFound(NotFound):
    """No job has that id."""

    default_code = "job_not_found"


class AlreadyExists(AthanorError):
    """The name is taken, by a model or by a job that is writing it."""

    default_code = "model_exists"
    default_status = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(AthanorError):
    """The model, job or machine is not in a state that allows the call."""

    default_code = "wrong_state"
    default_status = grpc.StatusCode.FAILED_PRECONDITION


class Unauthenticated(AthanorError):
    """The server wants to know who calls, and does not know this caller."""

    default_code = "unauthenticated"
    default_status = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(AthanorError):
    """The caller's role may not do this."""

    default_code = "permission_denied"
    default_status = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhausted(AthanorError):
    """Memory, disk or the message limit does not suffice."""

    default_code = "out_of_memory"
    default_status = grpc.StatusCode.RESOURCE_EXHAUSTED


class Aborted(AthanorError):
    """The work was given up, for example because the loss diverged."""

    default_code = "diverged"
    default_status = grpc.StatusCode.ABORTED


class DataLoss(AthanorError):
    """Stored or received data is damaged."""

    default_code = "bad_artefact"
    default_status = grpc.StatusCode.DATA_LOSS


class Cancelled(AthanorError):
    """The call or job was cancelled."""

    default_code = "cancelled"
    default_status = grpc.StatusCode.CANCELLED


class DeadlineExceeded(AthanorError, TimeoutError):
    """The call took longer than its deadline."""

    default_code = "deadline_exceeded"
    default_status = grpc.StatusCode.DEADLINE_EXCEEDED


class Unavailable(AthanorError, ConnectionError):
    """The server cannot be reached, or is stopping."""

    default_code = "unavailable"
    default_status = grpc.StatusCode.UNAVAILABLE


class Unsupported(AthanorError):
    """The server does not do this; the message says what it does instead."""

    default_code = "unsupported"
    default_status = grpc.StatusCode.UNIMPLEMENTED


class Internal(AthanorError):
    """A defect in athanor."""

    default_code = "internal"
    default_status = grpc.StatusCode.INTERNAL


BY_STATUS: Mapping[grpc.StatusCode, type[AthanorError]] = {
    family.default_status: family
    for family in (
        InvalidArgument,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        ResourceExhausted,
        Aborted,
        DataLoss,
        Cancelled,
        DeadlineExceeded,
        Unavailable,
        Unsupported,
        Unauthenticated,
        PermissionDenied,
        Internal,
    )
}


def _codes(family: type[AthanorError], names: str) -> dict[str, type[AthanorError]]:
    return dict.fromkeys(names.split(), family)


# Every code of the server's catalogue. A code that is missing here falls back to the family of its status.
BY_CODE: Mapping[str, type[AthanorError]] = {
    **_codes(
        InvalidArgument, "shape_mismatch dtype_mismatch not_differentiable invalid_argument bad_name context_too_long no_chat_template"
    ),
    **_codes(
        BadRecipe, "bad_recipe rank_out_of_range pattern_matches_nothing already_quantized already_shared does_not_factor cannot_slice"
    ),
    **_codes(BadRecipe, "cache_too_small modules_do_not_divide schedule_misses_target"),
    **_codes(BadModel, "bad_safetensors pickle_refused bad_config config_mismatch unknown_architecture"),
    **_codes(BadModel, "bad_tokenizer tokenizer_mismatch bad_weights"),
    **_codes(BadData, "empty_data bad_encoding bad_data not_enough_samples"),
    **_codes(NotFound, "file_not_found service_not_found"),
    **_codes(ModelNotFound, "model_not_found"),
    **_codes(JobNotFound, "job_not_found"),
    **_codes(AlreadyExists, "model_exists name_taken file_exists"),
    **_codes(
        FailedPrecondition,
        "provider_missing file_not_allowed teacher_not_allowed wrong_task wrong_state resume_mismatch recording_mismatch store_in_use "
        "not_promoted",
    ),
    **_codes(
        ResourceExhausted,
        "out_of_memory insufficient_memory disk_full overloaded message_too_large list_too_long too_many_jobs rate_limited",
    ),
    **_codes(Unauthenticated, "unauthenticated"),
    **_codes(PermissionDenied, "permission_denied"),
    **_codes(Aborted, "diverged gate_not_met target_not_reached interrupted verification_failed crash_loop"),
    **_codes(DataLoss, "bad_artefact bad_recording"),
    **_codes(Cancelled, "cancelled"),
    **_codes(DeadlineExceeded, "deadline_exceeded"),
    **_codes(Unavailable, "unavailable teacher_unavailable device_lost model_not_ready"),
    **_codes(Unsupported, "unsupported"),
    **_codes(Internal, "engine_failure internal"),
}

_STATUS_BY_NUMBER: Mapping[int, grpc.StatusCode] = {status.value[0]: status for status in grpc.StatusCode}
_CODE_IN_MESSAGE = re.compile(r"^\[([a-z0-9_]+)\] ")


def make_error(
    message: str,
    code: str = "",
    status: grpc.StatusCode | None = None,
    details: Mapping[str, str] | None = None,
    field_violations: Sequence[tuple[str, str]] = (),
) -> AthanorError:
    """Builds the exception for a code, or else for a status; a code in the message's head (`[code] …`) counts."""
    if not code:
        head = _CODE_IN_MESSAGE.match(message)
        code = head.group(1) if head else ""
    family = BY_CODE.get(code)
    # A table older than the server must not contradict the status that the server sent.
    if family is None or (status is not None and family.default_status is not status):
        family = BY_STATUS.get(status, AthanorError) if status is not None else AthanorError
    return family(message, code=code or None, status=status, details=details, field_violations=field_violations)


def from_rpc(error: grpc.RpcError) -> AthanorError:
    """Turns a failed call of grpc (sync or asyncio) into an :class:`AthanorError`."""
    status = error.code() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN
    message = (error.details() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else None) or str(error)
    found = decode_status_details(_details_trailer(error))
    if found is None or not found.reason:
        # gRPC's own words, of the client's or the server's library.
        too_large = status is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message
        return make_error(message, "message_too_large" if too_large else "", status)
    return make_error(
        found.message or message,
        found.reason,
        _STATUS_BY_NUMBER.get(found.status, status) if found.status else status,
        found.metadata,
        found.field_violations,
    )


def status_from_number(number: int) -> grpc.StatusCode | None:
    """The gRPC status of a number on the wire; None for one that gRPC does not know."""
    return _STATUS_BY_NUMBER.get(number)


def _details_trailer(error: grpc.RpcError) -> bytes:
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return b""
    trailers: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            return value
    return b""
