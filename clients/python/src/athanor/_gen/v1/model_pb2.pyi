from athanor._gen.v1 import evaluation_report_pb2 as _evaluation_report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_FORMAT_UNSPECIFIED: _ClassVar[ExportFormat]
    EXPORT_FORMAT_HF: _ClassVar[ExportFormat]
    EXPORT_FORMAT_ONNX: _ClassVar[ExportFormat]
EXPORT_FORMAT_UNSPECIFIED: ExportFormat
EXPORT_FORMAT_HF: ExportFormat
EXPORT_FORMAT_ONNX: ExportFormat

class FileChunk(_message.Message):
    __slots__ = ("file_name", "offset_bytes", "data", "file_size_bytes")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    offset_bytes: int
    data: bytes
    file_size_bytes: int
    def __init__(self, file_name: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., file_size_bytes: _Optional[int] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("name", "version", "architecture", "config_json", "logical_parameters", "stored_parameters", "stored_bytes", "resident_bytes", "loaded", "created_ms", "lineage", "evaluation", "parameters", "hash", "tokenizer_hash")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STORED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    architecture: str
    config_json: str
    logical_parameters: int
    stored_parameters: int
    stored_bytes: int
    resident_bytes: int
    loaded: bool
    created_ms: int
    lineage: Lineage
    evaluation: _evaluation_report_pb2.EvaluationReport
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterInfo]
    hash: str
    tokenizer_hash: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., architecture: _Optional[str] = ..., config_json: _Optional[str] = ..., logical_parameters: _Optional[int] = ..., stored_parameters: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., loaded: _Optional[bool] = ..., created_ms: _Optional[int] = ..., lineage: _Optional[_Union[Lineage, _Mapping]] = ..., evaluation: _Optional[_Union[_evaluation_report_pb2.EvaluationReport, _Mapping]] = ..., parameters: _Optional[_Iterable[_Union[ParameterInfo, _Mapping]]] = ..., hash: _Optional[str] = ..., tokenizer_hash: _Optional[str] = ...) -> None: ...

class ParameterInfo(_message.Message):
    __slots__ = ("path", "parametrization", "shape", "settings", "stored_bytes", "tensors")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PATH_FIELD_NUMBER: _ClassVar[int]
    PARAMETRIZATION_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    path: str
    parametrization: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    settings: _containers.ScalarMap[str, str]
    stored_bytes: int
    tensors: _containers.RepeatedCompositeFieldContainer[StoredTensor]
    def __init__(self, path: _Optional[str] = ..., parametrization: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., settings: _Optional[_Mapping[str, str]] = ..., stored_bytes: _Optional[int] = ..., tensors: _Optional[_Iterable[_Union[StoredTensor, _Mapping]]] = ...) -> None: ...

