# What the inference calls answer, as plain values: generations, scores, labels, vectors, masks. `athanor.types` names them all.
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ._gen.v1 import inference_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping


class FinishReason(StrEnum):
    """Why a generation ended: the model's end token, a stop text, or as many tokens as asked for."""

    END = "end"
    STOP = "stop"
    LENGTH = "length"


def finish_reason(message: inference_pb2.GenerateResponse) -> FinishReason | None:
    """Why the generation ended; None when it has not."""
    if message.finish_reason == inference_pb2.FINISH_REASON_UNSPECIFIED:
        return None
    return FinishReason(inference_pb2.FinishReason.Name(message.finish_reason).removeprefix("FINISH_REASON_").lower())


@dataclass(frozen=True)
class Usage:
    """What a generation took."""

    prompt_tokens: int
    generated_tokens: int
    first_token_ms: float
    total_ms: float
    queue_ms: float  # until the first token was begun; part of first_token_ms
    cached_prompt_tokens: int  # tokens of the prompt whose keys and values were there already
    drafted_tokens: int  # tokens that the draft model proposed
    accepted_tokens: int  # those of them that were taken

    @classmethod
    def from_proto(cls, message: inference_pb2.Usage) -> Usage:
        """Reads the wire message."""
        return cls(
            message.prompt_tokens,
            message.generated_tokens,
            message.first_token_ms,
            message.total_ms,
            message.queue_ms,
            message.cached_prompt_tokens,
            message.drafted_tokens,
            message.accepted_tokens,
        )


@dataclass(frozen=True)
class TokenLogprob:
    """A token and how likely the model took it to be, before any penalty, temperature or filter."""

    id: int
    text: str
    logprob: float | None  # natural logarithm; None for the first token of a prompt
    top: tuple[TokenLogprob, ...]  # the likeliest tokens at its place, likeliest first

    @classmethod
    def from_proto(cls, message: inference_pb2.TokenLogprob) -> TokenLogprob:
        """Reads the wire message."""
        logprob = message.logprob if message.HasField("logprob") else None
        return cls(message.id, message.text, logprob, tuple(cls.from_proto(token) for token in message.top))


@dataclass(frozen=True)
class Piece:
    """What a generation sent at once."""

    index: int  # of the continuation
    text: str  # may be empty where a character is not complete yet
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]  # one for each token, where asked for
    finish_reason: FinishReason | None

    @classmethod
    def from_proto(cls, message: inference_pb2.GenerateResponse) -> Piece:
        """Reads the wire message."""
        logprobs = tuple(TokenLogprob.from_proto(token) for token in message.logprobs)
        return cls(message.index, message.text, tuple(message.token_ids), logprobs, finish_reason(message))


@dataclass
class Continuation:
    """One of the continuations of a prompt, as far as it has come."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stop: str | None = None  # the stop text that ended it
    usage: Usage | None = None


class Continuations:
    """All continuations of a prompt, gathered from the messages of a stream."""

    def __init__(self) -> None:
        self.all: list[Continuation] = [Continuation()]
        self.prompt_logprobs: list[TokenLogprob] = []

    def take(self, message: inference_pb2.GenerateResponse) -> Piece:
        """Adds what a message says."""
        piece = Piece.from_proto(message)
        while len(self.all) <= piece.index:
            self.all.append(Continuation())
        one = self.all[piece.index]
        one.text += piece.text
        one.token_ids.extend(piece.token_ids)
        one.logprobs.extend(piece.logprobs)
        one.finish_reason = piece.finish_reason or one.finish_reason
        one.stop = message.stop or one.stop
        if message.HasField("usage"):
            one.usage = Usage.from_proto(message.usage)
        self.prompt_logprobs.extend(TokenLogprob.from_proto(token) for token in message.prompt_logprobs)
        return piece


@dataclass(frozen=True)
class Score:
    """Score of one continuation."""

    log_likelihood: float  # sum of the natural logarithms of its tokens' probabilities
    is_greedy: bool  # every token of it is the likeliest at its place
    tokens: int

    @classmethod
    def from_proto(cls, message: inference_pb2.Score) -> Score:
        """Reads the wire message."""
        return cls(message.log_likelihood, message.is_greedy, message.tokens)


@dataclass(frozen=True)
class Classification:
    """What a classifier says of one input."""

    label: str  # the likeliest one
    probabilities: Mapping[str, float]  # by label; they sum to 1
    logits: Mapping[str, float]  # by label, before the softmax


def classifications(message: inference_pb2.ClassifyResponse) -> list[Classification]:
    """Reads the wire message."""
    labels = list(message.labels)
    return [
        Classification(
            result.label,
            dict(zip(labels, result.probabilities, strict=True)),
            dict(zip(labels, result.logits, strict=True)),
        )
        for result in message.results
    ]


@dataclass(frozen=True)
class Embedding:
    """One text's vector."""

    values: tuple[float, ...]  # as many as the model is wide
    tokens: int  # of the text that the model saw
    truncated: bool  # the text was longer than the model reads and was cut

    @classmethod
    def from_proto(cls, message: inference_pb2.Embedding) -> Embedding:
        """Reads the wire message."""
        return cls(tuple(message.values), message.tokens, message.truncated)


@dataclass(frozen=True)
class MaskCandidate:
    """What may stand in place of a mask."""

    token_id: int
    token: str
    probability: float
    text: str  # the whole text with this token in place of this mask

    @classmethod
    def from_proto(cls, message: inference_pb2.MaskCandidate) -> MaskCandidate:
        """Reads the wire message."""
        return cls(message.token_id, message.token, message.probability, message.text)


def filled_masks(message: inference_pb2.FillMaskResponse) -> list[list[list[MaskCandidate]]]:
    """For each text, for each of its masks, the candidates, likeliest first."""
    return [[[MaskCandidate.from_proto(one) for one in mask.candidates] for mask in text.masks] for text in message.results]


class Gathered:
    """What a generation has brought so far."""

    def __init__(self) -> None:
        self._gathered = Continuations()

    @property
    def continuations(self) -> list[Continuation]:
        """All continuations, as far as they have come."""
        return self._gathered.all

    @property
    def prompt_logprobs(self) -> list[TokenLogprob]:
        """The log probabilities of the prompt's tokens, where asked for."""
        return self._gathered.prompt_logprobs

    @property
    def token_ids(self) -> list[int]:
        """Tokens of the first continuation."""
        return self._gathered.all[0].token_ids

    @property
    def logprobs(self) -> list[TokenLogprob]:
        """Log probabilities of the first continuation's tokens, where asked for."""
        return self._gathered.all[0].logprobs

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the first continuation ended; None while it goes on."""
        return self._gathered.all[0].finish_reason

    @property
    def usage(self) -> Usage | None:
        """What the first continuation took."""
        return self._gathered.all[0].usage
