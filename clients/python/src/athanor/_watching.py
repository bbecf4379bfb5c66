# Following a job over dropped connections: pure bookkeeping, shared by the sync and the asyncio client.
from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc

from ._channel import call_error
from .errors import STATUS_DETAILS_KEY, AthanorError, DeadlineExceeded, Unavailable
from .types import JobEvent

if TYPE_CHECKING:
    from ._gen.v1 import job_pb2

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0


class EventCursor:
    """Where a reader of a job's events is, across as many Watch calls as the connection needs.

    Invariant: `next_sequence` is one more than the newest event taken, so an event is taken at most once, and a new
    Watch from it leaves none out.
    """

    def __init__(self, job_id: str, from_sequence: int, target: str, reconnect_seconds: float, timeout: float | None) -> None:
        self.job_id = job_id
        self._target = target
        self.next_sequence = max(from_sequence, 1)
        self.ended = False
        self._reconnect_seconds = reconnect_seconds
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._outage_began: float | None = None
        self._delay = FIRST_DELAY_SECONDS

    def remaining(self) -> float | None:
        """Seconds until the reader's own deadline, for the deadline of the next call."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def take(self, message: job_pb2.JobEvent) -> JobEvent | None:
        """The event, or None when it was taken before the connection dropped."""
        self._outage_began, self._delay = None, FIRST_DELAY_SECONDS
        if message.sequence < self.next_sequence:
            return None
        self.next_sequence = message.sequence + 1
        event = JobEvent.from_proto(message)
        self.ended = event.state is not None and event.state.ended
        return event

    def delay_after(self, error: grpc.RpcError | None) -> float:
        """Seconds to wait before watching again; raises when that would not help, or has been tried for too long.

        Without an error, the server has ended the stream in good order though the job has not ended.
        """
        if error is not None and not _connection_dropped(error):
            raise self._give_up(error) from error
        now = time.monotonic()
        if self._outage_began is None:
            self._outage_began = now
        if now - self._outage_began > self._reconnect_seconds or (self._deadline is not None and now > self._deadline):
            raise self._give_up(error) from error
        delay, self._delay = self._delay, min(self._delay * 2, LONGEST_DELAY_SECONDS)
        return delay

    def _give_up(self, error: grpc.RpcError | None) -> AthanorError:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return DeadlineExceeded(
                f'[deadline_exceeded] job "{self.job_id}": it has not ended in the time allowed. It goes on; wait again, or cancel it.'
            )
        if error is not None:
            return call_error(error, self._target)
        return Unavailable(f'[unavailable] job "{self.job_id}": the server keeps ending the stream of events. Try again later.')


def _connection_dropped(error: grpc.RpcError) -> bool:
    """Whether the transport failed rather than the call: UNAVAILABLE, or a broken stream without a word from the server."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return False
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return True
    explained = any(key == STATUS_DETAILS_KEY for key, _ in error.trailing_metadata() or ())
    text = (error.details() or "").lower()
    broken = "rst_stream" in text or "stream removed" in text or "connection reset" in text or "goaway" in text
    return not explained and broken and error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
