from athanor._gen.v1 import losses_pb2 as _losses_pb2
from athanor._gen.v1 import training_steps_pb2 as _training_steps_pb2
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
    __slots__ = ("low_rank", "kronecker", "factorize_embedding", "share", "prune", "quantize", "distill", "warm_start", "ladder", "lora", "flop", "theseus", "train", "finetune", "search", "gate", "qat")
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
    QAT_FIELD_NUMBER: _ClassVar[int]
    low_rank: LowRank
    kronecker: Kronecker
    factorize_embedding: FactorizeEmbedding
    share: Share
    prune: Prune
    quantize: Quantize
    distill: Distill
    warm_start: WarmStart
    ladder: _training_steps_pb2.Ladder
    lora: _training_steps_pb2.Lora
    flop: _training_steps_pb2.Flop
    theseus: _training_steps_pb2.Theseus
    train: _training_steps_pb2.Train
    finetune: _training_steps_pb2.Finetune
    search: Search
    gate: Gate
    qat: _training_steps_pb2.Qat
    def __init__(self, low_rank: _Optional[_Union[LowRank, _Mapping]] = ..., kronecker: _Optional[_Union[Kronecker, _Mapping]] = ..., factorize_embedding: _Optional[_Union[FactorizeEmbedding, _Mapping]] = ..., share: _Optional[_Union[Share, _Mapping]] = ..., prune: _Optional[_Union[Prune, _Mapping]] = ..., quantize: _Optional[_Union[Quantize, _Mapping]] = ..., distill: _Optional[_Union[Distill, _Mapping]] = ..., warm_start: _Optional[_Union[WarmStart, _Mapping]] = ..., ladder: _Optional[_Union[_training_steps_pb2.Ladder, _Mapping]] = ..., lora: _Optional[_Union[_training_steps_pb2.Lora, _Mapping]] = ..., flop: _Optional[_Union[_training_steps_pb2.Flop, _Mapping]] = ..., theseus: _Optional[_Union[_training_steps_pb2.Theseus, _Mapping]] = ..., train: _Optional[_Union[_training_steps_pb2.Train, _Mapping]] = ..., finetune: _Optional[_Union[_training_steps_pb2.Finetune, _Mapping]] = ..., search: _Optional[_Union[Search, _Mapping]] = ..., gate: _Optional[_Union[Gate, _Mapping]] = ..., qat: _Optional[_Union[_training_steps_pb2.Qat, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("method", "sparsity", "ratio", "pattern", "scope", "sequential", "include", "exclude", "seed", "structure", "remove", "importance", "spread", "multiple_of", "repair", "training", "warmup_steps", "cooldown_steps", "every", "score_learning_rate", "threshold", "penalty")
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
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_STEPS_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    SCORE_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PENALTY_FIELD_NUMBER: _ClassVar[int]
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
    training: _training_steps_pb2.Training
    warmup_steps: int
    cooldown_steps: int
    every: int
    score_learning_rate: float
    threshold: float
    penalty: float
    def __init__(self, method: _Optional[str] = ..., sparsity: _Optional[float] = ..., ratio: _Optional[float] = ..., pattern: _Optional[str] = ..., scope: _Optional[str] = ..., sequential: _Optional[bool] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., structure: _Optional[str] = ..., remove: _Optional[_Iterable[int]] = ..., importance: _Optional[str] = ..., spread: _Optional[str] = ..., multiple_of: _Optional[int] = ..., repair: _Optional[bool] = ..., training: _Optional[_Union[_training_steps_pb2.Training, _Mapping]] = ..., warmup_steps: _Optional[int] = ..., cooldown_steps: _Optional[int] = ..., every: _Optional[int] = ..., score_learning_rate: _Optional[float] = ..., threshold: _Optional[float] = ..., penalty: _Optional[float] = ...) -> None: ...

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

class Distill(_message.Message):
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "precision", "temperature", "alpha", "seed", "checkpoint_every", "teacher", "include", "exclude", "source_length", "losses", "balance", "balance_every", "average", "teachers", "teacher_top_k", "recording", "products", "teacher_products", "recompute", "memory")
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
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_EVERY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_FIELD_NUMBER: _ClassVar[int]
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
    TEACHER_TOP_K_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
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
    teacher: str
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    source_length: int
    losses: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillLoss]
    balance: str
    balance_every: int
    average: str
    teachers: _containers.RepeatedCompositeFieldContainer[_losses_pb2.DistillTeacher]
    teacher_top_k: int
    recording: str
    products: str
    teacher_products: str
    recompute: bool
    memory: str
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., precision: _Optional[str] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., teacher: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., source_length: _Optional[int] = ..., losses: _Optional[_Iterable[_Union[_losses_pb2.DistillLoss, _Mapping]]] = ..., balance: _Optional[str] = ..., balance_every: _Optional[int] = ..., average: _Optional[str] = ..., teachers: _Optional[_Iterable[_Union[_losses_pb2.DistillTeacher, _Mapping]]] = ..., teacher_top_k: _Optional[int] = ..., recording: _Optional[str] = ..., products: _Optional[str] = ..., teacher_products: _Optional[str] = ..., recompute: _Optional[bool] = ..., memory: _Optional[str] = ...) -> None: ...

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
