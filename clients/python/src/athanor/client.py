# The synchronous client: one object a server, with its models, jobs and inference calls.
"""The synchronous client; `athanor.connect` makes one."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import grpc

from . import _requests as requests
from . import _wire
from ._answers import (
    Classification,
    Embedding,
    MaskCandidate,
    Score,
    classifications,
    filled_masks,
)
from ._channel import DEFAULT_TARGET, HEALTH_METHOD, ChannelOption, call_error, channel_credentials, channel_options
from ._folder import FolderWriter, upload_parts
from ._gen.v1 import inference_pb2, inference_pb2_grpc, job_pb2, job_pb2_grpc, model_pb2, model_pb2_grpc
from ._generation import Generation
from ._progress import ProgressBar
from ._watching import EventCursor
from .errors import AthanorError, Unavailable
from .types import (
    CompressResult,
    DistillResult,
    EvaluationReport,
    HealthStatus,
    JobEvent,
    JobResult,
    JobState,
    JobStatus,
    Model,
    Promotion,
    RecordResult,
    health_status,
    job_state_to_wire,
    outcome_of,
)

if TYPE_CHECKING:
    import builtins
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

    from ._recipe import RecipeLike
    from .proto import JobSpec


Request = TypeVar("Request")
Response = TypeVar("Response")
ResultT = TypeVar("ResultT", bound=JobResult, covariant=True)


def connect(
    target: str = DEFAULT_TARGET,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    token: str | None = None,
    options: Sequence[ChannelOption] = (),
    timeout: float | None = None,
    reconnect_seconds: float = 60.0,
) -> Client:
    """Opens a client of the server at `target` ("host:port").

    Connects at the first call; `wait_until_ready` waits for a server that is starting.

    Args:
        target: Address of the server.
        credentials: TLS, from `grpc.ssl_channel_credentials`; without them the connection is plain.
        token: Shown with every call, for servers that ask who calls. Without TLS only to a server on this machine.
        options: Channel options of grpc, which win over ours.
        timeout: Deadline of each single call that is no stream, in seconds; none by default, since an import may take long.
        reconnect_seconds: How long the events of a job are asked for again after the connection dropped.
    """
    chosen = channel_options(options)
    secured = channel_credentials(credentials, token)
    channel = grpc.insecure_channel(target, chosen) if secured is None else grpc.secure_channel(target, secured, chosen)
    return Client(Connection(channel, target, timeout, reconnect_seconds))


class Connection:
    """The channel with its stubs, and the one place where failed calls become exceptions."""

    def __init__(self, channel: grpc.Channel, target: str, timeout: float | None, reconnect_seconds: float) -> None:
        self.channel = channel
        self.target = target
        self.timeout = timeout
        self.reconnect_seconds = reconnect_seconds
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.jobs = job_pb2_grpc.JobServiceStub(channel)
        self.inference = inference_pb2_grpc.InferenceServiceStub(channel)

    def call(self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """One call with the client's deadline."""
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise call_error(error, self.target) from error


