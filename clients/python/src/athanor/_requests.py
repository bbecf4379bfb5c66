# Builds request messages from Python arguments; shared by the sync and the asyncio client, no network here.
from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar, get_type_hints

from ._convert import enum_choices, field_names, fill, suggest
from ._gen.v1 import model_pb2
from ._gen.v1.inference_pb2 import ClassifyRequest, GenerateRequest, ScorePair, ScoreRequest, TextPair, TokenIds
from ._recipe import RecipeLike, shipped_name, to_recipe
from .errors import InvalidArgument
from .proto import (
    Calibration,
    CompressSpec,
    DistillSettings,
    DistillSpec,
    DistillTeacher,
    EvaluateSettings,
    EvaluateSpec,
    ExportFormat,
    JobSpec,
    OnPolicy,
    RecordSettings,
    RecordSpec,
    SequenceLevel,
    TextData,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

StrPath = str | os.PathLike[str]
DataLike = StrPath | Sequence[StrPath] | TextData
Prompt = str | Sequence[int]  # a text, or token ids
TextOrPair = str | tuple[str, str]

# Settings of `generate` whose fields have other names in the protos.
_RENAMED = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens"}


class CalibrationOptions(TypedDict, total=False):
    """How much of the calibration text `compress` uses."""

    sequences: int  # drawn from the text; default 64
    sequence_length: int  # tokens; default 128, at most the model's positions
    seed: int  # of the draw; default 0
    special_tokens: bool  # put the tokenizer's special tokens around every sequence; default True


class Thresholds(TypedDict, total=False):
    """What the newest evaluation of a model must say before it is served under a stable name."""

    max_bits_per_byte: float
    max_loss_increase: float
    min_top1_agreement: float
    max_teacher_kl: float
    min_accuracy: float
    max_stored_bytes: float


def promote_request(alias: str, model: str, thresholds: Thresholds) -> model_pb2.ModelServicePromoteRequest:
    """The wire message; thresholds that are not given are those that the name has."""
    limits = model_pb2.Thresholds(**thresholds) if thresholds else None
    return model_pb2.ModelServicePromoteRequest(alias=alias, model=model, thresholds=limits)


class DistillOptions(TypedDict, total=False):
    """How `distill` trains."""

    steps: int  # of the optimizer; default 300
    batch_size: int  # sequences in one forward pass; default 8
    sequence_length: int  # tokens; default 128, at most the model's positions
    gradient_accumulation: int  # forward passes for one step; default 1
    recompute: bool  # compute activations again instead of keeping them: less memory, more time; default False
    memory: str  # "given" (default), or "auto": micro-batches and recompute as far as the memory asks for them
    learning_rate: float  # at the peak; default 0.0003, from scratch 0.001
    warmup_steps: int  # linear; default 10
    schedule: str  # after the warm-up: "cosine" (default), "linear" or "constant"
    weight_decay: float  # decoupled, matrices only; default 0.01
    clip_norm: float  # largest global norm of the gradient; default 1, 0 clips nothing
    precision: str  # of products: "auto" (default: bfloat16 where the device has kernels for it), "float32", "float16" or "bfloat16"
    temperature: float  # of both distributions in the teacher term; default 1
    alpha: float  # weight of the teacher term, 0..1; default 0.9, without a teacher 0
    seed: int  # of the data order and of random weights; default 0
    checkpoint_every: int  # steps; default 100, 0 only when the job is stopped
    evaluate_every: int  # steps between measurements on `validation`; default 0: only at the end
    source_length: int  # longest source of a pair, in tokens; default: `sequence_length`
    losses: Sequence[Mapping[str, object]]  # in place of temperature and alpha: [{"kind": "logits"}, {"kind": "hidden", "weight": 0.5}]
    balance: str  # "gradientNorm": weights of the losses are their shares in the gradient; default: factors
    balance_every: int  # steps between two measurements of the gradients; default 10
    average: str  # of several teachers: "probabilities" (default) or "logits"
    products: str  # of activations and weights: "float32" (default), "int8", "int8PerTensor" or "int8All"; integers need VNNI or AMX
    teacher_products: str  # "int8": teachers on the server multiply in integers; default: as they are stored


class PolicyGradientOptions(TypedDict, total=False):
    """How samples are drawn that are learnt by policy gradient."""

    teacher_share: float  # of the teacher in each draw, 0 <= share < 1; default 0.2


class OnPolicyOptions(TypedDict, total=False):
    """How `distill` learns on the student's own samples."""

    share: float  # of the steps, 0..1; default 0.5
    max_new_tokens: int  # drawn behind each prompt; default 64
    temperature: float  # of the draws; default 0.9, 0 takes the likeliest token
    prompt_tokens: int  # of the data that a sample begins with; default 32
    policy_gradient: PolicyGradientOptions  # the reverse KL of whole samples (MiniLLM), in place of beta
    beta: float  # 0 forward KL, 1 reverse KL, between them the generalized JSD; default 0.5, or as `losses` say


class SequenceLevelOptions(TypedDict, total=False):
    """How the teacher writes what `distill` trains on: targets of pairs, or what follows beginnings of running text."""

    beams: int  # of the search; default 5, of running text 1
    max_new_tokens: int  # of a target, or behind a beginning; default: the sequence length, or what the beginning leaves of it
    prompt_tokens: int  # of running text: of a beginning; default 32, at most half of the sequence length
    temperature: float  # of running text: draws in place of searching
    prompts: int  # of running text: beginnings, evenly spread; default: as many as the training reads


class RecordOptions(TypedDict, total=False):
    """How `record` writes a teacher down."""

    top_k: int  # likeliest answers of each row; default 32
    temperature: float  # trainings must ask for the same; default 1
    sequence_length: int  # tokens; default 128; trainings on windows of text must ask for the same
    source_length: int  # longest source of a pair, in tokens; default: `sequence_length`
    batch_size: int  # sequences in one run; default 8


class Teaching(NamedTuple):
    """How the teacher of `distill` teaches, where that is not from this server's memory, batch by batch."""

    recording: StrPath | None
    teacher_top_k: int | None
    on_policy: OnPolicyOptions | None
    sequence_level: SequenceLevelOptions | None


class GenerateOptions(TypedDict, total=False):
    """How `generate` chooses its tokens, and when it ends."""

    max_tokens: int  # most tokens to generate; default 128
    min_tokens: int  # neither the end token nor a stop token can be drawn before so many; default 0
    temperature: float  # 0 (default) always takes the likeliest token
    top_k: int  # draw among this many likeliest tokens; default 0: all
    top_p: float  # draw among the likeliest tokens that hold this much probability; default 1
    min_p: float  # draw among tokens at least this share as likely as the likeliest; default 0
    repetition_penalty: float  # divides positive logits of tokens that occurred, multiplies negative ones; default 1
    frequency_penalty: float  # taken from a token's logit for each time that it was generated, -2..2; default 0
    presence_penalty: float  # taken from a token's logit once it was generated, -2..2; default 0
    logit_bias: Mapping[int, float]  # added to the logits of these tokens, -100..100
    seed: int  # of the draws; default 0
    stop: str | Sequence[str]  # text or texts that end the generation; they are not part of the output
    stop_token_ids: Sequence[int]  # tokens that end it as the model's end token does
    ignore_end: bool  # go on past the model's end token; default False
    n: int  # continuations; default 1
    best_of: int  # continuations of which the n likeliest are sent; default n
    logprobs: int  # log probability of every token, and so many likeliest ones beside it, 0..20; default none
    prompt_logprobs: int  # the same for the tokens of the prompt; default none
    priority: int  # smaller numbers are served first; default 0
    queue_timeout_ms: int  # refuse the request if it waited so long for a place
    num_beams: int  # beams of a beam search; default 1
    length_penalty: float  # exponent of the length by which a beam's log probability is divided; default 1
    draft_model: str  # a smaller model with the same tokenizer that drafts tokens for this one to check
    draft_tokens: int  # tokens that it proposes at a time; default 4


class EvaluateOptions(TypedDict, total=False):
    """How `evaluate` measures."""

    window: int  # tokens; default 256, at most the model's positions
    stride: int  # tokens between the starts of two windows; default: the window
    batch_size: int  # windows run together; default: as many as make about 2048 tokens
    latency: bool  # measure prefill and decode latency too; default True
    latency_batch_sizes: Sequence[int]  # default 1 and 8
    max_rows: int  # of labelled texts, pairs or lines with hidden tokens; default: all
    beams: int  # of the search for the targets of pairs; default 1
    max_new_tokens: int  # of a generated target at most; default 128
    hidden_share: float  # of a line's tokens, for models of hidden tokens; default 0.15, 0 hides every token once, by itself
    hidden_seed: int  # of the choice of hidden tokens; default 0


def compress_spec(
    model: str,
    name: str,
    recipe: RecipeLike,
    data: DataLike | None,
    field: str,
    calibration: CalibrationOptions | None,
    validation: DataLike | None,
    evaluate_stages: bool | None,
    replace: bool,
) -> JobSpec:
    """The job of `compress`."""
    spec = CompressSpec(model=model, name=name, replace=replace)
    shipped = shipped_name(recipe)
    if shipped is None:
        spec.recipe.CopyFrom(to_recipe(recipe))
    else:
        spec.recipe_name = shipped
    if data is not None:
        spec.data.CopyFrom(text_data(data, field))
    if calibration:
        spec.calibration.CopyFrom(_settings(Calibration(), calibration, "calibration", []))
    if validation is not None:
        spec.validation.CopyFrom(text_data(validation, field))
    if evaluate_stages is not None:
        spec.evaluate_stages = evaluate_stages
    return JobSpec(compress=spec)


def distill_spec(
    student: str,
    data: DataLike,
    teacher: str | Mapping[str, float] | None,
    name: str | None,
    validation: DataLike | None,
    field: str,
    from_scratch: bool,
    replace: bool,
    labels: Sequence[str],
    teaching: Teaching,
    settings: DistillOptions,
    keywords: Sequence[str],
) -> JobSpec:
    """The job of `distill`; `keywords` are the function's own, to suggest one for a misspelt setting."""
    spec = DistillSpec(
        student=student,
        teacher=teacher if isinstance(teacher, str) else "",
        teachers=[DistillTeacher(model=model, weight=weight) for model, weight in teacher.items()] if isinstance(teacher, Mapping) else [],
        name=name or "",
        data=text_data(data, field),
        validation=None if validation is None else text_data(validation, field),
        settings=_settings(DistillSettings(), settings, "distill()", keywords),
        from_scratch=from_scratch,
        replace=replace,
        labels=labels,
        recording="" if teaching.recording is None else os.fspath(teaching.recording),
        teacher_top_k=teaching.teacher_top_k,
    )
    if teaching.on_policy is not None:
        spec.on_policy.CopyFrom(_settings(OnPolicy(), teaching.on_policy, "on_policy", []))
    if teaching.sequence_level is not None:
        spec.sequence_level.CopyFrom(_settings(SequenceLevel(), teaching.sequence_level, "sequence_level", []))
    return JobSpec(distill=spec)


def record_spec(teacher: str, data: DataLike, path: StrPath, field: str, settings: RecordOptions, keywords: Sequence[str]) -> JobSpec:
    """The job of `record`."""
    filled = _settings(RecordSettings(), settings, "record()", keywords)
    return JobSpec(record=RecordSpec(teacher=teacher, data=text_data(data, field), path=os.fspath(path), settings=filled))


def evaluate_spec(
    model: str,
    data: DataLike,
    teacher: str | None,
    field: str,
    settings: EvaluateOptions,
    keywords: Sequence[str],
) -> JobSpec:
    """The job of `evaluate`."""
    spec = EvaluateSpec(
        model=model,
        teacher=teacher or "",
        data=text_data(data, field),
        settings=_settings(EvaluateSettings(), settings, "evaluate()", keywords),
    )
    return JobSpec(evaluate=spec)


def text_data(data: DataLike, field: str = "") -> TextData:
    """The text of a job: one path or several, on the server; `field` is the field of a .jsonl row that holds the text."""
    if isinstance(data, TextData):
        return data
    paths = [data] if isinstance(data, str | os.PathLike) else list(data)
    return TextData(paths=[os.fspath(path) for path in paths], jsonl_field=field)


def labelled_data(data: DataLike, text: str = "text", label: str = "label", second_text: str = "") -> TextData:
    """Labelled texts for classifiers: .tsv, .csv or .jsonl files on the server, with the names of their columns."""
    found = text_data(data)
    found.labelled.text, found.labelled.label, found.labelled.second_text = text, label, second_text
    return found


def pair_data(data: DataLike, source: str = "source", target: str = "target") -> TextData:
    """Pairs for encoder-decoders: .tsv files (source and target in the first two columns), or .jsonl with these fields."""
    found = text_data(data)
    found.pairs.source, found.pairs.target = source, target
    return found


def inline_text(text: str) -> TextData:
    """A small text, at most 3 MiB as UTF-8, that travels with the request instead of lying on the server."""
    return TextData(inline_text=text.encode())


def generate_request(model: str, prompt: Prompt, settings: GenerateOptions, keywords: Sequence[str]) -> GenerateRequest:
    """The request of `generate`; a prompt is text or token ids."""
    wanted = dict(settings)
    if isinstance(wanted.get("stop"), str):
        wanted["stop"] = [wanted["stop"]]
    request = GenerateRequest(model=model)
    if isinstance(prompt, str):
        request.text = prompt
    else:
        request.tokens.CopyFrom(TokenIds(ids=prompt))
    known = [name for name in get_type_hints(GenerateOptions) if name not in _RENAMED]
    for key in wanted:
        if key not in known and key not in _RENAMED:
            raise TypeError(f"generate() got an unexpected keyword argument '{key}'{suggest(key, [*known, *_RENAMED, *keywords])}")
    return _settings(request, {_RENAMED.get(key, key): value for key, value in wanted.items()}, "generate()", keywords)


def score_request(model: str, pairs: Iterable[tuple[Prompt, Prompt]]) -> ScoreRequest:
    """The request of `score`; contexts and continuations are texts or token ids."""
    return ScoreRequest(model=model, pairs=[_score_pair(context, continuation) for context, continuation in pairs])


def _score_pair(context: Prompt, continuation: Prompt) -> ScorePair:
    pair = ScorePair()
    if isinstance(context, str):
        pair.context = context
    else:
        pair.context_tokens.CopyFrom(TokenIds(ids=context))
    if isinstance(continuation, str):
        pair.continuation = continuation
    else:
        pair.continuation_tokens.CopyFrom(TokenIds(ids=continuation))
    return pair


def classify_request(model: str, inputs: Iterable[TextOrPair]) -> ClassifyRequest:
    """The request of `classify`; an input is a text or two that belong together."""
    pairs = [TextPair(first=each) if isinstance(each, str) else TextPair(first=each[0], second=each[1]) for each in inputs]
    return ClassifyRequest(model=model, inputs=pairs)


def export_format(name: str) -> str:
    """The wire name of "hf" or "onnx"."""
    choices = enum_choices(ExportFormat.DESCRIPTOR)
    if name not in choices:
        raise InvalidArgument(f'[invalid_argument] format: "{name}" is not a layout{suggest(name, list(choices))}')
    return ExportFormat.Name(choices[name])


def path_text(path: StrPath) -> str:
    """A path as it travels: just as given, since the server reads it."""
    return os.fspath(path)


def keyword_names(function: Callable[..., Any]) -> list[str]:
    """The named parameters of a function, without `self` and `**settings`."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds and name != "self"]


def _settings(message: M, values: Mapping[str, object], place: str, keywords: Sequence[str]) -> M:
    names = field_names(message.DESCRIPTOR, snake=True)
    for key in values:
        if key not in names:
            raise TypeError(f"{place} got an unexpected keyword argument '{key}'{suggest(key, [*names, *keywords])}")
    fill(
        message,
        values,
        "",
        lambda field, why: InvalidArgument(f'[invalid_argument] {place}: "{field}" {why}', details={"field": field}),
    )
    return message
