# What the client gives back: immutable values, each read from one wire message.
"""Models, jobs, events, results and scores."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ._answers import Classification as Classification
from ._answers import Continuation as Continuation
from ._answers import Embedding as Embedding
from ._answers import FinishReason as FinishReason
from ._answers import MaskCandidate as MaskCandidate
from ._answers import Piece as Piece
from ._answers import Score as Score
from ._answers import TokenLogprob as TokenLogprob
from ._answers import Usage as Usage
from ._gen.v1 import job_pb2, teacher_pb2
from ._reports import ClassificationReport as ClassificationReport
from ._reports import EvaluationReport as EvaluationReport
from ._reports import GateReport as GateReport
from ._reports import HiddenTokenReport as HiddenTokenReport
from ._reports import Latency as Latency
from ._reports import SearchReport as SearchReport
from ._reports import SearchTrial as SearchTrial
from ._reports import SequenceReport as SequenceReport
from .errors import AthanorError, Cancelled, Internal, make_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._gen.v1 import model_pb2


class JobState(StrEnum):
    """Where a job is: QUEUED → RUNNING → (PAUSED | CANCELLING) → SUCCEEDED | FAILED | CANCELLED."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job will not change any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class HealthStatus(StrEnum):
    """The server's word of the standard health check."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOT_SERVING = "not_serving"


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of an artefact."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """One logical parameter and how it is stored; `shape` is that of the dense tensor it stands for."""

    path: str
    parametrization: str
    shape: tuple[int, ...]
    settings: Mapping[str, str]
    stored_bytes: int
    tensors: tuple[StoredTensor, ...]


@dataclass(frozen=True)
class Parent:
    """A model that another was made from, by its content hash; `role` is "source", "teacher" or "import"."""

    hash: str
    role: str


@dataclass(frozen=True)
class Lineage:
    """What a model was made from; `parents` are first the model that was changed, then a teacher."""

    operation: str
    parents: tuple[Parent, ...]
    settings: Mapping[str, Any]
    job_id: str
    data_fingerprint: str


@dataclass(frozen=True)
class Model:
    """A model in the store. `parameters` and `tokenizer_hash` are filled by `models.get`, and empty in lists."""

    name: str
    version: int  # 1, 2, 3, ...
    architecture: str
    config: Mapping[str, Any]
    logical_parameters: int
    stored_parameters: int
    stored_bytes: int
    resident_bytes: int  # 0 when it is not loaded
    loaded: bool
    created: datetime | None
    lineage: Lineage | None
    evaluation: EvaluationReport | None
    parameters: tuple[Parameter, ...]
    hash: str  # of the version's content
    tokenizer_hash: str  # models with equal ones read the same tokens

    @classmethod
    def from_proto(cls, message: model_pb2.ModelInfo) -> Model:
        """Reads the wire message."""
        lineage = message.lineage
        return cls(
            name=message.name,
            version=message.version,
            architecture=message.architecture,
            config=json.loads(message.config_json or "{}"),
            logical_parameters=message.logical_parameters,
            stored_parameters=message.stored_parameters,
            stored_bytes=message.stored_bytes,
            resident_bytes=message.resident_bytes,
            loaded=message.loaded,
            created=_time(message.created_ms),
            lineage=Lineage(
                operation=lineage.operation,
                parents=tuple(Parent(parent.hash, parent.role) for parent in lineage.parents),
                settings=json.loads(lineage.settings_json or "{}"),
                job_id=lineage.job_id,
                data_fingerprint=lineage.data_fingerprint,
            )
            if message.HasField("lineage")
            else None,
            evaluation=EvaluationReport.from_proto(message.evaluation) if message.HasField("evaluation") else None,
            parameters=tuple(
                Parameter(
                    path=item.path,
                    parametrization=item.parametrization,
                    shape=tuple(item.shape),
                    settings=dict(item.settings),
                    stored_bytes=item.stored_bytes,
                    tensors=tuple(StoredTensor(tensor.name, tensor.dtype, tuple(tensor.shape)) for tensor in item.tensors),
                )
                for item in message.parameters
            ),
            hash=message.hash,
            tokenizer_hash=message.tokenizer_hash,
        )


@dataclass(frozen=True)
class ParameterChange:
    """What a compression did to one parameter in one step; `rank` is None for methods without one.

    Errors are relative to the norm of what was there before the step; `output_error` is None where the method looked at no text, and
    `relative_error` is it, or else `weight_error`. `error_before` is what the step before lost of this parameter, 0 for the first.
    """

    path: str
    parametrization: str
    stored_bytes_before: int
    stored_bytes_after: int
    relative_error: float
    rank: int | None
    step: int
    weight_error: float
    output_error: float | None
    error_before: float
    note: str


@dataclass(frozen=True)
class RecipeStop:
    """Why a recipe ended before its last step; the result is the model after `kept_steps` steps."""

    step: int
    reason: str
    kept_steps: int


@dataclass(frozen=True)
class StepReport:
    """What one step of a recipe did to the parameters that it touched; `note` may be empty.

    `metrics` are those of the model after the step, on held-out data; empty where stages are not measured. The result does not have
    what a `dropped` step did.
    """

    method: str
    stored_bytes_before: int
    stored_bytes_after: int
    note: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    dropped: bool = False
    gate: GateReport | None = None
    search: SearchReport | None = None


@dataclass(frozen=True)
class CalibrationManifest:
    """Which calibration data was used: `rows` rows (`row_kind`) of at most `row_tokens` tokens, with the SHA-256 of their ids."""

    paths: tuple[str, ...]
    text_hash: str
    documents: int
    rows: int
    rows_available: int
    row_tokens: int
    seed: int
    padding: str
    special_tokens: str
    rows_hash: str
    row_hashes: tuple[str, ...]
    row_kind: str


@dataclass(frozen=True)
class MemoryReport:
    """Memory of the process that did a job, expected and measured; `phase` was expected to need most."""

    estimated_peak_bytes: int
    peak_bytes: int
    limit_bytes: int
    phase: str


@dataclass(frozen=True)
class Verification:
    """A fresh process loaded the stored result and ran it; its logits differed by `max_relative_difference`."""

    tokens: int
    max_relative_difference: float
    tolerance: float
    elapsed_ms: float


@dataclass(frozen=True)
class ImportResult:
    """Result of an import job; `verification` is None where the server's checking is switched off."""

    model: Model
    verification: Verification | None
    memory: MemoryReport | None = None


