# The asyncio client: the twin of client.py, name for name.
"""`async with athanor.aio.connect() as client:` — every call of the sync client, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import grpc

from . import _requests as requests
from . import _wire
from ._answers import (
    Classification,
    Embedding,
    Gathered,
    MaskCandidate,
    Piece,
    Score,
    classifications,
    filled_masks,
)
from ._channel import DEFAULT_TARGET, HEALTH_METHOD, ChannelOption, call_error, channel_credentials, channel_options
from ._folder import FolderWriter, upload_parts
from ._gen.v1 import inference_pb2, inference_pb2_grpc, job_pb2, job_pb2_grpc, model_pb2, model_pb2_grpc
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
    from types import TracebackType
    from typing import Protocol, Self

    from typing_extensions import Unpack

    from ._recipe import RecipeLike
    from .proto import JobSpec

    class GenerateCall(Protocol):
        """What grpc returns for `Generate`."""

        def __aiter__(self) -> AsyncIterator[inference_pb2.GenerateResponse]: ...
        def cancel(self) -> object: ...  # noqa: D102


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
) -> AsyncClient:
    """Opens an asyncio client of the server at `target`; the arguments are those of `athanor.connect`.

    Call it inside a running event loop, and use the client as an async context manager, or `await` its `close`.
    """
    chosen = channel_options(options)
    secured = channel_credentials(credentials, token)
    channel = grpc.aio.insecure_channel(target, chosen) if secured is None else grpc.aio.secure_channel(target, secured, chosen)
    return AsyncClient(AsyncConnection(channel, target, timeout, reconnect_seconds))


class AsyncConnection:
    """The channel with its stubs, and the one place where failed calls become exceptions."""

    def __init__(self, channel: grpc.aio.Channel, target: str, timeout: float | None, reconnect_seconds: float) -> None:
        self.channel = channel
        self.target = target
        self.timeout = timeout
        self.reconnect_seconds = reconnect_seconds
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.jobs = job_pb2_grpc.JobServiceStub(channel)
        self.inference = inference_pb2_grpc.InferenceServiceStub(channel)

    async def answer(self, call: Awaitable[Response]) -> Response:
        """The answer of one call."""
        try:
            return await call
        except grpc.RpcError as error:
            raise call_error(error, self.target) from error


class AsyncClient:
    """A connection to one server; see :class:`athanor.Client` for what each call does."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.models = AsyncModels(connection)
        self.jobs = AsyncJobs(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Jobs go on."""
        await self._connection.channel.close()

    async def wait_until_ready(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the same name as in the sync client
        """Waits until the server accepts connections; raises Unavailable after `timeout` seconds."""
        try:
            await asyncio.wait_for(self._connection.channel.channel_ready(), timeout)
        except TimeoutError as error:
            raise Unavailable(f"[unavailable] {self._connection.target}: no server answered within {timeout:g} s.") from error

    async def health(self, service: str = "") -> HealthStatus:
        """The standard health check of the whole server, or of one service by its full name."""
        check = self._connection.channel.unary_unary(
            HEALTH_METHOD,
            request_serializer=_wire.encode_health_request,
            response_deserializer=_wire.decode_health_response,
        )
        return health_status(await self._connection.answer(check(service, timeout=self._connection.timeout)))

    async def compress(
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
    ) -> AsyncJob[CompressResult]:
        """Starts a job that applies `recipe` to `model`; see :meth:`athanor.Client.compress`."""
        spec = requests.compress_spec(model, name, recipe, data, field, calibration, validation, evaluate_stages, replace)
        return cast("AsyncJob[CompressResult]", await self.jobs.submit(spec))

    async def distill(
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
    ) -> AsyncJob[DistillResult]:
        """Starts a job that trains `student`; see :meth:`athanor.Client.distill`."""
        keywords = requests.keyword_names(AsyncClient.distill)
        teaching = requests.Teaching(recording, teacher_top_k, on_policy, sequence_level)
        spec = requests.distill_spec(
            student, data, teacher, name, validation, field, from_scratch, replace, labels, teaching, settings, keywords
        )
        return cast("AsyncJob[DistillResult]", await self.jobs.submit(spec))

    async def record(
        self,
        teacher: str,
        *,
        data: requests.DataLike,
        path: requests.StrPath,
        field: str = "",
        **settings: Unpack[requests.RecordOptions],
    ) -> AsyncJob[RecordResult]:
        """Starts a job that writes down what `teacher` says of `data`; see :meth:`athanor.Client.record`."""
        spec = requests.record_spec(teacher, data, path, field, settings, requests.keyword_names(AsyncClient.record))
        return cast("AsyncJob[RecordResult]", await self.jobs.submit(spec))

    async def evaluate(
        self,
        model: str,
        *,
        data: requests.DataLike,
        teacher: str | None = None,
        field: str = "",
        **settings: Unpack[requests.EvaluateOptions],
    ) -> AsyncJob[EvaluationReport]:
        """Starts a job that measures `model`; see :meth:`athanor.Client.evaluate`."""
        spec = requests.evaluate_spec(model, data, teacher, field, settings, requests.keyword_names(AsyncClient.evaluate))
        return cast("AsyncJob[EvaluationReport]", await self.jobs.submit(spec))

    def generate(self, model: str, prompt: requests.Prompt, **settings: Unpack[requests.GenerateOptions]) -> AsyncGeneration:
        """Continues a prompt; `async for piece in client.generate(…)`; see :meth:`athanor.Client.generate`."""
        request = requests.generate_request(model, prompt, settings, requests.keyword_names(AsyncClient.generate))
        return AsyncGeneration(self._connection.inference.Generate(request), self._connection.target)

    async def score(self, model: str, pairs: Iterable[tuple[requests.Prompt, requests.Prompt]]) -> list[Score]:
        """Log-likelihoods of continuations: one score for each (context, continuation), in order. Each is a text or token ids."""
        connection = self._connection
        request = requests.score_request(model, pairs)
        response = await connection.answer(connection.inference.Score(request, timeout=connection.timeout))
        return [Score.from_proto(score) for score in response.scores]

    async def classify(self, model: str, inputs: Iterable[requests.TextOrPair]) -> list[Classification]:
        """What a classifier says of each input: a text, or two that belong together."""
        connection = self._connection
        request = requests.classify_request(model, inputs)
        return classifications(await connection.answer(connection.inference.Classify(request, timeout=connection.timeout)))

    async def embed(self, model: str, texts: Iterable[str], *, normalize: bool | None = None) -> list[Embedding]:
        """One vector a text; `normalize` scales them to length 1 or not, as the model says by default."""
        connection = self._connection
        request = inference_pb2.EmbedRequest(model=model, texts=texts, normalize=normalize)
        response = await connection.answer(connection.inference.Embed(request, timeout=connection.timeout))
        return [Embedding.from_proto(embedding) for embedding in response.embeddings]

    async def fill_mask(self, model: str, texts: Iterable[str], *, top_k: int | None = None) -> list[list[list[MaskCandidate]]]:
        """For each text, for each of its masks, the `top_k` (5 by default) likeliest tokens, likeliest first."""
        connection = self._connection
        request = inference_pb2.FillMaskRequest(model=model, texts=texts, top_k=top_k)
        return filled_masks(await connection.answer(connection.inference.FillMask(request, timeout=connection.timeout)))

    async def tokenize(self, model: str, text: str, *, special_tokens: bool = True) -> list[int]:
        """Token ids of a text, with what the tokenizer puts around a prompt unless `special_tokens` is false."""
        connection = self._connection
        request = inference_pb2.TokenizeRequest(model=model, text=text, special_tokens=special_tokens)
        response = await connection.answer(connection.inference.Tokenize(request, timeout=connection.timeout))
        return list(response.ids)

    async def detokenize(self, model: str, ids: Iterable[int]) -> str:
        """Text of token ids."""
        connection = self._connection
        request = inference_pb2.DetokenizeRequest(model=model, ids=ids)
        response = await connection.answer(connection.inference.Detokenize(request, timeout=connection.timeout))
        return response.text


class AsyncModels:
    """The models in the server's store; see :class:`athanor.client.Models`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._stub = connection.models

    async def import_(self, path: requests.StrPath, *, name: str, replace: bool = False) -> Model:
        """Brings in a Hugging Face folder that lies *on the server*."""
        request = model_pb2.ModelServiceImportRequest(name=name, path=requests.path_text(path), replace=replace)
        response = await self._connection.answer(self._stub.Import(request, timeout=self._connection.timeout))
        return Model.from_proto(response.model)

    async def upload(self, path: requests.StrPath, *, name: str, replace: bool = False) -> Model:
        """Brings in a Hugging Face folder of *this machine*: its .json and .safetensors files are sent in chunks."""
        failure: list[Exception] = []

        async def parts() -> AsyncIterator[model_pb2.ModelServiceImportUploadRequest]:
            source = upload_parts(Path(path), name, replace)
            try:
                while (part := await asyncio.to_thread(next, source, None)) is not None:
                    yield part
            except Exception as error:
                failure.append(error)
                raise

        try:
            response = await self._stub.ImportUpload(parts())
        except grpc.RpcError as error:
            if failure:
                raise failure[0] from None
            raise call_error(error, self._connection.target) from error
        except asyncio.CancelledError:
            # grpc cancels the call when the parts cannot be read; a cancelled task looks the same from here.
            if failure:
                raise failure[0] from None
            raise
        return Model.from_proto(response.model)

    async def list(self) -> builtins.list[Model]:
        """The newest version of every model, by name, without their parameters."""
        request = model_pb2.ModelServiceListRequest()
        response = await self._connection.answer(self._stub.List(request, timeout=self._connection.timeout))
        return [Model.from_proto(model) for model in response.models]

    async def get(self, name: str) -> Model:
        """One model with its parameters; "name", or "name@version" for an older one."""
        request = model_pb2.ModelServiceGetRequest(name=name)
        response = await self._connection.answer(self._stub.Get(request, timeout=self._connection.timeout))
        return Model.from_proto(response.model)

    async def load(self, name: str) -> Model:
        """Brings a model into the server's memory. Other calls do that by themselves."""
        request = model_pb2.ModelServiceLoadRequest(name=name)
        response = await self._connection.answer(self._stub.Load(request, timeout=self._connection.timeout))
        return Model.from_proto(response.model)

    async def unload(self, name: str) -> int:
        """Gives a model's memory back; returns the bytes that were freed, 0 when it was not loaded."""
        request = model_pb2.ModelServiceUnloadRequest(name=name)
        response = await self._connection.answer(self._stub.Unload(request, timeout=self._connection.timeout))
        return response.freed_bytes

    async def delete(self, name: str) -> None:
        """Removes a model with all its versions."""
        request = model_pb2.ModelServiceDeleteRequest(name=name)
        await self._connection.answer(self._stub.Delete(request, timeout=self._connection.timeout))

    async def promote(self, alias: str, model: str, **thresholds: Unpack[requests.Thresholds]) -> Promotion:
        """Serves a version under a stable name; see :meth:`athanor.client.Models.promote`."""
        request = requests.promote_request(alias, model, thresholds)
        response = await self._connection.answer(self._stub.Promote(request, timeout=self._connection.timeout))
        return Promotion.from_proto(response.promotion)

    async def roll_back(self, alias: str, to: int = 0) -> Promotion:
        """Lets a stable name stand for an earlier promotion, by default the newest of another version."""
        request = model_pb2.ModelServiceRollBackRequest(alias=alias, to=to)
        response = await self._connection.answer(self._stub.RollBack(request, timeout=self._connection.timeout))
        return Promotion.from_proto(response.promotion)

    async def promotions(self, alias: str = "") -> builtins.list[Promotion]:
        """What a stable name stood for, newest first; without one, what each of them stands for now."""
        request = model_pb2.ModelServicePromotionsRequest(alias=alias)
        response = await self._connection.answer(self._stub.Promotions(request, timeout=self._connection.timeout))
        return [Promotion.from_proto(one) for one in response.promotions]

    async def export(self, name: str, dir: requests.StrPath, format: str = "hf", *, overwrite: bool = False) -> Path:
        """Writes a model to a folder *on this machine*; see :meth:`athanor.client.Models.export`."""
        request = model_pb2.ModelServiceExportRequest(name=name, format=requests.export_format(format))
        with FolderWriter(Path(dir), overwrite) as folder:
            stream = self._stub.Export(request)
            try:
                async for response in stream:
                    await asyncio.to_thread(folder.write, response.chunk)
            except grpc.RpcError as error:
                raise call_error(error, self._connection.target) from error
            finally:
                stream.cancel()
            return await asyncio.to_thread(folder.finish)


class AsyncJobs:
    """The jobs of the server. They outlive the client that started them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._stub = connection.jobs

    async def submit(self, spec: JobSpec, *, priority: int = 0) -> AsyncJob[JobResult]:
        """Starts a job of any kind from its wire form; of those that wait, the highest priority starts first."""
        request = job_pb2.JobServiceSubmitRequest(spec=spec, priority=priority)
        response = await self._connection.answer(self._stub.Submit(request, timeout=self._connection.timeout))
        return AsyncJob(self._connection, response.job.id)

    async def get(self, job_id: str) -> AsyncJob[JobResult]:
        """The job of that id, to wait for or to watch; raises JobNotFound."""
        job: AsyncJob[JobResult] = AsyncJob(self._connection, job_id)
        await job.status()
        return job

    async def list(self, *, states: Iterable[JobState | str] = (), limit: int | None = None) -> builtins.list[JobStatus]:
        """Jobs, newest first, in the given states only (all by default); at most `limit` (100 by default)."""
        request = job_pb2.JobServiceListRequest(states=[job_state_to_wire(state) for state in states], limit=limit)
        response = await self._connection.answer(self._stub.List(request, timeout=self._connection.timeout))
        return [JobStatus.from_proto(job) for job in response.jobs]

    def watch(self, job_id: str, from_sequence: int = 0) -> AsyncGenerator[JobEvent, None]:
        """The events of a job from a sequence number on, as `AsyncJob.events`."""
        job: AsyncJob[JobResult] = AsyncJob(self._connection, job_id)
        return job.events(from_sequence)


class AsyncJob(Generic[ResultT]):
    """A job on the server. Losing this object, or the connection, does not stop it; `cancel` does."""

    def __init__(self, connection: AsyncConnection, job_id: str) -> None:
        self.id = job_id
        self._connection = connection
        self._stub = connection.jobs
        self._seen = 0
        self._outcome: JobResult | AthanorError | None = None

    def __repr__(self) -> str:
        return f"AsyncJob(id={self.id!r})"

    async def events(
        self,
        from_sequence: int = 0,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the same name as in the sync client
    ) -> AsyncGenerator[JobEvent, None]:
        """The job's events, each exactly once and in order, over dropped connections; see :meth:`athanor.client.Job.events`."""
        connection = self._connection
        cursor = EventCursor(self.id, from_sequence, connection.target, connection.reconnect_seconds, timeout)
        while not cursor.ended:
            request = job_pb2.JobServiceWatchRequest(job_id=self.id, from_sequence=cursor.next_sequence)
            stream = self._stub.Watch(request, timeout=cursor.remaining())
            dropped: grpc.RpcError | None = None
            try:
                async for response in stream:
                    event = cursor.take(response.event)
                    if event is not None:
                        self._note(event)
                        yield event
            except grpc.RpcError as error:
                dropped = error
            finally:
                stream.cancel()
            if cursor.ended or (dropped is None and await self._nothing_after(cursor.next_sequence)):
                return
            await asyncio.sleep(cursor.delay_after(dropped))

    async def wait(self, progress: bool = True, *, timeout: float | None = None) -> ResultT:  # noqa: ASYNC109 - as above
        """Waits for the job's end and returns its result, or raises its error; see :meth:`athanor.client.Job.wait`."""
        if self._outcome is None:
            with ProgressBar(progress) as bar:
                async with aclosing(self.events(self._seen + 1, timeout=timeout)) as events:
                    async for event in events:
                        bar.show(event)
        if self._outcome is None:
            self._outcome = outcome_of(await self.status())
        if isinstance(self._outcome, AthanorError):
            raise self._outcome
        return cast("ResultT", self._outcome)

    async def cancel(self) -> JobStatus:
        """Asks the job to stop, which it does within a second; a job that has ended stays as it is."""
        request = job_pb2.JobServiceCancelRequest(job_id=self.id)
        response = await self._connection.answer(self._stub.Cancel(request, timeout=self._connection.timeout))
        return JobStatus.from_proto(response.job)

    async def pause(self) -> JobStatus:
        """Puts the job aside, with a checkpoint where it runs; it goes on when it is resumed."""
        request = job_pb2.JobServicePauseRequest(job_id=self.id)
        response = await self._connection.answer(self._stub.Pause(request, timeout=self._connection.timeout))
        return JobStatus.from_proto(response.job)

    async def resume(self) -> JobStatus:
        """Lets a paused job go on where it was."""
        request = job_pb2.JobServiceResumeRequest(job_id=self.id)
        response = await self._connection.answer(self._stub.Resume(request, timeout=self._connection.timeout))
        return JobStatus.from_proto(response.job)

    async def retry(self, *, fresh: bool = False) -> AsyncJob[ResultT]:
        """Submits a job that failed or was cancelled again: a new one, which goes on from its checkpoint unless it is to be `fresh`."""
        request = job_pb2.JobServiceRetryRequest(job_id=self.id, fresh=fresh)
        response = await self._connection.answer(self._stub.Retry(request, timeout=self._connection.timeout))
        return AsyncJob(self._connection, response.job.id)

    async def forget(self) -> None:
        """Removes a job that has ended: its log, its result and the files that it left."""
        request = job_pb2.JobServiceForgetRequest(job_id=self.id)
        await self._connection.answer(self._stub.Forget(request, timeout=self._connection.timeout))

    async def status(self) -> JobStatus:
        """The job as it is now."""
        request = job_pb2.JobServiceGetRequest(job_id=self.id)
        response = await self._connection.answer(self._stub.Get(request, timeout=self._connection.timeout))
        return JobStatus.from_proto(response.job)

    def _note(self, event: JobEvent) -> None:
        self._seen = max(self._seen, event.sequence)
        self._outcome = event.result or event.error or self._outcome

    async def _nothing_after(self, sequence: int) -> bool:
        try:
            status = await self.status()
        except Unavailable:
            return False
        return status.state.ended and status.last_sequence < sequence


class AsyncGeneration(Gathered, AsyncIterator[str]):
    """A generation on its way: the pieces of the first continuation's text as they come, and what came with them.

    `finish_reason` and `usage` are set when it has ended. With `n` above 1, `continuations` holds all of them, and `pieces` gives
    the pieces of all as they come.
    """

    def __init__(self, call: GenerateCall, target: str) -> None:
        self._call = call
        self._responses = aiter(call)
        self._target = target
        self._closed = False
        super().__init__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while (piece := await self._next_piece()) is not None:
            if piece.text and piece.index == 0:
                return piece.text
        raise StopAsyncIteration

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """What comes next, of all continuations, message by message."""
        while (piece := await self._next_piece()) is not None:
            yield piece

    async def _next_piece(self) -> Piece | None:
        if self._closed:
            return None
        try:
            return self._gathered.take(await anext(self._responses))
        except StopAsyncIteration:
            self._closed = True
            return None
        except grpc.RpcError as error:
            self._closed = True
            raise call_error(error, self._target) from error
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stops the generation on the server, if it has not ended."""
        if not self._closed:
            self._closed = True
            self._call.cancel()

    async def text(self) -> str:
        """Reads on to the end and returns the text of the first continuation that was not read before."""
        return "".join([piece async for piece in self])

    async def texts(self) -> list[str]:
        """Reads on to the end and returns the whole texts of all continuations."""
        async for _ in self.pieces():
            pass
        return [one.text for one in self.continuations]
