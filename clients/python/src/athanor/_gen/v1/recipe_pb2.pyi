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
    __slots__ = ("low_rank", "kronecker", "quantize", "distill")
    LOW_RANK_FIELD_NUMBER: _ClassVar[int]
    KRONECKER_FIELD_NUMBER: _ClassVar[int]
    QUANTIZE_FIELD_NUMBER: _ClassVar[int]
    DISTILL_FIELD_NUMBER: _ClassVar[int]
    low_rank: LowRank
    kronecker: Kronecker
    quantize: Quantize
    distill: Distill
    def __init__(self, low_rank: _Optional[_Union[LowRank, _Mapping]] = ..., kronecker: _Optional[_Union[Kronecker, _Mapping]] = ..., quantize: _Optional[_Union[Quantize, _Mapping]] = ..., distill: _Optional[_Union[Distill, _Mapping]] = ...) -> None: ...

class LowRank(_message.Message):
    __slots__ = ("method", "ratio", "rank", "energy", "allocate", "include", "exclude", "seed")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    method: str
    ratio: float
    rank: int
    energy: float
    allocate: str
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, method: _Optional[str] = ..., ratio: _Optional[float] = ..., rank: _Optional[int] = ..., energy: _Optional[float] = ..., allocate: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ...) -> None: ...

class Quantize(_message.Message):
    __slots__ = ("bits", "method", "group_size", "symmetric", "include", "exclude", "seed")
    BITS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZE_FIELD_NUMBER: _ClassVar[int]
    SYMMETRIC_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    bits: int
    method: str
    group_size: int
    symmetric: bool
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, bits: _Optional[int] = ..., method: _Optional[str] = ..., group_size: _Optional[int] = ..., symmetric: _Optional[bool] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("steps", "batch_size", "sequence_length", "gradient_accumulation", "learning_rate", "warmup_steps", "schedule", "weight_decay", "clip_norm", "temperature", "alpha", "seed", "checkpoint_every", "teacher", "include", "exclude")
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
    def __init__(self, steps: _Optional[int] = ..., batch_size: _Optional[int] = ..., sequence_length: _Optional[int] = ..., gradient_accumulation: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., schedule: _Optional[str] = ..., weight_decay: _Optional[float] = ..., clip_norm: _Optional[float] = ..., temperature: _Optional[float] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., checkpoint_every: _Optional[int] = ..., teacher: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ...) -> None: ...
