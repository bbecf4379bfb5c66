from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TextData(_message.Message):
    __slots__ = ("paths", "jsonl_field", "inline_text", "labelled", "pairs")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    JSONL_FIELD_FIELD_NUMBER: _ClassVar[int]
    INLINE_TEXT_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    jsonl_field: str
    inline_text: bytes
    labelled: LabelledRows
    pairs: PairRows
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., jsonl_field: _Optional[str] = ..., inline_text: _Optional[bytes] = ..., labelled: _Optional[_Union[LabelledRows, _Mapping]] = ..., pairs: _Optional[_Union[PairRows, _Mapping]] = ...) -> None: ...

class LabelledRows(_message.Message):
    __slots__ = ("text", "second_text", "label", "columns")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SECOND_TEXT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    text: str
    second_text: str
    label: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., second_text: _Optional[str] = ..., label: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ...) -> None: ...

class PairRows(_message.Message):
    __slots__ = ("source", "target", "source_column", "target_column")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    TARGET_COLUMN_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    source_column: int
    target_column: int
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., source_column: _Optional[int] = ..., target_column: _Optional[int] = ...) -> None: ...