@dataclass(frozen=True)
class CompressResult:
    """Result of `compress`: the stored model, what the steps did, and every parameter that was changed."""

    model: Model
    changes: tuple[ParameterChange, ...]
    steps: tuple[StepReport, ...]
    calibration: CalibrationManifest | None
    memory: MemoryReport | None
    verification: Verification | None
    start_metrics: Mapping[str, float] = field(default_factory=dict)
    """Of the model that was compressed, on held-out data; empty where nothing was measured."""
    stop: RecipeStop | None = None


@dataclass(frozen=True)
class DistillResult:
    """Result of `distill`; `validation` holds the last measures, for example bitsPerByte, or nothing without validation text."""

    model: Model
    steps: int
    final_loss: float
    validation: Mapping[str, float]
    memory: MemoryReport | None
    verification: Verification | None


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export on the server."""

    file_name: str
    size_bytes: int


@dataclass(frozen=True)
class ExportResult:
    """Result of an export job: the folder on the server, its files, and what the layout cannot say of the model."""

    path: str
    files: tuple[ExportedFile, ...]
    notes: tuple[str, ...]
    memory: MemoryReport | None = None


@dataclass(frozen=True)
class RecordResult:
    """Result of `record`: the folder on the server, how many examples and distributions it holds, its size, and the teacher's version."""

    path: str
    examples: int
    rows: int
    size_bytes: int
    teacher: str
    memory: MemoryReport | None = None


# The result of `evaluate` is the report itself.
JobResult = ImportResult | CompressResult | DistillResult | EvaluationReport | ExportResult | RecordResult


