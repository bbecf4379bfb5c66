from athanor._gen.v1 import compression_report_pb2 as _compression_report_pb2
from athanor._gen.v1 import evaluation_report_pb2 as _evaluation_report_pb2
from athanor._gen.v1 import losses_pb2 as _losses_pb2
from athanor._gen.v1 import model_pb2 as _model_pb2
from athanor._gen.v1 import recipe_pb2 as _recipe_pb2
from athanor._gen.v1 import teacher_pb2 as _teacher_pb2
from athanor._gen.v1 import text_pb2 as _text_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
    JOB_STATE_CANCELLING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_PAUSED: JobState
JOB_STATE_CANCELLING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class JobSpec(_message.Message):
    __slots__ = ("import_model", "compress", "distill", "evaluate", "export", "record")
    IMPORT_MODEL_FIELD_NUMBER: _ClassVar[int]
    COMPRESS_FIELD_NUMBER: _ClassVar[int]
    DISTILL_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    import_model: ImportSpec
    compress: CompressSpec
    distill: DistillSpec
    evaluate: EvaluateSpec
    export: ExportSpec
    record: _teacher_pb2.RecordSpec
    def __init__(self, import_model: _Optional[_Union[ImportSpec, _Mapping]] = ..., compress: _Optional[_Union[CompressSpec, _Mapping]] = ..., distill: _Optional[_Union[DistillSpec, _Mapping]] = ..., evaluate: _Optional[_Union[EvaluateSpec, _Mapping]] = ..., export: _Optional[_Union[ExportSpec, _Mapping]] = ..., record: _Optional[_Union[_teacher_pb2.RecordSpec, _Mapping]] = ...) -> None: ...

class ImportSpec(_message.Message):
    __slots__ = ("name", "path", "replace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    replace: bool
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., replace: _Optional[bool] = ...) -> None: ...

class CompressSpec(_message.Message):
    __slots__ = ("model", "name", "recipe", "recipe_yaml", "recipe_name", "data", "calibration", "replace", "validation", "evaluate_stages")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_YAML_FIELD_NUMBER: _ClassVar[int]
    RECIPE_NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_STAGES_FIELD_NUMBER: _ClassVar[int]
    model: str
    name: str
    recipe: _recipe_pb2.Recipe
    recipe_yaml: str
    recipe_name: str
    data: _text_pb2.TextData
    calibration: Calibration
    replace: bool
    validation: _text_pb2.TextData
    evaluate_stages: bool
    def __init__(self, model: _Optional[str] = ..., name: _Optional[str] = ..., recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ..., recipe_yaml: _Optional[str] = ..., recipe_name: _Optional[str] = ..., data: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., replace: _Optional[bool] = ..., validation: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., evaluate_stages: _Optional[bool] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("sequences", "sequence_length", "seed", "special_tokens")
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    sequences: int
    sequence_length: int
    seed: int
    special_tokens: bool
    def __init__(self, sequences: _Optional[int] = ..., sequence_length: _Optional[int] = ..., seed: _Optional[int] = ..., special_tokens: _Optional[bool] = ...) -> None: ...

class DistillSpec(_message.Message):
    __slots__ = ("student", "teacher", "name", "data", "validation", "settings", "from_scratch", "replace", "labels", "teachers", "recording", "teacher_top_k", "on_policy", "sequence_level")
    STUDENT_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    FROM_SCRATCH_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    TEACHER_TOP_K_FIELD_NUMBER: _ClassVar[int]
    ON_POLICY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    student: str
    teacher: str
    name: str
    data: _text_pb2.TextData
    validation: _text_pb2.TextData
    settings: DistillSettings
    from_scratch: bool
    replace: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    teachers: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillTeacher]
    recording: str
    teacher_top_k: int
    on_policy: _teacher_pb2.OnPolicy
    sequence_level: _teacher_pb2.SequenceLevel
    def __init__(self, student: _Optional[str] = ..., teacher: _Optional[str] = ..., name: _Optional[str] = ..., data: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., validation: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., settings: _Optional[_Union[DistillSettings, _Mapping]] = ..., from_scratch: _Optional[bool] = ..., replace: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ..., teachers: _Optional[_Iterable[_Union[_losses_pb2.DistillTeacher, _Mapping]]] = ..., recording: _Optional[str] = ..., teacher_top_k: _Optional[int] = ..., on_policy: _Optional[_Union[_teacher_pb2.OnPolicy, _Mapping]] = ..., sequence_level: _Optional[_Union[_teacher_pb2.SequenceLevel, _Mapping]] = ...) -> None: ...

