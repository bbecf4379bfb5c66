from athanor._gen.v1 import losses_pb2 as _losses_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Training(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "temperature", "alpha", "seed", "checkpoint_every", "teacher", "source_length", "losses", "balance", "balance_every", "average", "teachers", "teacher_top_k", "recording")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_ACCUMULATION_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_EVERY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_FIELD_NUMBER: _ClassVar[int]
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
    TEACHER_TOP_K_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    steps: int
    batch_size: int
    sequence_length: int
    gradient_accumulation: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    weight_decay: float
    clip_norm: float
    temperature: float
    alpha: float
    seed: int
    checkpoint_every: int
    teacher: str
    source_length: int
    losses: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillLoss]
    balance: str
    balance_every: int
    average: str
    teachers: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillTeacher]
    teacher_top_k: int
    recording: str
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., teacher: _Optional[str] = ..., source_length: _Optional[int] = ..., losses: _Optional[_Iterable[_Union[_losses_pb2.DistillLoss, _Mapping]]] = ..., balance: _Optional[str] = ..., balance_every: _Optional[int] = ..., average: _Optional[str] = ..., teachers: _Optional[_Iterable[_Union[_losses_pb2.DistillTeacher, _Mapping]]] = ..., teacher_top_k: _Optional[int] = ..., recording: _Optional[str] = ...) -> None: ...

class Train(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "seed", "checkpoint_every", "source_length", "include", "exclude", "patience", "evaluate_every", "held_out", "from_scratch")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_ACCUMULATION_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    FROM_SCRATCH_FIELD_NUMBER: _ClassVar[int]
    steps: int
    batch_size: int
    sequence_length: int
    gradient_accumulation: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    weight_decay: float
    clip_norm: float
    seed: int
    checkpoint_every: int
    source_length: int
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    patience: int
    evaluate_every: int
    held_out: float
    from_scratch: bool
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., source_length: _Optional[int] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., patience: _Optional[int] = ..., evaluate_every: _Optional[int] = ..., held_out: _Optional[float] = ..., from_scratch: _Optional[bool] = ...) -> None: ...

class Finetune(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "seed", "checkpoint_every", "source_length", "include", "exclude", "patience", "evaluate_every", "held_out", "task", "labels")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_ACCUMULATION_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    steps: int
    batch_size: int
    sequence_length: int
    gradient_accumulation: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    weight_decay: float
    clip_norm: float
    seed: int
    checkpoint_every: int
    source_length: int
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    patience: int
    evaluate_every: int
    held_out: float
    task: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., source_length: _Optional[int] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., patience: _Optional[int] = ..., evaluate_every: _Optional[int] = ..., held_out: _Optional[float] = ..., task: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class Theseus(_message.Message):
    __slots__ = ("modules", "layers", "start", "schedule", "p", "k", "b", "replacement_steps", "patience", "evaluate_every", "held_out", "training", "seed")
    MODULES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    P_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_STEPS_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    modules: int
    layers: int
    start: str
    schedule: str
    p: float
    k: float
    b: float
    replacement_steps: int
    patience: int
    evaluate_every: int
    held_out: float
    training: Training
    seed: int
    def __init__(self, modules: _Optional[int] = ..., layers: _Optional[int] = ..., start: _Optional[str] = ..., schedule: _Optional[str] = ..., p: _Optional[float] = ..., k: _Optional[float] = ..., b: _Optional[float] = ..., replacement_steps: _Optional[int] = ..., patience: _Optional[int] = ..., evaluate_every: _Optional[int] = ..., held_out: _Optional[float] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., seed: _Optional[int] = ...) -> None: ...