def result_from_proto(message: job_pb2.JobResult) -> JobResult:
    """Reads a job's result as the class of its kind."""
    match message.WhichOneof("result"):
        case "import_model":
            made = message.import_model
            return ImportResult(Model.from_proto(made.model), _verification(made), _memory(made))
        case "compress":
            return _compress_result(message.compress)
        case "distill":
            return DistillResult(
                model=Model.from_proto(message.distill.model),
                steps=message.distill.steps,
                final_loss=message.distill.final_loss,
                validation=dict(message.distill.validation),
                memory=_memory(message.distill),
                verification=_verification(message.distill),
            )
        case "evaluate":
            return EvaluationReport.from_proto(message.evaluate.report)
        case "export":
            files = (ExportedFile(item.file_name, item.size_bytes) for item in message.export.files)
            return ExportResult(message.export.path, tuple(files), tuple(message.export.notes), _memory(message.export))
        case "record":
            record = message.record
            return RecordResult(record.path, record.examples, record.rows, record.size_bytes, record.teacher, _memory(record))
    raise Internal("[internal] the job's result is of a kind that this client does not know; update the client.")


def _compress_result(message: job_pb2.CompressResult) -> CompressResult:
    changes = (
        ParameterChange(
            path=change.path,
            parametrization=change.parametrization,
            stored_bytes_before=change.stored_bytes_before,
            stored_bytes_after=change.stored_bytes_after,
            relative_error=change.relative_error,
            rank=change.rank if change.HasField("rank") else None,
            step=change.step,
            weight_error=change.weight_error,
            output_error=change.output_error if change.HasField("output_error") else None,
            error_before=change.error_before,
            note=change.note,
        )
        for change in message.changes
    )
    steps = (
        StepReport(
            step.method,
            step.stored_bytes_before,
            step.stored_bytes_after,
            step.note,
            dict(step.metrics),
            step.dropped,
            GateReport.from_proto(step.gate) if step.HasField("gate") else None,
            SearchReport.from_proto(step.search) if step.HasField("search") else None,
        )
        for step in message.steps
    )
    calibration = message.calibration
    return CompressResult(
        model=Model.from_proto(message.model),
        changes=tuple(changes),
        steps=tuple(steps),
        calibration=CalibrationManifest(
            paths=tuple(calibration.paths),
            text_hash=calibration.text_hash,
            documents=calibration.documents,
            rows=calibration.rows,
            rows_available=calibration.rows_available,
            row_tokens=calibration.row_tokens,
            seed=calibration.seed,
            padding=calibration.padding,
            special_tokens=calibration.special_tokens,
            rows_hash=calibration.rows_hash,
            row_hashes=tuple(calibration.row_hashes),
            row_kind=calibration.row_kind,
        )
        if message.HasField("calibration")
        else None,
        memory=_memory(message),
        verification=_verification(message),
        start_metrics=dict(message.start_metrics),
        stop=RecipeStop(message.stop.step, message.stop.reason, message.stop.kept_steps) if message.HasField("stop") else None,
    )


def _memory(
    message: job_pb2.ImportResult | job_pb2.CompressResult | job_pb2.DistillResult | job_pb2.ExportResult | teacher_pb2.RecordResult,
) -> MemoryReport | None:
    memory = message.memory
    if not message.HasField("memory"):
        return None
    return MemoryReport(memory.estimated_peak_bytes, memory.peak_bytes, memory.limit_bytes, memory.phase)


def _verification(message: job_pb2.ImportResult | job_pb2.CompressResult | job_pb2.DistillResult) -> Verification | None:
    if not message.HasField("verification"):
        return None
    found = message.verification
    return Verification(found.tokens, found.max_relative_difference, found.tolerance, found.elapsed_ms)


def error_from_proto(message: job_pb2.JobError) -> AthanorError:
    """Reads a job's error as the exception of its code."""
    return make_error(message.message, message.code, details=message.details)


