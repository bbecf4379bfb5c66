from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Recipe(_message.Message):
    __slots__ = ("steps", "seed")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[RecipeStep]
    seed: int
    def __init__(self, steps: _Optional[_Iterable[_Union[RecipeStep, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class RecipeStep(_message.Message):
    __slots__ = ("low_rank", "kronecker", "factorize_embedding", "share", "prune", "quantize", "distill", "warm_start", "ladder", "lora", "flop", "theseus", "train", "finetune", "search", "gate")
    LOW_RANK_FIELD_NUMBER: _ClassVar[int]
    KRONECKER_FIELD_NUMBER: _ClassVar[int]
    FACTORIZE_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    QUANTIZE_FIELD_NUMBER: _ClassVar[int]
    DISTILL_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    LADDER_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    FLOP_FIELD_NUMBER: _ClassVar[int]
    THESEUS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    FINETUNE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    low_rank: LowRank
    kronecker: Kronecker
    factorize_embedding: FactorizeEmbedding
    share: Share
    prune: Prune
    quantize: Quantize
    distill: Distill
    warm_start: WarmStart
    ladder: Ladder
    lora: Lora
    flop: Flop
    theseus: Theseus
    train: Train
    finetune: Finetune
    search: Search
    gate: Gate
    def __init__(self, low_rank: _Optional[_Union[LowRank, _Mapping]] = ..., kronecker: _Optional[_Union[Kronecker, _Mapping]] = ..., factorize_embedding: _Optional[_Union[FactorizeEmbedding, _Mapping]] = ..., share: _Optional[_Union[Share, _Mapping]] = ..., prune: _Optional[_Union[Prune, _Mapping]] = ..., quantize: _Optional[_Union[Quantize, _Mapping]] = ..., distill: _Optional[_Union[Distill, _Mapping]] = ..., warm_start: _Optional[_Union[WarmStart, _Mapping]] = ..., ladder: _Optional[_Union[Ladder, _Mapping]] = ..., lora: _Optional[_Union[Lora, _Mapping]] = ..., flop: _Optional[_Union[Flop, _Mapping]] = ..., theseus: _Optional[_Union[Theseus, _Mapping]] = ..., train: _Optional[_Union[Train, _Mapping]] = ..., finetune: _Optional[_Union[Finetune, _Mapping]] = ..., search: _Optional[_Union[Search, _Mapping]] = ..., gate: _Optional[_Union[Gate, _Mapping]] = ...) -> None: ...

class Training(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "temperature", "alpha", "seed", "checkpoint_every", "teacher", "source_length")
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
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., teacher: _Optional[str] = ..., source_length: _Optional[int] = ...) -> None: ...

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

class LowRank(_message.Message):
    __slots__ = ("method", "ratio", "rank", "energy", "allocate", "include", "exclude", "seed", "alpha")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    method: str
    ratio: float
    rank: int
    energy: float
    allocate: str
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    alpha: float
    def __init__(self, method: _Optional[str] = ..., ratio: _Optional[float] = ..., rank: _Optional[int] = ..., energy: _Optional[float] = ..., allocate: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., alpha: _Optional[float] = ...) -> None: ...

class FactorizeEmbedding(_message.Message):
    __slots__ = ("width", "ratio", "method", "include", "exclude", "seed")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    width: int
    ratio: float
    method: str
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, width: _Optional[int] = ..., ratio: _Optional[float] = ..., method: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ...) -> None: ...

class Prune(_message.Message):
    __slots__ = ("method", "sparsity", "ratio", "pattern", "scope", "sequential", "include", "exclude", "seed", "structure", "remove", "importance", "spread", "multiple_of", "repair")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SPARSITY_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SEQUENTIAL_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STRUCTURE_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    MULTIPLE_OF_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    method: str
    sparsity: float
    ratio: float
    pattern: str
    scope: str
    sequential: bool
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    structure: str
    remove: _containers.RepeatedScalarFieldContainer[int]
    importance: str
    spread: str
    multiple_of: int
    repair: bool
    def __init__(self, method: _Optional[str] = ..., sparsity: _Optional[float] = ..., ratio: _Optional[float] = ..., pattern: _Optional[str] = ..., scope: _Optional[str] = ..., sequential: _Optional[bool] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., structure: _Optional[str] = ..., remove: _Optional[_Iterable[int]] = ..., importance: _Optional[str] = ..., spread: _Optional[str] = ..., multiple_of: _Optional[int] = ..., repair: _Optional[bool] = ...) -> None: ...

class Quantize(_message.Message):
    __slots__ = ("bits", "method", "group_size", "symmetric", "include", "exclude", "seed", "per_channel", "calibration", "percentile", "alpha", "activations", "scheme", "threshold")
    BITS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    SYMMETRIC_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PER_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    bits: int
    method: str
    group_size: int
    symmetric: bool
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    per_channel: bool
    calibration: str
    percentile: float
    alpha: float
    activations: str
    scheme: str
    threshold: str
    def __init__(self, bits: _Optional[int] = ..., method: _Optional[str] = ..., group_size: _Optional[int] = ..., symmetric: _Optional[bool] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., per_channel: _Optional[bool] = ..., calibration: _Optional[str] = ..., percentile: _Optional[float] = ..., alpha: _Optional[float] = ..., activations: _Optional[str] = ..., scheme: _Optional[str] = ..., threshold: _Optional[str] = ...) -> None: ...

class Kronecker(_message.Message):
    __slots__ = ("ratio", "terms", "shape", "permute", "layout", "search", "head", "include", "exclude", "seed")
    RATIO_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    PERMUTE_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ratio: float
    terms: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    permute: str
    layout: str
    search: str
    head: str
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, ratio: _Optional[float] = ..., terms: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ..., permute: _Optional[str] = ..., layout: _Optional[str] = ..., search: _Optional[str] = ..., head: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ...) -> None: ...

class Flop(_message.Message):
    __slots__ = ("ratio", "start", "start_ratio", "drop_tendency", "beta", "lagrangian", "target_warmup_steps", "gate_learning_rate", "multiplier_learning_rate", "recompile_every", "closed_below", "settle_steps", "clusters", "training", "include", "exclude", "seed", "spread")
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
    def __init__(self, ratio: _Optional[float] = ..., start: _Optional[str] = ..., start_ratio: _Optional[float] = ..., drop_tendency: _Optional[float] = ..., beta: _Optional[float] = ..., lagrangian: _Optional[str] = ..., target_warmup_steps: _Optional[int] = ..., gate_learning_rate: _Optional[float] = ..., multiplier_learning_rate: _Optional[float] = ..., recompile_every: _Optional[int] = ..., closed_below: _Optional[float] = ..., settle_steps: _Optional[int] = ..., clusters: _Optional[_Iterable[int]] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., spread: _Optional[float] = ...) -> None: ...

class Distill(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "temperature", "alpha", "seed", "checkpoint_every", "teacher", "include", "exclude", "source_length", "losses", "balance", "balance_every", "average", "teachers")
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
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_EVERY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_FIELD_NUMBER: _ClassVar[int]
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
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
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    source_length: int
    losses: _containers.RepeatedCompositeFieldContainer[DistillLoss]
    balance: str
    balance_every: int
    average: str
    teachers: _containers.RepeatedCompositeFieldContainer[DistillTeacher]
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., teacher: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., source_length: _Optional[int] = ..., losses: _Optional[_Iterable[_Union[DistillLoss, _Mapping]]] = ..., balance: _Optional[str] = ..., balance_every: _Optional[int] = ..., average: _Optional[str] = ..., teachers: _Optional[_Iterable[_Union[DistillTeacher, _Mapping]]] = ...) -> None: ...