class StoredTensor(_message.Message):
    __slots__ = ("name", "dtype", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Parent(_message.Message):
    __slots__ = ("hash", "role")
    HASH_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    hash: str
    role: str
    def __init__(self, hash: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("operation", "parents", "settings_json", "job_id", "data_fingerprint")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    operation: str
    parents: _containers.RepeatedCompositeFieldContainer[Parent]
    settings_json: str
    job_id: str
    data_fingerprint: str
    def __init__(self, operation: _Optional[str] = ..., parents: _Optional[_Iterable[_Union[Parent, _Mapping]]] = ..., settings_json: _Optional[str] = ..., job_id: _Optional[str] = ..., data_fingerprint: _Optional[str] = ...) -> None: ...

class ModelServiceImportRequest(_message.Message):
    __slots__ = ("name", "path", "replace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    replace: bool
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., replace: _Optional[bool] = ...) -> None: ...

class ModelServiceImportResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelInfo
    def __init__(self, model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ModelServiceImportUploadRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: FileChunk
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[_Union[FileChunk, _Mapping]] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("name", "replace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    replace: bool
    def __init__(self, name: _Optional[str] = ..., replace: _Optional[bool] = ...) -> None: ...

class ModelServiceImportUploadResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelInfo
    def __init__(self, model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ModelServiceListRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelServiceListResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ...) -> None: ...

class ModelServiceGetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelServiceGetResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelInfo
    def __init__(self, model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ModelServiceLoadRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelServiceLoadResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelInfo
    def __init__(self, model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ModelServiceUnloadRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelServiceUnloadResponse(_message.Message):
    __slots__ = ("freed_bytes",)
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    freed_bytes: int
    def __init__(self, freed_bytes: _Optional[int] = ...) -> None: ...

class ModelServiceDeleteRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelServiceDeleteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelServiceExportRequest(_message.Message):
    __slots__ = ("name", "format")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    name: str
    format: ExportFormat
    def __init__(self, name: _Optional[str] = ..., format: _Optional[_Union[ExportFormat, str]] = ...) -> None: ...

class ModelServiceExportResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: FileChunk
    def __init__(self, chunk: _Optional[_Union[FileChunk, _Mapping]] = ...) -> None: ...

class Thresholds(_message.Message):
    __slots__ = ("max_bits_per_byte", "max_loss_increase", "min_top1_agreement", "max_teacher_kl", "min_accuracy", "max_stored_bytes")
    MAX_BITS_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    MAX_LOSS_INCREASE_FIELD_NUMBER: _ClassVar[int]
    MIN_TOP1_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    MAX_TEACHER_KL_FIELD_NUMBER: _ClassVar[int]
    MIN_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    MAX_STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_bits_per_byte: float
    max_loss_increase: float
    min_top1_agreement: float
    max_teacher_kl: float
    min_accuracy: float
    max_stored_bytes: float
    def __init__(self, max_bits_per_byte: _Optional[float] = ..., max_loss_increase: _Optional[float] = ..., min_top1_agreement: _Optional[float] = ..., max_teacher_kl: _Optional[float] = ..., min_accuracy: _Optional[float] = ..., max_stored_bytes: _Optional[float] = ...) -> None: ...

class Promotion(_message.Message):
    __slots__ = ("alias", "sequence", "model", "hash", "thresholds", "figures", "rollback_to", "principal", "time_ms")
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_TO_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    sequence: int
    model: str
    hash: str
    thresholds: Thresholds
    figures: _containers.ScalarMap[str, float]
    rollback_to: int
    principal: str
    time_ms: int
    def __init__(self, alias: _Optional[str] = ..., sequence: _Optional[int] = ..., model: _Optional[str] = ..., hash: _Optional[str] = ..., thresholds: _Optional[_Union[Thresholds, _Mapping]] = ..., figures: _Optional[_Mapping[str, float]] = ..., rollback_to: _Optional[int] = ..., principal: _Optional[str] = ..., time_ms: _Optional[int] = ...) -> None: ...

class ModelServicePromoteRequest(_message.Message):
    __slots__ = ("alias", "model", "thresholds")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    model: str
    thresholds: Thresholds
    def __init__(self, alias: _Optional[str] = ..., model: _Optional[str] = ..., thresholds: _Optional[_Union[Thresholds, _Mapping]] = ...) -> None: ...

class ModelServicePromoteResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class ModelServiceRollBackRequest(_message.Message):
    __slots__ = ("alias", "to")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    alias: str
    to: int
    def __init__(self, alias: _Optional[str] = ..., to: _Optional[int] = ...) -> None: ...

class ModelServiceRollBackResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: Promotion
    def __init__(self, promotion: _Optional[_Union[Promotion, _Mapping]] = ...) -> None: ...

class ModelServicePromotionsRequest(_message.Message):
    __slots__ = ("alias",)
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    def __init__(self, alias: _Optional[str] = ...) -> None: ...

class ModelServicePromotionsResponse(_message.Message):
    __slots__ = ("promotions",)
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    promotions: _containers.RepeatedCompositeFieldContainer[Promotion]
    def __init__(self, promotions: _Optional[_Iterable[_Union[Promotion, _Mapping]]] = ...) -> None: ...