@dataclass(frozen=True)
class Progress:
    """How far a job is in its phase; `total` is 0 and `eta_ms` None when unknown."""

    phase: str
    step: int
    total: int
    eta_ms: float | None
    elapsed_ms: float
    item: str
    metrics: Mapping[str, float]

    @classmethod
    def from_proto(cls, message: job_pb2.JobProgress) -> Progress:
        """Reads the wire message."""
        return cls(
            phase=message.phase,
            step=message.step,
            total=message.total,
            eta_ms=message.eta_ms if message.HasField("eta_ms") else None,
            elapsed_ms=message.elapsed_ms,
            item=message.item,
            metrics=dict(message.metrics),
        )


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job: exactly one of `state`, `progress`, `result` and `error` is set."""

    job_id: str
    sequence: int  # 1, 2, 3, … within the job
    time: datetime
    state: JobState | None = None
    progress: Progress | None = None
    result: JobResult | None = None
    error: AthanorError | None = None

    @classmethod
    def from_proto(cls, message: job_pb2.JobEvent) -> JobEvent:
        """Reads the wire message."""
        kind = message.WhichOneof("event")
        return cls(
            job_id=message.job_id,
            sequence=message.sequence,
            time=datetime.fromtimestamp(message.time_ms / 1000, UTC),
            state=job_state(message.state.state) if kind == "state" else None,
            progress=Progress.from_proto(message.progress) if kind == "progress" else None,
            result=result_from_proto(message.result) if kind == "result" else None,
            error=error_from_proto(message.error) if kind == "error" else None,
        )


@dataclass(frozen=True)
class JobStatus:
    """A job as it is now.

    `result` is set when it succeeded, `error` when it failed, was cancelled, or was paused because its process died too often.
    """

    id: str
    kind: str
    state: JobState
    source: str
    target: str
    created: datetime | None
    started: datetime | None
    finished: datetime | None
    last_sequence: int
    attempts: int
    progress: Progress | None
    result: JobResult | None
    error: AthanorError | None
    priority: int = 0
    owner: str = ""
    retry_of: str = ""
    is_pausing: bool = False

    @classmethod
    def from_proto(cls, message: job_pb2.JobInfo) -> JobStatus:
        """Reads the wire message."""
        return cls(
            id=message.id,
            kind=message.kind,
            state=job_state(message.state),
            source=message.source,
            target=message.target,
            created=_time(message.created_ms),
            started=_time(message.started_ms),
            finished=_time(message.finished_ms),
            last_sequence=message.last_sequence,
            attempts=message.attempts,
            progress=Progress.from_proto(message.progress) if message.HasField("progress") else None,
            result=result_from_proto(message.result) if message.HasField("result") else None,
            error=error_from_proto(message.error) if message.HasField("error") else None,
            priority=message.priority,
            owner=message.owner,
            retry_of=message.retry_of,
            is_pausing=message.is_pausing,
        )


@dataclass(frozen=True)
class Promotion:
    """One change of what a stable name stands for; the newest holds."""

    alias: str
    sequence: int
    model: str
    hash: str
    figures: Mapping[str, float]
    rollback_to: int
    principal: str
    time: datetime | None

    @classmethod
    def from_proto(cls, message: model_pb2.Promotion) -> Promotion:
        """Reads the wire message."""
        return cls(
            alias=message.alias,
            sequence=message.sequence,
            model=message.model,
            hash=message.hash,
            figures=dict(message.figures),
            rollback_to=message.rollback_to,
            principal=message.principal,
            time=_time(message.time_ms),
        )


def outcome_of(status: JobStatus) -> JobResult | AthanorError:
    """What a job that has ended came to."""
    if status.result is not None:
        return status.result
    if status.error is not None:
        return status.error
    if status.state is JobState.CANCELLED:
        return Cancelled(f'[cancelled] job "{status.id}": it was cancelled.')
    return Internal(f'[internal] job "{status.id}": it is {status.state} without a result.')


def job_state(value: job_pb2.JobState) -> JobState:
    """The state of a wire value."""
    return JobState(job_pb2.JobState.Name(value).removeprefix("JOB_STATE_").lower())


def job_state_to_wire(state: JobState | str) -> str:
    """The wire name of a state."""
    return f"JOB_STATE_{JobState(state).value.upper()}"


def health_status(value: int) -> HealthStatus:
    """The status of a grpc.health.v1 wire value."""
    return {1: HealthStatus.SERVING, 2: HealthStatus.NOT_SERVING}.get(value, HealthStatus.UNKNOWN)


def _time(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
