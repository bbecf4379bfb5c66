from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvaluationReport(_message.Message):
    __slots__ = ("model", "teacher", "protocol", "data_fingerprint", "scored_tokens", "scored_bytes", "loss", "bits_per_byte", "token_perplexity", "teacher_bits_per_byte", "top1_agreement", "teacher_kl", "logical_parameters", "stored_parameters", "stored_bytes", "resident_bytes", "teacher_stored_bytes", "latencies", "accuracy", "engine", "teacher_token_perplexity", "classification", "sequences", "teacher_accuracy", "hidden_tokens")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    DATA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SCORED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SCORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    BITS_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_PERPLEXITY_FIELD_NUMBER: _ClassVar[int]
    TEACHER_BITS_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    TOP1_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    TEACHER_KL_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STORED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEACHER_STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TEACHER_TOKEN_PERPLEXITY_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    TEACHER_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model: str
    teacher: str
    protocol: str
    data_fingerprint: str
    scored_tokens: int
    scored_bytes: int
    loss: float
    bits_per_byte: float
    token_perplexity: float
    teacher_bits_per_byte: float
    top1_agreement: float
    teacher_kl: float
    logical_parameters: int
    stored_parameters: int
    stored_bytes: int
    resident_bytes: int
    teacher_stored_bytes: int
    latencies: _containers.RepeatedCompositeFieldContainer[Latency]
    accuracy: float
    engine: str
    teacher_token_perplexity: float
    classification: ClassificationReport
    sequences: SequenceReport
    teacher_accuracy: float
    hidden_tokens: HiddenTokenReport
    def __init__(self, model: _Optional[str] = ..., teacher: _Optional[str] = ..., protocol: _Optional[str] = ..., data_fingerprint: _Optional[str] = ..., scored_tokens: _Optional[int] = ..., scored_bytes: _Optional[int] = ..., loss: _Optional[float] = ..., bits_per_byte: _Optional[float] = ..., token_perplexity: _Optional[float] = ..., teacher_bits_per_byte: _Optional[float] = ..., top1_agreement: _Optional[float] = ..., teacher_kl: _Optional[float] = ..., logical_parameters: _Optional[int] = ..., stored_parameters: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., teacher_stored_bytes: _Optional[int] = ..., latencies: _Optional[_Iterable[_Union[Latency, _Mapping]]] = ..., accuracy: _Optional[float] = ..., engine: _Optional[str] = ..., teacher_token_perplexity: _Optional[float] = ..., classification: _Optional[_Union[ClassificationReport, _Mapping]] = ..., sequences: _Optional[_Union[SequenceReport, _Mapping]] = ..., teacher_accuracy: _Optional[float] = ..., hidden_tokens: _Optional[_Union[HiddenTokenReport, _Mapping]] = ...) -> None: ...

class HiddenTokenReport(_message.Message):
    __slots__ = ("lines", "hidden_tokens", "share", "seed", "pseudo_perplexity")
    LINES_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PSEUDO_PERPLEXITY_FIELD_NUMBER: _ClassVar[int]
    lines: int
    hidden_tokens: int
    share: float
    seed: int
    pseudo_perplexity: float
    def __init__(self, lines: _Optional[int] = ..., hidden_tokens: _Optional[int] = ..., share: _Optional[float] = ..., seed: _Optional[int] = ..., pseudo_perplexity: _Optional[float] = ...) -> None: ...

class ClassificationReport(_message.Message):
    __slots__ = ("examples", "f1", "macro_f1", "matthews", "labels", "confusion")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    F1_FIELD_NUMBER: _ClassVar[int]
    MACRO_F1_FIELD_NUMBER: _ClassVar[int]
    MATTHEWS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_FIELD_NUMBER: _ClassVar[int]
    examples: int
    f1: float
    macro_f1: float
    matthews: float
    labels: _containers.RepeatedScalarFieldContainer[str]
    confusion: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, examples: _Optional[int] = ..., f1: _Optional[float] = ..., macro_f1: _Optional[float] = ..., matthews: _Optional[float] = ..., labels: _Optional[_Iterable[str]] = ..., confusion: _Optional[_Iterable[int]] = ...) -> None: ...

class SequenceReport(_message.Message):
    __slots__ = ("sources", "sources_cut", "bleu", "rouge1", "rouge2", "rouge_l", "exact_match", "generated_tokens", "seconds")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_CUT_FIELD_NUMBER: _ClassVar[int]
    BLEU_FIELD_NUMBER: _ClassVar[int]
    ROUGE1_FIELD_NUMBER: _ClassVar[int]
    ROUGE2_FIELD_NUMBER: _ClassVar[int]
    ROUGE_L_FIELD_NUMBER: _ClassVar[int]
    EXACT_MATCH_FIELD_NUMBER: _ClassVar[int]
    GENERATED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    sources: int
    sources_cut: int
    bleu: float
    rouge1: float
    rouge2: float
    rouge_l: float
    exact_match: float
    generated_tokens: int
    seconds: float
    def __init__(self, sources: _Optional[int] = ..., sources_cut: _Optional[int] = ..., bleu: _Optional[float] = ..., rouge1: _Optional[float] = ..., rouge2: _Optional[float] = ..., rouge_l: _Optional[float] = ..., exact_match: _Optional[float] = ..., generated_tokens: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class Latency(_message.Message):
    __slots__ = ("phase", "batch_size", "context_tokens", "median_ms", "tokens_per_second")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_MS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    phase: str
    batch_size: int
    context_tokens: int
    median_ms: float
    tokens_per_second: float
    def __init__(self, phase: _Optional[str] = ..., batch_size: _Optional[int] = ..., context_tokens: _Optional[int] = ..., median_ms: _Optional[float] = ..., tokens_per_second: _Optional[float] = ...) -> None: ...