class Client:
    """A connection to one server. Use it as a context manager, or `close` it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.models = Models(connection)
        self.jobs = Jobs(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. Jobs go on."""
        self._connection.channel.close()

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Waits until the server accepts connections; raises Unavailable after `timeout` seconds."""
        try:
            grpc.channel_ready_future(self._connection.channel).result(timeout=timeout)
        except grpc.FutureTimeoutError as error:
            raise Unavailable(f"[unavailable] {self._connection.target}: no server answered within {timeout:g} s.") from error

    def health(self, service: str = "") -> HealthStatus:
        """The standard health check of the whole server, or of one service by its full name."""
        check = self._connection.channel.unary_unary(
            HEALTH_METHOD,
            request_serializer=_wire.encode_health_request,
            response_deserializer=_wire.decode_health_response,
        )
        return health_status(self._connection.call(check, service))

    def compress(
        self,
        model: str,
        *,
        name: str,
        recipe: RecipeLike,
        data: requests.DataLike | None = None,
        field: str = "",
        calibration: requests.CalibrationOptions | None = None,
        validation: requests.DataLike | None = None,
        evaluate_stages: bool | None = None,
        replace: bool = False,
    ) -> Job[CompressResult]:
        """Starts a job that applies `recipe` to `model` and stores the result under `name`; `model` stays as it is.

        Args:
            model: Model to start from, "name" or "name@version" for an older version.
            name: Name to store the result under.
            recipe: A dict such as `{"steps": [{"lowRank": {"ratio": 0.5}}]}` (camelCase or snake_case), the path of a YAML
                file on this machine, a `proto.Recipe`, or the name of a recipe that comes with the server ("default",
                "distilbert", "distilgpt2", "minilm", "tinybert", "tqcompressor").
            data: Text for the steps that calibrate or train: one path or several, *on the server* (.txt or .jsonl, either
                gzipped), or a `proto.TextData`, for example from `inline_text`.
            field: Field of a .jsonl row that holds the text; "text" by default.
            calibration: How much of `data` is used.
            validation: Data that gates, searches, stages and trainings are measured on, in the same forms as `data`; where one is
                needed and none is given, a tenth of `data` that no step trains on.
            evaluate_stages: Measure the model before the first and after every step; by default where there is `validation`.
            replace: Store a new version when `name` exists, which is an error otherwise.

        Raises:
            BadRecipe: The recipe has an unknown step or field; the message names it.
        """
        spec = requests.compress_spec(model, name, recipe, data, field, calibration, validation, evaluate_stages, replace)
        return cast("Job[CompressResult]", self.jobs.submit(spec))

    def distill(
        self,
        student: str,
        *,
        data: requests.DataLike,
        teacher: str | Mapping[str, float] | None = None,
        name: str | None = None,
        validation: requests.DataLike | None = None,
        field: str = "",
        from_scratch: bool = False,
        replace: bool = False,
        labels: Sequence[str] = (),
        recording: requests.StrPath | None = None,
        teacher_top_k: int | None = None,
        on_policy: requests.OnPolicyOptions | None = None,
        sequence_level: requests.SequenceLevelOptions | None = None,
        **settings: Unpack[requests.DistillOptions],
    ) -> Job[DistillResult]:
        """Starts a job that trains `student`, against `teacher` or, without one, with cross-entropy alone.

        Args:
            student: Model to train; the stored version stays as it is.
            data: Training text, as in `compress`; `labelled_data` for classifiers, `pair_data` for encoder-decoders.
            teacher: Teacher with the same tokenizer: a model of the server, several with what each counts (`{"large": 2, "tuned": 1}`), or
                "athanor://host:port/model" on another server.
            name: Name to store the result under; without it a new version of the student is stored.
            validation: Text that is measured while training.
            field: Field of a .jsonl row that holds the text; "text" by default.
            from_scratch: Start from random weights of the student's shape in place of its own.
            replace: Store a new version when `name` exists, which is an error otherwise.
            labels: Labels of the classifier that the student becomes; by default those that it has, else those of the data.
            recording: Folder on the server with a recorded teacher (see `record`), in place of `teacher`.
            teacher_top_k: Likeliest answers that a teacher on another server sends of each row; by default all of them.
            on_policy: Learn on the student's own samples in a share of the steps; see :class:`OnPolicyOptions`.
            sequence_level: Train an encoder-decoder on what the teacher writes; see :class:`SequenceLevelOptions`.
            settings: `steps`, `batch_size`, `learning_rate` and the others of :class:`DistillOptions`.

        Raises:
            TypeError: A keyword that does not exist; the message names the nearest one.
        """
        keywords = requests.keyword_names(Client.distill)
        teaching = requests.Teaching(recording, teacher_top_k, on_policy, sequence_level)
        spec = requests.distill_spec(
            student, data, teacher, name, validation, field, from_scratch, replace, labels, teaching, settings, keywords
        )
        return cast("Job[DistillResult]", self.jobs.submit(spec))

    def record(
        self,
        teacher: str,
        *,
        data: requests.DataLike,
        path: requests.StrPath,
        field: str = "",
        **settings: Unpack[requests.RecordOptions],
    ) -> Job[RecordResult]:
        """Starts a job that writes down what `teacher` says of `data`, for any number of trainings with `distill(recording=path)`.

        Args:
            teacher: Model of the server.
            data: What the trainings will read, as in `distill`.
            path: Folder on the server; it must not exist.
            field: Field of a .jsonl row that holds the text; "text" by default.
            settings: `top_k`, `sequence_length` and the others of :class:`RecordOptions`.

        Raises:
            TypeError: A keyword that does not exist; the message names the nearest one.
        """
        spec = requests.record_spec(teacher, data, path, field, settings, requests.keyword_names(Client.record))
        return cast("Job[RecordResult]", self.jobs.submit(spec))

    def evaluate(
        self,
        model: str,
        *,
        data: requests.DataLike,
        teacher: str | None = None,
        field: str = "",
        **settings: Unpack[requests.EvaluateOptions],
    ) -> Job[EvaluationReport]:
        """Starts a job that measures `model` on `data`, against `teacher` where there is one.

        Args:
            model: Model to measure.
            data: Text to measure on, as in `compress`.
            teacher: Model to compare with (agreement, KL).
            field: Field of a .jsonl row that holds the text; "text" by default.
            settings: `window`, `stride`, `batch_size` and the others of :class:`EvaluateOptions`.
        """
        spec = requests.evaluate_spec(model, data, teacher, field, settings, requests.keyword_names(Client.evaluate))
        return cast("Job[EvaluationReport]", self.jobs.submit(spec))

    def generate(self, model: str, prompt: requests.Prompt, **settings: Unpack[requests.GenerateOptions]) -> Generation:
        """Continues a prompt; iterate over the result for the pieces of text as they come.

        Closing the iterator, or dropping it, stops the generation on the server.

        Args:
            model: Model to use; it is loaded first if it is not in memory.
            prompt: Text, or token ids.
            settings: `max_tokens`, `temperature`, `stop` and the others of :class:`GenerateOptions`.

        Raises:
            TypeError: A keyword that does not exist; the message names the nearest one.
        """
        request = requests.generate_request(model, prompt, settings, requests.keyword_names(Client.generate))
        return Generation(self._connection.inference.Generate(request), self._connection.target)

    def score(self, model: str, pairs: Iterable[tuple[requests.Prompt, requests.Prompt]]) -> list[Score]:
        """Log-likelihoods of continuations: one score for each (context, continuation), in order. Each is a text or token ids."""
        connection = self._connection
        request = requests.score_request(model, pairs)
        response = connection.call(connection.inference.Score, request)
        return [Score.from_proto(score) for score in response.scores]

    def classify(self, model: str, inputs: Iterable[requests.TextOrPair]) -> list[Classification]:
        """What a classifier says of each input: a text, or two that belong together."""
        connection = self._connection
        request = requests.classify_request(model, inputs)
        return classifications(connection.call(connection.inference.Classify, request))

    def embed(self, model: str, texts: Iterable[str], *, normalize: bool | None = None) -> list[Embedding]:
        """One vector a text; `normalize` scales them to length 1 or not, as the model says by default."""
        connection = self._connection
        request = inference_pb2.EmbedRequest(model=model, texts=texts, normalize=normalize)
        response = connection.call(connection.inference.Embed, request)
        return [Embedding.from_proto(embedding) for embedding in response.embeddings]

    def fill_mask(self, model: str, texts: Iterable[str], *, top_k: int | None = None) -> list[list[list[MaskCandidate]]]:
        """For each text, for each of its masks, the `top_k` (5 by default) likeliest tokens, likeliest first."""
        connection = self._connection
        request = inference_pb2.FillMaskRequest(model=model, texts=texts, top_k=top_k)
        return filled_masks(connection.call(connection.inference.FillMask, request))

    def tokenize(self, model: str, text: str, *, special_tokens: bool = True) -> list[int]:
        """Token ids of a text, with what the tokenizer puts around a prompt unless `special_tokens` is false."""
        connection = self._connection
        request = inference_pb2.TokenizeRequest(model=model, text=text, special_tokens=special_tokens)
        response = connection.call(connection.inference.Tokenize, request)
        return list(response.ids)

    def detokenize(self, model: str, ids: Iterable[int]) -> str:
        """Text of token ids."""
        connection = self._connection
        request = inference_pb2.DetokenizeRequest(model=model, ids=ids)
        response = connection.call(connection.inference.Detokenize, request)
        return response.text


class Models:
    """The models in the server's store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = connection.models

    def import_(self, path: requests.StrPath, *, name: str, replace: bool = False) -> Model:
        """Brings in a Hugging Face folder that lies *on the server*; answers when the model is stored."""
        request = model_pb2.ModelServiceImportRequest(name=name, path=requests.path_text(path), replace=replace)
        return Model.from_proto(self._connection.call(self._stub.Import, request).model)

    def upload(self, path: requests.StrPath, *, name: str, replace: bool = False) -> Model:
        """Brings in a Hugging Face folder of *this machine*: its .json and .safetensors files are sent in chunks."""
        # The parts are read in a thread of grpc's, where an exception would only end the call; keep it for the caller.
        failure: list[Exception] = []

        def parts() -> Iterator[model_pb2.ModelServiceImportUploadRequest]:
            try:
                yield from upload_parts(Path(path), name, replace)
            except Exception as error:
                failure.append(error)
                raise

        try:
            response = self._stub.ImportUpload(parts())
        except grpc.RpcError as error:
            if failure:
                raise failure[0] from None
            raise call_error(error, self._connection.target) from error
        return Model.from_proto(response.model)

    def list(self) -> builtins.list[Model]:
        """The newest version of every model, by name, without their parameters."""
        response = self._connection.call(self._stub.List, model_pb2.ModelServiceListRequest())
        return [Model.from_proto(model) for model in response.models]

    def get(self, name: str) -> Model:
        """One model with its parameters; "name", or "name@version" for an older one."""
        request = model_pb2.ModelServiceGetRequest(name=name)
        return Model.from_proto(self._connection.call(self._stub.Get, request).model)

    def load(self, name: str) -> Model:
        """Brings a model into the server's memory. Other calls do that by themselves."""
        request = model_pb2.ModelServiceLoadRequest(name=name)
        return Model.from_proto(self._connection.call(self._stub.Load, request).model)

    def unload(self, name: str) -> int:
        """Gives a model's memory back; returns the bytes that were freed, 0 when it was not loaded."""
        request = model_pb2.ModelServiceUnloadRequest(name=name)
        return self._connection.call(self._stub.Unload, request).freed_bytes

    def delete(self, name: str) -> None:
        """Removes a model with all its versions."""
        self._connection.call(self._stub.Delete, model_pb2.ModelServiceDeleteRequest(name=name))

    def promote(self, alias: str, model: str, **thresholds: Unpack[requests.Thresholds]) -> Promotion:
        """Serves a version under a stable name, which every call takes like a model's, if its newest evaluation meets the thresholds.

        Args:
            alias: The stable name. No model may have it.
            model: Model, or "name@version".
            thresholds: `max_bits_per_byte`, `max_loss_increase`, `min_top1_agreement`, `max_teacher_kl`, `min_accuracy`,
                `max_stored_bytes`; without any, those that the name has.

        Raises:
            FailedPrecondition: The report is missing, or does not meet them; the name keeps what it stood for.
        """
        request = requests.promote_request(alias, model, thresholds)
        return Promotion.from_proto(self._connection.call(self._stub.Promote, request).promotion)

    def roll_back(self, alias: str, to: int = 0) -> Promotion:
        """Lets a stable name stand for an earlier promotion, by default the newest of another version."""
        request = model_pb2.ModelServiceRollBackRequest(alias=alias, to=to)
        return Promotion.from_proto(self._connection.call(self._stub.RollBack, request).promotion)

    def promotions(self, alias: str = "") -> builtins.list[Promotion]:
        """What a stable name stood for, newest first; without one, what each of them stands for now."""
        request = model_pb2.ModelServicePromotionsRequest(alias=alias)
        return [Promotion.from_proto(one) for one in self._connection.call(self._stub.Promotions, request).promotions]

    def export(self, name: str, dir: requests.StrPath, format: str = "hf", *, overwrite: bool = False) -> Path:
        """Writes a model to a folder *on this machine*: "hf" (a Hugging Face folder) or "onnx" (with external data).

        The folder appears whole or not at all. Returns its path.

        Raises:
            FileExistsError: The folder has files in it and `overwrite` is false.
        """
        request = model_pb2.ModelServiceExportRequest(name=name, format=requests.export_format(format))
        with FolderWriter(Path(dir), overwrite) as folder:
            stream = self._stub.Export(request)
            try:
                for response in stream:
                    folder.write(response.chunk)
            except grpc.RpcError as error:
                raise call_error(error, self._connection.target) from error
            finally:
                stream.cancel()
            return folder.finish()


