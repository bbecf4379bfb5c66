from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
