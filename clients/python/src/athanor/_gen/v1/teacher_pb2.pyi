from athanor._gen.v1 import compression_report_pb2 as _compression_report_pb2
from athanor._gen.v1 import text_pb2 as _text_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OnPolicy(_message.Message):
    __slots__ = ("share", "max_new_tokens", "temperature", "prompt_tokens", "beta", "policy_gradient")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    POLICY_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    share: float
    max_new_tokens: int
    temperature: float
    prompt_tokens: int
    beta: float
    policy_gradient: PolicyGradient
    def __init__(self, share: _Optional[float] = ..., max_new_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., prompt_tokens: _Optional[int] = ..., beta: _Optional[float] = ..., policy_gradient: _Optional[_Union[PolicyGradient, _Mapping]] = ...) -> None: ...

class PolicyGradient(_message.Message):
    __slots__ = ("teacher_share",)
    TEACHER_SHARE_FIELD_NUMBER: _ClassVar[int]
    teacher_share: float
    def __init__(self, teacher_share: _Optional[float] = ...) -> None: ...

class SequenceLevel(_message.Message):
    __slots__ = ("beams", "max_new_tokens", "prompt_tokens", "temperature", "prompts")
    BEAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    beams: int
    max_new_tokens: int
    prompt_tokens: int
    temperature: float
    prompts: int
    def __init__(self, beams: _Optional[int] = ..., max_new_tokens: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., prompts: _Optional[int] = ...) -> None: ...

class RecordSpec(_message.Message):
    __slots__ = ("teacher", "data", "path", "settings")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    data: _text_pb2.TextData
    path: str
    settings: RecordSettings
    def __init__(self, teacher: _Optional[str] = ..., data: _Optional[_Union[_text_pb2.TextData, _Mapping]] = ..., path: _Optional[str] = ..., settings: _Optional[_Union[RecordSettings, _Mapping]] = ...) -> None: ...

class RecordSettings(_message.Message):
    __slots__ = ("top_k", "temperature", "sequence_length", "source_length", "batch_size")
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    top_k: int
    temperature: float
    sequence_length: int
    source_length: int
    batch_size: int
    def __init__(self, top_k: _Optional[int] = ..., temperature: _Optional[float] = ..., sequence_length: _Optional[int] = ..., source_length: _Optional[int] = ..., batch_size: _Optional[int] = ...) -> None: ...

class RecordResult(_message.Message):
    __slots__ = ("path", "examples", "rows", "size_bytes", "teacher", "memory")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    path: str
    examples: int
    rows: int
    size_bytes: int
    teacher: str
    memory: _compression_report_pb2.MemoryReport
    def __init__(self, path: _Optional[str] = ..., examples: _Optional[int] = ..., rows: _Optional[int] = ..., size_bytes: _Optional[int] = ..., teacher: _Optional[str] = ..., memory: _Optional[_Union[_compression_report_pb2.MemoryReport, _Mapping]] = ...) -> None: ...