class Jobs:
    """The jobs of the server. They outlive the client that started them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = connection.jobs

    def submit(self, spec: JobSpec, *, priority: int = 0) -> Job[JobResult]:
        """Starts a job of any kind from its wire form; of those that wait, the highest priority starts first."""
        request = job_pb2.JobServiceSubmitRequest(spec=spec, priority=priority)
        response = self._connection.call(self._stub.Submit, request)
        return Job(self._connection, response.job.id)

    def get(self, job_id: str) -> Job[JobResult]:
        """The job of that id, to wait for or to watch; raises JobNotFound."""
        job: Job[JobResult] = Job(self._connection, job_id)
        job.status()
        return job

    def list(self, *, states: Iterable[JobState | str] = (), limit: int | None = None) -> builtins.list[JobStatus]:
        """Jobs, newest first, in the given states only (all by default); at most `limit` (100 by default)."""
        request = job_pb2.JobServiceListRequest(states=[job_state_to_wire(state) for state in states], limit=limit)
        return [JobStatus.from_proto(job) for job in self._connection.call(self._stub.List, request).jobs]

    def watch(self, job_id: str, from_sequence: int = 0) -> Generator[JobEvent, None, None]:
        """The events of a job from a sequence number on, as `Job.events`."""
        job: Job[JobResult] = Job(self._connection, job_id)
        return job.events(from_sequence)


class Job(Generic[ResultT]):
    """A job on the server. Losing this object, or the connection, does not stop it; `cancel` does."""

    def __init__(self, connection: Connection, job_id: str) -> None:
        self.id = job_id
        self._connection = connection
        self._stub = connection.jobs
        self._seen = 0
        self._outcome: JobResult | AthanorError | None = None

    def __repr__(self) -> str:
        return f"Job(id={self.id!r})"

    def events(self, from_sequence: int = 0, *, timeout: float | None = None) -> Generator[JobEvent, None, None]:
        """The job's events from a sequence number on (0 and 1: from the beginning), until it has ended.

        When the connection drops, the events are asked for again from where they broke off: each comes exactly once, in
        order. (The server may leave out progress events that newer ones replaced.) Closing the iterator leaves the job alone.
        """
        connection = self._connection
        cursor = EventCursor(self.id, from_sequence, connection.target, connection.reconnect_seconds, timeout)
        while not cursor.ended:
            request = job_pb2.JobServiceWatchRequest(job_id=self.id, from_sequence=cursor.next_sequence)
            stream = self._stub.Watch(request, timeout=cursor.remaining())
            dropped: grpc.RpcError | None = None
            try:
                for response in stream:
                    event = cursor.take(response.event)
                    if event is not None:
                        self._note(event)
                        yield event
            except grpc.RpcError as error:
                dropped = error
            finally:
                stream.cancel()
            if cursor.ended or (dropped is None and self._nothing_after(cursor.next_sequence)):
                return
            time.sleep(cursor.delay_after(dropped))

    def wait(self, progress: bool = True, *, timeout: float | None = None) -> ResultT:
        """Waits for the job's end and returns its result; `progress` draws a tqdm bar on standard error.

        Raises:
            AthanorError: The job's own error, as the class of its code; Cancelled when it was cancelled.
            DeadlineExceeded: It has not ended within `timeout` seconds. The job goes on.
        """
        if self._outcome is None:
            with ProgressBar(progress) as bar, closing(self.events(self._seen + 1, timeout=timeout)) as events:
                for event in events:
                    bar.show(event)
        if self._outcome is None:
            self._outcome = outcome_of(self.status())
        if isinstance(self._outcome, AthanorError):
            raise self._outcome
        return cast("ResultT", self._outcome)

    def cancel(self) -> JobStatus:
        """Asks the job to stop, which it does within a second; a job that has ended stays as it is."""
        response = self._connection.call(self._stub.Cancel, job_pb2.JobServiceCancelRequest(job_id=self.id))
        return JobStatus.from_proto(response.job)

    def pause(self) -> JobStatus:
        """Puts the job aside, with a checkpoint where it runs; it goes on when it is resumed."""
        response = self._connection.call(self._stub.Pause, job_pb2.JobServicePauseRequest(job_id=self.id))
        return JobStatus.from_proto(response.job)

    def resume(self) -> JobStatus:
        """Lets a paused job go on where it was."""
        response = self._connection.call(self._stub.Resume, job_pb2.JobServiceResumeRequest(job_id=self.id))
        return JobStatus.from_proto(response.job)

    def retry(self, *, fresh: bool = False) -> Job[ResultT]:
        """Submits a job that failed or was cancelled again: a new one, which goes on from its checkpoint unless it is to be `fresh`."""
        response = self._connection.call(self._stub.Retry, job_pb2.JobServiceRetryRequest(job_id=self.id, fresh=fresh))
        return Job(self._connection, response.job.id)

    def forget(self) -> None:
        """Removes a job that has ended: its log, its result and the files that it left."""
        self._connection.call(self._stub.Forget, job_pb2.JobServiceForgetRequest(job_id=self.id))

    def status(self) -> JobStatus:
        """The job as it is now."""
        response = self._connection.call(self._stub.Get, job_pb2.JobServiceGetRequest(job_id=self.id))
        return JobStatus.from_proto(response.job)

    def _note(self, event: JobEvent) -> None:
        self._seen = max(self._seen, event.sequence)
        self._outcome = event.result or event.error or self._outcome

    def _nothing_after(self, sequence: int) -> bool:
        try:
            status = self.status()
        except Unavailable:
            return False
        return status.state.ended and status.last_sequence < sequence