class Flop(_message.Message):
    __slots__ = ("ratio", "start", "start_ratio", "drop_tendency", "beta", "lagrangian", "target_warmup_steps", "gate_learning_rate", "multiplier_learning_rate", "recompile_every", "closed_below", "settle_steps", "clusters", "training", "include", "exclude", "seed", "spread", "patience", "evaluate_every", "held_out")
    RATIO_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    START_RATIO_FIELD_NUMBER: _ClassVar[int]
    DROP_TENDENCY_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    LAGRANGIAN_FIELD_NUMBER: _ClassVar[int]
    TARGET_WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    GATE_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    RECOMPILE_EVERY_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BELOW_FIELD_NUMBER: _ClassVar[int]
    SETTLE_STEPS_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    ratio: float
    start: str
    start_ratio: float
    drop_tendency: float
    beta: float
    lagrangian: str
    target_warmup_steps: int
    gate_learning_rate: float
    multiplier_learning_rate: float
    recompile_every: int
    closed_below: float
    settle_steps: int
    clusters: _containers.RepeatedScalarFieldContainer[int]
    training: Training
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    spread: float
    patience: int
    evaluate_every: int
    held_out: float
    def __init__(self, ratio: _Optional[float] = ..., start: _Optional[str] = ..., start_ratio: _Optional[float] = ..., drop_tendency: _Optional[float] = ..., beta: _Optional[float] = ..., lagrangian: _Optional[str] = ..., target_warmup_steps: _Optional[int] = ..., gate_learning_rate: _Optional[float] = ..., multiplier_learning_rate: _Optional[float] = ..., recompile_every: _Optional[int] = ..., closed_below: _Optional[float] = ..., settle_steps: _Optional[int] = ..., clusters: _Optional[_Iterable[int]] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., spread: _Optional[float] = ..., patience: _Optional[int] = ..., evaluate_every: _Optional[int] = ..., held_out: _Optional[float] = ...) -> None: ...

class Ladder(_message.Message):
    __slots__ = ("reduction", "layers", "initial", "mix_output", "train_head", "cache", "cache_bytes", "seed", "training")
    REDUCTION_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    MIX_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TRAIN_HEAD_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    reduction: int
    layers: _containers.RepeatedScalarFieldContainer[int]
    initial: str
    mix_output: bool
    train_head: bool
    cache: str
    cache_bytes: int
    seed: int
    training: Training
    def __init__(self, reduction: _Optional[int] = ..., layers: _Optional[_Iterable[int]] = ..., initial: _Optional[str] = ..., mix_output: _Optional[bool] = ..., train_head: _Optional[bool] = ..., cache: _Optional[str] = ..., cache_bytes: _Optional[int] = ..., seed: _Optional[int] = ..., training: _Optional[_Union[Training, _Mapping]] = ...) -> None: ...

class Lora(_message.Message):
    __slots__ = ("method", "rank", "alpha", "width", "length", "include", "exclude", "train_head", "seed", "training")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    TRAIN_HEAD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    method: str
    rank: int
    alpha: float
    width: int
    length: int
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    train_head: bool
    seed: int
    training: Training
    def __init__(self, method: _Optional[str] = ..., rank: _Optional[int] = ..., alpha: _Optional[float] = ..., width: _Optional[int] = ..., length: _Optional[int] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., train_head: _Optional[bool] = ..., seed: _Optional[int] = ..., training: _Optional[_Union[Training, _Mapping]] = ...) -> None: ...

class Qat(_message.Message):
    __slots__ = ("scheme", "bits", "group_size", "per_channel", "symmetric", "step_size", "threshold", "clip", "split", "ternary_steps", "activations", "lambda_steps", "include", "exclude", "seed", "training")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    PER_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SYMMETRIC_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CLIP_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    TERNARY_STEPS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_STEPS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    bits: int
    group_size: int
    per_channel: bool
    symmetric: bool
    step_size: str
    threshold: str
    clip: float
    split: bool
    ternary_steps: int
    activations: str
    lambda_steps: int
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    training: Training
    def __init__(self, scheme: _Optional[str] = ..., bits: _Optional[int] = ..., group_size: _Optional[int] = ..., per_channel: _Optional[bool] = ..., symmetric: _Optional[bool] = ..., step_size: _Optional[str] = ..., threshold: _Optional[str] = ..., clip: _Optional[float] = ..., split: _Optional[bool] = ..., ternary_steps: _Optional[int] = ..., activations: _Optional[str] = ..., lambda_steps: _Optional[int] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., training: _Optional[_Union[Training, _Mapping]] = ...) -> None: ...
