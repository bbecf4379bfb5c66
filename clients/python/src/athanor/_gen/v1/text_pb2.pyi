from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TextData(_message.Message):
    __slots__ = ("paths", "jsonl_field", "inline_text")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    JSONL_FIELD_FIELD_NUMBER: _ClassVar[int]
    INLINE_TEXT_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    jsonl_field: str
    inline_text: bytes
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., jsonl_field: _Optional[str] = ..., inline_text: _Optional[bytes] = ...) -> None: ...