class DistillSettings(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "precision", "temperature", "alpha", "seed", "checkpoint_every", "evaluate_every", "source_length", "losses", "balance", "balance_every", "average", "products", "teacher_products", "recompute", "memory")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_ACCUMULATION_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_EVERY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    TEACHER_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    RECOMPUTE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    steps: int
    batch_size: int
    sequence_length: int
    gradient_accumulation: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    weight_decay: float
    clip_norm: float
    precision: str
    temperature: float
    alpha: float
    seed: int
    checkpoint_every: int
    evaluate_every: int
    source_length: int
    losses: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillLoss]
    balance: str
    balance_every: int
    average: str
    products: str
    teacher_products: str
    recompute: bool
    memory: str
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., precision: _Optional[str] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., evaluate_every: _Optional[int] = ..., source_length: _Optional[int] = ..., losses: _Optional[_Iterable[_Union[_losses_pb2.DistillLoss, _Mapping]]] = ..., balance: _Optional[str] = ..., balance_every: _Optional[int] = ..., average: _Optional[str] = ..., products: _Optional[str] = ..., teacher_products: _Optional[str] = ..., recompute: _Optional[bool] = ..., memory: _Optional[str] = ...) -> None: ...

class EvaluateSpec(_message.Message):
    __slots__ = ("model", "teacher", "data", "settings")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    model: str
    teacher: str
    data: _text_pb2.TextData
    settings: EvaluateSettings
    def __init__(self, model: _Optional[str] = ..., teacher: _Optional[str] = ..., data: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., settings: _Optional[_Union[EvaluateSettings, _Mapping]] = ...) -> None: ...

class EvaluateSettings(_message.Message):
    __slots__ = ("window", "stride", "batch_size", "latency", "latency_batch_sizes", "max_rows", "beams", "max_new_tokens", "hidden_share", "hidden_seed")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_BATCH_SIZES_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    BEAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_SHARE_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_SEED_FIELD_NUMBER: _ClassVar[int]
    window: int
    stride: int
    batch_size: int
    latency: bool
    latency_batch_sizes: _containers.RepeatedScalarFieldContainer[int]
    max_rows: int
    beams: int
    max_new_tokens: int
    hidden_share: float
    hidden_seed: int
    def __init__(self, window: _Optional[int] = ..., stride: _Optional[int] = ..., batch_size: _Optional[int] = ..., latency: _Optional[bool] = ..., latency_batch_sizes: _Optional[_Iterable[int]] = ..., max_rows: _Optional[int] = ..., beams: _Optional[int] = ..., max_new_tokens: _Optional[int] = ..., hidden_share: _Optional[float] = ..., hidden_seed: _Optional[int] = ...) -> None: ...