class DistillTeacher(_message.Message):
    __slots__ = ("model", "weight")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    model: str
    weight: float
    def __init__(self, model: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class DistillLoss(_message.Message):
    __slots__ = ("kind", "weight", "weight_schedule", "divergence", "beta", "scaled", "temperature", "distance", "projection", "tokens", "of", "heads", "over", "layers", "layer_pairs", "teacher", "stack")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    SCALED_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    LAYER_PAIRS_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    kind: str
    weight: float
    weight_schedule: WeightSchedule
    divergence: str
    beta: float
    scaled: bool
    temperature: float
    distance: str
    projection: str
    tokens: str
    of: str
    heads: int
    over: str
    layers: str
    layer_pairs: _containers.RepeatedCompositeFieldContainer[LayerPair]
    teacher: int
    stack: str
    def __init__(self, kind: _Optional[str] = ..., weight: _Optional[float] = ..., weight_schedule: _Optional[_Union[WeightSchedule, _Mapping]] = ..., divergence: _Optional[str] = ..., beta: _Optional[float] = ..., scaled: _Optional[bool] = ..., temperature: _Optional[float] = ..., distance: _Optional[str] = ..., projection: _Optional[str] = ..., tokens: _Optional[str] = ..., of: _Optional[str] = ..., heads: _Optional[int] = ..., over: _Optional[str] = ..., layers: _Optional[str] = ..., layer_pairs: _Optional[_Iterable[_Union[LayerPair, _Mapping]]] = ..., teacher: _Optional[int] = ..., stack: _Optional[str] = ...) -> None: ...

class WeightSchedule(_message.Message):
    __slots__ = ("to", "steps", "shape")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    to: float
    steps: int
    shape: str
    def __init__(self, to: _Optional[float] = ..., steps: _Optional[int] = ..., shape: _Optional[str] = ..., **kwargs) -> None: ...

class LayerPair(_message.Message):
    __slots__ = ("student", "teacher")
    STUDENT_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    student: int
    teacher: int
    def __init__(self, student: _Optional[int] = ..., teacher: _Optional[int] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("scheme", "unique_layers", "layers", "similarity", "norms", "cross_attention", "embedding", "halting", "include", "exclude", "seed")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_LAYERS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    NORMS_FIELD_NUMBER: _ClassVar[int]
    CROSS_ATTENTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    HALTING_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    unique_layers: int
    layers: int
    similarity: str
    norms: str
    cross_attention: str
    embedding: SafeEmbedding
    halting: Halting
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, scheme: _Optional[str] = ..., unique_layers: _Optional[int] = ..., layers: _Optional[int] = ..., similarity: _Optional[str] = ..., norms: _Optional[str] = ..., cross_attention: _Optional[str] = ..., embedding: _Optional[_Union[SafeEmbedding, _Mapping]] = ..., halting: _Optional[_Union[Halting, _Mapping]] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., **kwargs) -> None: ...

class SafeEmbedding(_message.Message):
    __slots__ = ("width", "heads")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    width: int
    heads: int
    def __init__(self, width: _Optional[int] = ..., heads: _Optional[int] = ...) -> None: ...

class Halting(_message.Message):
    __slots__ = ("max_steps", "epsilon", "ponder_cost", "signals")
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    PONDER_COST_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    max_steps: int
    epsilon: float
    ponder_cost: float
    signals: bool
    def __init__(self, max_steps: _Optional[int] = ..., epsilon: _Optional[float] = ..., ponder_cost: _Optional[float] = ..., signals: _Optional[bool] = ...) -> None: ...

class WarmStart(_message.Message):
    __slots__ = ("encoder", "decoder", "share", "share_embedding", "cross_attention", "start_token", "end_token", "seed")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SHARE_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    CROSS_ATTENTION_FIELD_NUMBER: _ClassVar[int]
    START_TOKEN_FIELD_NUMBER: _ClassVar[int]
    END_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    decoder: str
    share: bool
    share_embedding: bool
    cross_attention: str
    start_token: int
    end_token: int
    seed: int
    def __init__(self, encoder: _Optional[str] = ..., decoder: _Optional[str] = ..., share: _Optional[bool] = ..., share_embedding: _Optional[bool] = ..., cross_attention: _Optional[str] = ..., start_token: _Optional[int] = ..., end_token: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

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

class Gate(_message.Message):
    __slots__ = ("metric", "max_loss", "relative", "against", "at_most", "at_least", "otherwise", "seed")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    MAX_LOSS_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_FIELD_NUMBER: _ClassVar[int]
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    metric: str
    max_loss: float
    relative: bool
    against: str
    at_most: float
    at_least: float
    otherwise: str
    seed: int
    def __init__(self, metric: _Optional[str] = ..., max_loss: _Optional[float] = ..., relative: _Optional[bool] = ..., against: _Optional[str] = ..., at_most: _Optional[float] = ..., at_least: _Optional[float] = ..., otherwise: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class Search(_message.Message):
    __slots__ = ("target", "budget", "metric", "candidates", "distill", "seed")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    DISTILL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    target: SearchTarget
    budget: SearchBudget
    metric: str
    candidates: _containers.RepeatedCompositeFieldContainer[SearchCandidate]
    distill: Distill
    seed: int
    def __init__(self, target: _Optional[_Union[SearchTarget, _Mapping]] = ..., budget: _Optional[_Union[SearchBudget, _Mapping]] = ..., metric: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[SearchCandidate, _Mapping]]] = ..., distill: _Optional[_Union[Distill, _Mapping]] = ..., seed: _Optional[int] = ...) -> None: ...

class SearchTarget(_message.Message):
    __slots__ = ("stored_bytes", "ratio", "latency_ms", "max_loss")
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_LOSS_FIELD_NUMBER: _ClassVar[int]
    stored_bytes: int
    ratio: float
    latency_ms: float
    max_loss: float
    def __init__(self, stored_bytes: _Optional[int] = ..., ratio: _Optional[float] = ..., latency_ms: _Optional[float] = ..., max_loss: _Optional[float] = ...) -> None: ...

class SearchBudget(_message.Message):
    __slots__ = ("trials", "minutes")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    trials: int
    minutes: float
    def __init__(self, trials: _Optional[int] = ..., minutes: _Optional[float] = ...) -> None: ...

class SearchCandidate(_message.Message):
    __slots__ = ("name", "steps")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    name: str
    steps: _containers.RepeatedCompositeFieldContainer[RecipeStep]
    def __init__(self, name: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[RecipeStep, _Mapping]]] = ...) -> None: ...
