from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StepReport(_message.Message):
    __slots__ = ("method", "stored_bytes_before", "stored_bytes_after", "note", "metrics", "dropped", "gate", "search")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_AFTER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    method: str
    stored_bytes_before: int
    stored_bytes_after: int
    note: str
    metrics: _containers.ScalarMap[str, float]
    dropped: bool
    gate: GateReport
    search: SearchReport
    def __init__(self, method: _Optional[str] = ..., stored_bytes_before: _Optional[int] = ..., stored_bytes_after: _Optional[int] = ..., note: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., dropped: _Optional[bool] = ..., gate: _Optional[_Union[GateReport, _Mapping]] = ..., search: _Optional[_Union[SearchReport, _Mapping]] = ...) -> None: ...

class RecipeStop(_message.Message):
    __slots__ = ("step", "reason", "kept_steps")
    STEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KEPT_STEPS_FIELD_NUMBER: _ClassVar[int]
    step: int
    reason: str
    kept_steps: int
    def __init__(self, step: _Optional[int] = ..., reason: _Optional[str] = ..., kept_steps: _Optional[int] = ...) -> None: ...

class GateReport(_message.Message):
    __slots__ = ("metric", "value", "reference", "limit", "held")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    metric: str
    value: float
    reference: float
    limit: float
    held: bool
    def __init__(self, metric: _Optional[str] = ..., value: _Optional[float] = ..., reference: _Optional[float] = ..., limit: _Optional[float] = ..., held: _Optional[bool] = ...) -> None: ...

class SearchReport(_message.Message):
    __slots__ = ("trials", "chosen", "ended")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[SearchTrial]
    chosen: int
    ended: str
    def __init__(self, trials: _Optional[_Iterable[_Union[SearchTrial, _Mapping]]] = ..., chosen: _Optional[int] = ..., ended: _Optional[str] = ...) -> None: ...

class SearchTrial(_message.Message):
    __slots__ = ("name", "family", "recipe_json", "metrics", "meets_target", "on_front", "elapsed_ms", "failure")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MEETS_TARGET_FIELD_NUMBER: _ClassVar[int]
    ON_FRONT_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    family: str
    recipe_json: str
    metrics: _containers.ScalarMap[str, float]
    meets_target: bool
    on_front: bool
    elapsed_ms: float
    failure: str
    def __init__(self, name: _Optional[str] = ..., family: _Optional[str] = ..., recipe_json: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., meets_target: _Optional[bool] = ..., on_front: _Optional[bool] = ..., elapsed_ms: _Optional[float] = ..., failure: _Optional[str] = ...) -> None: ...

class ParameterChange(_message.Message):
    __slots__ = ("path", "parametrization", "stored_bytes_before", "stored_bytes_after", "relative_error", "rank", "step", "weight_error", "output_error", "error_before", "note")
    PATH_FIELD_NUMBER: _ClassVar[int]
    PARAMETRIZATION_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_AFTER_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_ERROR_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    path: str
    parametrization: str
    stored_bytes_before: int
    stored_bytes_after: int
    relative_error: float
    rank: int
    step: int
    weight_error: float
    output_error: float
    error_before: float
    note: str
    def __init__(self, path: _Optional[str] = ..., parametrization: _Optional[str] = ..., stored_bytes_before: _Optional[int] = ..., stored_bytes_after: _Optional[int] = ..., relative_error: _Optional[float] = ..., rank: _Optional[int] = ..., step: _Optional[int] = ..., weight_error: _Optional[float] = ..., output_error: _Optional[float] = ..., error_before: _Optional[float] = ..., note: _Optional[str] = ...) -> None: ...

class CalibrationManifest(_message.Message):
    __slots__ = ("paths", "text_hash", "documents", "rows", "rows_available", "row_tokens", "seed", "padding", "special_tokens", "rows_hash", "row_hashes", "row_kind")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    TEXT_HASH_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROWS_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ROWS_HASH_FIELD_NUMBER: _ClassVar[int]
    ROW_HASHES_FIELD_NUMBER: _ClassVar[int]
    ROW_KIND_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    text_hash: str
    documents: int
    rows: int
    rows_available: int
    row_tokens: int
    seed: int
    padding: str
    special_tokens: str
    rows_hash: str
    row_hashes: _containers.RepeatedScalarFieldContainer[str]
    row_kind: str
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., text_hash: _Optional[str] = ..., documents: _Optional[int] = ..., rows: _Optional[int] = ..., rows_available: _Optional[int] = ..., row_tokens: _Optional[int] = ..., seed: _Optional[int] = ..., padding: _Optional[str] = ..., special_tokens: _Optional[str] = ..., rows_hash: _Optional[str] = ..., row_hashes: _Optional[_Iterable[str]] = ..., row_kind: _Optional[str] = ...) -> None: ...

class MemoryReport(_message.Message):
    __slots__ = ("estimated_peak_bytes", "peak_bytes", "limit_bytes", "phase")
    ESTIMATED_PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    estimated_peak_bytes: int
    peak_bytes: int
    limit_bytes: int
    phase: str
    def __init__(self, estimated_peak_bytes: _Optional[int] = ..., peak_bytes: _Optional[int] = ..., limit_bytes: _Optional[int] = ..., phase: _Optional[str] = ...) -> None: ...