class ExportSpec(_message.Message):
    __slots__ = ("model", "format", "path")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    model: str
    format: _model_pb2.ExportFormat
    path: str
    def __init__(self, model: _Optional[str] = ..., format: _Optional[_Union[_model_pb2.ExportFormat, str]] = ..., path: _Optional[str] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("job_id", "sequence", "time_ms", "state", "progress", "result", "error")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    sequence: int
    time_ms: int
    state: JobStateChange
    progress: JobProgress
    result: JobResult
    error: JobError
    def __init__(self, job_id: _Optional[str] = ..., sequence: _Optional[int] = ..., time_ms: _Optional[int] = ..., state: _Optional[_Union[JobStateChange, _Mapping]] = ..., progress: _Optional[_Union[JobProgress, _Mapping]] = ..., result: _Optional[_Union[JobResult, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...

class JobStateChange(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: JobState
    def __init__(self, state: _Optional[_Union[JobState, str]] = ...) -> None: ...

class JobProgress(_message.Message):
    __slots__ = ("phase", "step", "total", "eta_ms", "item", "metrics", "elapsed_ms")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ETA_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    phase: str
    step: int
    total: int
    eta_ms: float
    item: str
    metrics: _containers.ScalarMap[str, float]
    elapsed_ms: float
    def __init__(self, phase: _Optional[str] = ..., step: _Optional[int] = ..., total: _Optional[int] = ..., eta_ms: _Optional[float] = ..., item: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., elapsed_ms: _Optional[float] = ...) -> None: ...

class JobResult(_message.Message):
    __slots__ = ("import_model", "compress", "distill", "evaluate", "export", "record")
    IMPORT_MODEL_FIELD_NUMBER: _ClassVar[int]
    COMPRESS_FIELD_NUMBER: _ClassVar[int]
    DISTILL_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    import_model: ImportResult
    compress: CompressResult
    distill: DistillResult
    evaluate: EvaluateResult
    export: ExportResult
    record: _teacher_pb2.RecordResult
    def __init__(self, import_model: _Optional[_Union[ImportResult, _Mapping]] = ..., compress: _Optional[_Union[CompressResult, _Mapping]] = ..., distill: _Optional[_Union[DistillResult, _Mapping]] = ..., evaluate: _Optional[_Union[EvaluateResult, _Mapping]] = ..., export: _Optional[_Union[ExportResult, _Mapping]] = ..., record: _Optional[_Union[_teacher_pb2.RecordResult, _Mapping]] = ...) -> None: ...

class ImportResult(_message.Message):
    __slots__ = ("model", "verification", "memory")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelInfo
    verification: Verification
    memory: _compression_report_pb2.MemoryReport
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelInfo, _Mapping]] = ..., verification: _Optional[_Union[Verification, _Mapping]] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ...) -> None: ...

class Verification(_message.Message):
    __slots__ = ("tokens", "max_relative_difference", "tolerance", "elapsed_ms")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_RELATIVE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    max_relative_difference: float
    tolerance: float
    elapsed_ms: float
    def __init__(self, tokens: _Optional[int] = ..., max_relative_difference: _Optional[float] = ..., tolerance: _Optional[float] = ..., elapsed_ms: _Optional[float] = ...) -> None: ...

class CompressResult(_message.Message):
    __slots__ = ("model", "changes", "steps", "calibration", "memory", "verification", "start_metrics", "stop")
    class StartMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    START_METRICS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelInfo
    changes: _containers.RepeatedCompositeFieldContainer[_compression_report_pb2.ParameterChange]
    steps: _containers.RepeatedCompositeFieldContainer[_compression_report_pb2.StepReport]
    calibration: _compression_report_pb2.CalibrationManifest
    memory: _compression_report_pb2.MemoryReport
    verification: Verification
    start_metrics: _containers.ScalarMap[str, float]
    stop: _compression_report_pb2.RecipeStop
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelInfo, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[_compression_report_pb2.ParameterChange, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[_compression_report_pb2.StepReport, _Mapping]]] = ..., calibration: _Optional[_Union[_compression_report_pb2.CalibrationManifest, _Mapping]] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ..., verification: _Optional[_Union[Verification, _Mapping]] = ..., start_metrics: _Optional[_Mapping[str, float]] = ..., stop: _Optional[_Union[_compression_report_pb2.RecipeStop, _Mapping]] = ...) -> None: ...

