# What evaluations measured, and what gates and searches of compressions found: immutable values, each read from one wire message.
from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._gen.v1 import compression_report_pb2, evaluation_report_pb2


@dataclass(frozen=True)
class Latency:
    """Time of one kind of step ("prefill" or "decode") at one batch size."""

    phase: str
    batch_size: int
    context_tokens: int
    median_ms: float
    tokens_per_second: float


@dataclass(frozen=True)
class ClassificationReport:
    """How well a classifier guesses labels; `confusion` has a row for each right label and a column for each guess."""

    examples: int
    f1: float  # of the second label where there are two, else the mean over the labels
    macro_f1: float
    matthews: float
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def from_proto(cls, message: evaluation_report_pb2.ClassificationReport) -> ClassificationReport:
        """Reads the wire message."""
        labels, counts = tuple(message.labels), list(message.confusion)
        rows = tuple(tuple(counts[row * len(labels) : (row + 1) * len(labels)]) for row in range(len(labels)))
        return cls(message.examples, message.f1, message.macro_f1, message.matthews, labels, rows)


@dataclass(frozen=True)
class SequenceReport:
    """How close generated targets are to the right ones: BLEU 0..100, the others 0..1."""

    sources: int
    sources_cut: int
    bleu: float
    rouge1: float
    rouge2: float
    rouge_l: float
    exact_match: float
    generated_tokens: int
    seconds: float

    @classmethod
    def from_proto(cls, message: evaluation_report_pb2.SequenceReport) -> SequenceReport:
        """Reads the wire message."""
        return cls(**{field.name: getattr(message, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class HiddenTokenReport:
    """What was hidden from a model that guesses hidden tokens; equal seeds hide the same."""

    lines: int
    hidden_tokens: int
    share: float  # hidden at a time; 0 where every token was hidden by itself
    seed: int
    pseudo_perplexity: float

    @classmethod
    def from_proto(cls, message: evaluation_report_pb2.HiddenTokenReport) -> HiddenTokenReport:
        """Reads the wire message."""
        return cls(**{field.name: getattr(message, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class EvaluationReport:
    """One model measured on one text; a field is None where it was not measured."""

    model: str
    teacher: str | None
    protocol: str
    data_fingerprint: str
    scored_tokens: int
    scored_bytes: int
    loss: float  # nats a token
    bits_per_byte: float
    token_perplexity: float
    teacher_bits_per_byte: float | None
    top1_agreement: float | None  # 0..1
    teacher_kl: float | None  # nats a position
    logical_parameters: int
    stored_parameters: int
    stored_bytes: int
    resident_bytes: int
    teacher_stored_bytes: int | None
    latencies: tuple[Latency, ...]
    accuracy: float  # share of scored tokens that were the model's likeliest, 0..1
    engine: str  # for example "onnx on cpu"
    teacher_token_perplexity: float | None
    classification: ClassificationReport | None
    sequences: SequenceReport | None
    teacher_accuracy: float | None  # 0..1, of classifiers and of models of hidden tokens
    hidden_tokens: HiddenTokenReport | None

    @classmethod
    def from_proto(cls, message: evaluation_report_pb2.EvaluationReport) -> EvaluationReport:
        """Reads the wire message."""
        return cls(
            model=message.model,
            teacher=message.teacher or None,
            protocol=message.protocol,
            data_fingerprint=message.data_fingerprint,
            scored_tokens=message.scored_tokens,
            scored_bytes=message.scored_bytes,
            loss=message.loss,
            bits_per_byte=message.bits_per_byte,
            token_perplexity=message.token_perplexity,
            teacher_bits_per_byte=message.teacher_bits_per_byte if message.HasField("teacher_bits_per_byte") else None,
            top1_agreement=message.top1_agreement if message.HasField("top1_agreement") else None,
            teacher_kl=message.teacher_kl if message.HasField("teacher_kl") else None,
            logical_parameters=message.logical_parameters,
            stored_parameters=message.stored_parameters,
            stored_bytes=message.stored_bytes,
            resident_bytes=message.resident_bytes,
            teacher_stored_bytes=message.teacher_stored_bytes if message.HasField("teacher_stored_bytes") else None,
            latencies=tuple(
                Latency(item.phase, item.batch_size, item.context_tokens, item.median_ms, item.tokens_per_second)
                for item in message.latencies
            ),
            accuracy=message.accuracy,
            engine=message.engine,
            teacher_token_perplexity=message.teacher_token_perplexity if message.HasField("teacher_token_perplexity") else None,
            classification=ClassificationReport.from_proto(message.classification) if message.HasField("classification") else None,
            sequences=SequenceReport.from_proto(message.sequences) if message.HasField("sequences") else None,
            teacher_accuracy=message.teacher_accuracy if message.HasField("teacher_accuracy") else None,
            hidden_tokens=HiddenTokenReport.from_proto(message.hidden_tokens) if message.HasField("hidden_tokens") else None,
        )


@dataclass(frozen=True)
class GateReport:
    """What a gate found: `value` against the `limit` that follows from the `reference` model's value."""

    metric: str
    value: float
    reference: float
    limit: float
    held: bool

    @classmethod
    def from_proto(cls, message: compression_report_pb2.GateReport) -> GateReport:
        """Reads the wire message."""
        return cls(message.metric, message.value, message.reference, message.limit, message.held)


@dataclass(frozen=True)
class SearchTrial:
    """One recipe that a search tried; `failure` says why it could not be made, and is empty where it was."""

    name: str
    family: str
    recipe_json: str
    metrics: Mapping[str, float]
    meets_target: bool
    on_front: bool
    elapsed_ms: float
    failure: str


@dataclass(frozen=True)
class SearchReport:
    """What a search tried; `chosen` is the index of the trial that is the result, None where nothing was tried."""

    trials: tuple[SearchTrial, ...]
    chosen: int | None
    ended: str

    @classmethod
    def from_proto(cls, message: compression_report_pb2.SearchReport) -> SearchReport:
        """Reads the wire message."""
        trials = (
            SearchTrial(
                trial.name,
                trial.family,
                trial.recipe_json,
                dict(trial.metrics),
                trial.meets_target,
                trial.on_front,
                trial.elapsed_ms,
                trial.failure,
            )
            for trial in message.trials
        )
        return cls(tuple(trials), message.chosen if message.HasField("chosen") else None, message.ended)
