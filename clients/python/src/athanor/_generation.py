# A generation of the synchronous client while it is on its way.
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import grpc

from ._answers import Gathered, Piece
from ._channel import call_error

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol, Self

    from ._gen.v1 import inference_pb2

    class GenerateCall(Protocol):
        """What grpc returns for `Generate`."""

        def __next__(self) -> inference_pb2.GenerateResponse: ...
        def cancel(self) -> object: ...


class Generation(Gathered, Iterator[str]):
    """A generation on its way: the pieces of the first continuation's text as they come, and what came with them.

    `finish_reason` and `usage` are set when it has ended. With `n` above 1, `continuations` holds all of them, and `pieces` gives
    the pieces of all as they come.
    """

    def __init__(self, call: GenerateCall, target: str) -> None:
        self._call = call
        self._target = target
        self._closed = False
        super().__init__()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while (piece := self._next_piece()) is not None:
            if piece.text and piece.index == 0:
                return piece.text
        raise StopIteration

    def pieces(self) -> Iterator[Piece]:
        """What comes next, of all continuations, message by message."""
        while (piece := self._next_piece()) is not None:
            yield piece

    def _next_piece(self) -> Piece | None:
        if self._closed:
            return None
        try:
            return self._gathered.take(next(self._call))
        except StopIteration:
            self._closed = True
            return None
        except grpc.RpcError as error:
            self._closed = True
            raise call_error(error, self._target) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Stops the generation on the server, if it has not ended."""
        if not self._closed:
            self._closed = True
            self._call.cancel()

    def text(self) -> str:
        """Reads on to the end and returns the text of the first continuation that was not read before."""
        return "".join(self)

    def texts(self) -> list[str]:
        """Reads on to the end and returns the whole texts of all continuations."""
        for _ in self.pieces():
            pass
        return [one.text for one in self.continuations]