class DistillResult(_message.Message):
    __slots__ = ("model", "steps", "final_loss", "validation", "verification", "memory")
    class ValidationEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FINAL_LOSS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelInfo
    steps: int
    final_loss: float
    validation: _containers.ScalarMap[str, float]
    verification: Verification
    memory: _compression_report_pb2.MemoryReport
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelInfo, _Mapping]] = ..., steps: _Optional[int] = ..., final_loss: _Optional[float] = ..., validation: _Optional[_Mapping[str, float]] = ..., verification: _Optional[_Union[Verification, _Mapping]] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ...) -> None: ...

class EvaluateResult(_message.Message):
    __slots__ = ("report", "memory")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    report: _evaluation_report_pb2.EvaluationReport
    memory: _compression_report_pb2.MemoryReport
    def __init__(self, report: _Optional[_Union[_evaluation_report_pb2.EvaluationReport, _Mapping]] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ...) -> None: ...

class ExportResult(_message.Message):
    __slots__ = ("path", "files", "notes", "memory")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    path: str
    files: _containers.RepeatedCompositeFieldContainer[ExportedFile]
    notes: _containers.RepeatedScalarFieldContainer[str]
    memory: _compression_report_pb2.MemoryReport
    def __init__(self, path: _Optional[str] = ..., files: _Optional[_Iterable[_Union[ExportedFile, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ...) -> None: ...

class ExportedFile(_message.Message):
    __slots__ = ("file_name", "size_bytes")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    size_bytes: int
    def __init__(self, file_name: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("code", "message", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class JobInfo(_message.Message):
    __slots__ = ("id", "kind", "state", "source", "target", "created_ms", "started_ms", "finished_ms", "last_sequence", "progress", "result", "error", "attempts", "priority", "owner", "retry_of", "is_pausing")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    IS_PAUSING_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    state: JobState
    source: str
    target: str
    created_ms: int
    started_ms: int
    finished_ms: int
    last_sequence: int
    progress: JobProgress
    result: JobResult
    error: JobError
    attempts: int
    priority: int
    owner: str
    retry_of: str
    is_pausing: bool
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., created_ms: _Optional[int] = ..., started_ms: _Optional[int] = ..., finished_ms: _Optional[int] = ..., last_sequence: _Optional[int] = ..., progress: _Optional[_Union[JobProgress, _Mapping]] = ..., result: _Optional[_Union[JobResult, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., attempts: _Optional[int] = ..., priority: _Optional[int] = ..., owner: _Optional[str] = ..., retry_of: _Optional[str] = ..., is_pausing: _Optional[bool] = ...) -> None: ...

class JobServiceSubmitRequest(_message.Message):
    __slots__ = ("spec", "priority")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    priority: int
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., priority: _Optional[int] = ...) -> None: ...

class JobServiceSubmitResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServiceGetRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobServiceGetResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServiceListRequest(_message.Message):
    __slots__ = ("states", "limit")
    STATES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[JobState]
    limit: int
    def __init__(self, states: _Optional[_Iterable[_Union[JobState, str]]] = ..., limit: _Optional[int] = ...) -> None: ...

class JobServiceListResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobInfo]
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobInfo, _Mapping]]] = ...) -> None: ...

class JobServiceWatchRequest(_message.Message):
    __slots__ = ("job_id", "from_sequence")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    from_sequence: int
    def __init__(self, job_id: _Optional[str] = ..., from_sequence: _Optional[int] = ...) -> None: ...

class JobServiceWatchResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: JobEvent
    def __init__(self, event: _Optional[_Union[JobEvent, _Mapping]] = ...) -> None: ...

class JobServiceCancelRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobServiceCancelResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServicePauseRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobServicePauseResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServiceResumeRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobServiceResumeResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServiceRetryRequest(_message.Message):
    __slots__ = ("job_id", "fresh")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    fresh: bool
    def __init__(self, job_id: _Optional[str] = ..., fresh: _Optional[bool] = ...) -> None: ...

class JobServiceRetryResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobInfo
    def __init__(self, job: _Optional[_Union[JobInfo, _Mapping]] = ...) -> None: ...

class JobServiceForgetRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobServiceForgetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
