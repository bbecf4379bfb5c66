# A small server with athanor's services and scripted answers, run inside the test process.
from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Never

import grpc

from athanor import _wire
from athanor._gen.v1 import compression_report_pb2 as compression
from athanor._gen.v1 import inference_pb2 as inference
from athanor._gen.v1 import inference_pb2_grpc, job_pb2_grpc, model_pb2_grpc
from athanor._gen.v1 import job_pb2 as job
from athanor._gen.v1 import model_pb2 as model
from athanor._gen.v1.evaluation_report_pb2 import EvaluationReport, Latency

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

CREATED_MS = 1_700_000_000_000


def model_info(name: str, **fields: object) -> model.ModelInfo:
    info = model.ModelInfo(
        name=name,
        version=1,
        hash="abc123",
        architecture="gpt2",
        config_json='{"width": 8, "layers": 2}',
        logical_parameters=1000,
        stored_parameters=500,
        stored_bytes=2000,
        created_ms=CREATED_MS,
    )
    info.MergeFrom(model.ModelInfo(**fields))  # type: ignore[arg-type]
    return info


def report(name: str, teacher: str) -> EvaluationReport:
    return EvaluationReport(
        model=f"{name}@1",
        teacher=teacher,
        protocol="windows 256",
        loss=2.0,
        bits_per_byte=1.25,
        teacher_kl=0.5 if teacher else None,
        latencies=[Latency(phase="decode", batch_size=8, median_ms=1.5)],
    )


def status_details(code: int, message: str, reason: str, metadata: dict[str, str]) -> bytes:
    """A google.rpc.Status with an ErrorInfo, as the server sends it."""

    def text(number: int, value: str) -> bytes:
        return _wire._bytes_field(number, value.encode())

    entries = b"".join(_wire._bytes_field(3, text(1, key) + text(2, value)) for key, value in metadata.items())
    info = text(1, reason) + text(2, "athanor") + entries
    packed = text(1, f"type.googleapis.com/{_wire.ERROR_INFO_TYPE}") + _wire._bytes_field(2, info)
    return bytes([1 << 3, code]) + text(2, message) + _wire._bytes_field(3, packed)


def refuse(
    context: grpc.ServicerContext, status: grpc.StatusCode, code: str, message: str, metadata: dict[str, str] | None = None
) -> Never:
    full = f"[{code}] {message}"
    context.set_trailing_metadata(((_KEY, status_details(status.value[0], full, code, metadata or {})),))
    context.abort(status, full)
    raise AssertionError("abort raises")


_KEY = "grpc-status-details-bin"


class FakeJob:
    """A job whose event log is filled by a test, or all at once."""

    def __init__(self, job_id: str, spec: job.JobSpec) -> None:
        self.id = job_id
        self.spec = spec
        self.kind = (spec.WhichOneof("spec") or "").removesuffix("_model")
        self.state: job.JobState = job.JOB_STATE_QUEUED
        self.events: list[job.JobEvent] = []
        self.result: job.JobResult | None = None
        self.error: job.JobError | None = None
        self.changed = threading.Condition()
        self.add(state=job.JobStateChange(state=job.JOB_STATE_QUEUED))

    def add(
        self,
        state: job.JobStateChange | None = None,
        progress: job.JobProgress | None = None,
        result: job.JobResult | None = None,
        error: job.JobError | None = None,
        skip: int = 0,
    ) -> None:
        """Appends an event; `skip` leaves sequence numbers out, as for progress that was replaced."""
        with self.changed:
            sequence = (self.events[-1].sequence if self.events else 0) + 1 + skip
            event = job.JobEvent(
                job_id=self.id, sequence=sequence, time_ms=CREATED_MS, state=state, progress=progress, result=result, error=error
            )
            self.events.append(event)
            if state is not None:
                self.state = state.state
            self.result, self.error = result or self.result, error or self.error
            self.changed.notify_all()

    def work(self, steps: int = 3, phase: str = "low rank") -> None:
        self.add(state=job.JobStateChange(state=job.JOB_STATE_RUNNING))
        for step in range(1, steps + 1):
            metrics = {"loss": 1.0 / step, "relativeError": 0.125, "residentBytes": 2048.0}
            self.add(progress=job.JobProgress(phase=phase, step=step, total=steps, eta_ms=5.0, item=f"h.{step}", metrics=metrics))

    def succeed(self, result: job.JobResult) -> None:
        self.add(result=result)
        self.add(state=job.JobStateChange(state=job.JOB_STATE_SUCCEEDED))

    def fail(self, code: str, message: str, state: job.JobState = job.JOB_STATE_FAILED) -> None:
        self.add(error=job.JobError(code=code, message=f"[{code}] {message}", details={"place": "test"}))
        self.add(state=job.JobStateChange(state=state))

    @property
    def ended(self) -> bool:
        return self.state in (job.JOB_STATE_SUCCEEDED, job.JOB_STATE_FAILED, job.JOB_STATE_CANCELLED)

    def info(self) -> job.JobInfo:
        return job.JobInfo(
            id=self.id,
            kind=self.kind,
            state=self.state,
            created_ms=CREATED_MS,
            last_sequence=self.events[-1].sequence,
            result=self.result,
            error=self.error,
            attempts=1,
        )


class FakeServer(model_pb2_grpc.ModelServiceServicer, job_pb2_grpc.JobServiceServicer, inference_pb2_grpc.InferenceServiceServicer):
    """Answers like the real one and notes what it was asked. Jobs run to their end at once unless `hold_jobs` is set."""

    def __init__(self) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.models = {"teacher": model_info("teacher")}
        self.hold_jobs = False
        self.watches: list[int] = []
        # For each Watch in turn: after how many events the stream ends, and whether with an error ("cut") or in order ("end").
        self.interruptions: list[tuple[int, str]] = []
        self.repeat_before = 0
        self.uploads: list[model.ModelServiceImportUploadRequest] = []
        self.export_chunks: list[model.FileChunk] = []
        self.export_error = False
        self.last_request: object = None
        self.generation_cancelled = threading.Event()
        self.endless_generation = False
        self.load_seconds = 0.0
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        model_pb2_grpc.add_ModelServiceServicer_to_server(self, self._server)
        job_pb2_grpc.add_JobServiceServicer_to_server(self, self._server)
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self, self._server)
        self._server.add_generic_rpc_handlers((_health_handler(),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.target = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=0).wait()

    # JobService and ModelService share the method names List and Get: tell them apart by the request.
    def List(self, request, context):  # type: ignore[no-untyped-def]
        self.last_request = request
        if isinstance(request, model.ModelServiceListRequest):
            return model.ModelServiceListResponse(models=self.models.values())
        wanted = [item.info() for item in self.jobs.values() if not request.states or item.state in request.states]
        return job.JobServiceListResponse(jobs=wanted[: request.limit if request.HasField("limit") else 100])

    def Get(self, request, context):  # type: ignore[no-untyped-def]
        self.last_request = request
        if isinstance(request, job.JobServiceGetRequest):
            return job.JobServiceGetResponse(job=self._job(request.job_id, context).info())
        return model.ModelServiceGetResponse(model=self._model(request.name, context))

    def Import(self, request: model.ModelServiceImportRequest, context: grpc.ServicerContext) -> model.ModelServiceImportResponse:
        self.last_request = request
        if request.name in self.models and not request.replace:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "model_exists", f'store: "{request.name}" exists.', {"name": request.name})
        self.models[request.name] = model_info(request.name)
        return model.ModelServiceImportResponse(model=self.models[request.name])

    def ImportUpload(
        self, request_iterator: Iterator[model.ModelServiceImportUploadRequest], context: grpc.ServicerContext
    ) -> model.ModelServiceImportUploadResponse:
        for part in request_iterator:
            self.uploads.append(part)
            if part.chunk.file_name == "refused.json":
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "bad_config", "refused.json: no.")
        return model.ModelServiceImportUploadResponse(model=model_info(self.uploads[0].header.name))

    def Load(self, request: model.ModelServiceLoadRequest, context: grpc.ServicerContext) -> model.ModelServiceLoadResponse:
        time.sleep(self.load_seconds)
        found = self._model(request.name, context)
        found.loaded, found.resident_bytes = True, 4096
        return model.ModelServiceLoadResponse(model=found)

    def Unload(self, request: model.ModelServiceUnloadRequest, context: grpc.ServicerContext) -> model.ModelServiceUnloadResponse:
        return model.ModelServiceUnloadResponse(freed_bytes=self._model(request.name, context).resident_bytes)

    def Delete(self, request: model.ModelServiceDeleteRequest, context: grpc.ServicerContext) -> model.ModelServiceDeleteResponse:
        self._model(request.name, context)
        del self.models[request.name]
        return model.ModelServiceDeleteResponse()

    def Promote(self, request: model.ModelServicePromoteRequest, context: grpc.ServicerContext) -> model.ModelServicePromoteResponse:
        self.last_request = request
        promotion = model.Promotion(alias=request.alias, model=request.model, sequence=1, thresholds=request.thresholds)
        return model.ModelServicePromoteResponse(promotion=promotion)

    def RollBack(self, request: model.ModelServiceRollBackRequest, context: grpc.ServicerContext) -> model.ModelServiceRollBackResponse:
        self.last_request = request
        return model.ModelServiceRollBackResponse(promotion=model.Promotion(alias=request.alias, rollback_to=request.to))

    def Promotions(
        self, request: model.ModelServicePromotionsRequest, context: grpc.ServicerContext
    ) -> model.ModelServicePromotionsResponse:
        return model.ModelServicePromotionsResponse(promotions=[model.Promotion(alias="a", figures={"loss": 1.5})])

    def Export(self, request: model.ModelServiceExportRequest, context: grpc.ServicerContext) -> Iterator[model.ModelServiceExportResponse]:
        self.last_request = request
        for chunk in self.export_chunks:
            yield model.ModelServiceExportResponse(chunk=chunk)
        if self.export_error:
            refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "disk_full", "store: no space left.")

    def Submit(self, request: job.JobServiceSubmitRequest, context: grpc.ServicerContext) -> job.JobServiceSubmitResponse:
        self.last_request = request
        if request.spec.compress.recipe.steps and request.spec.compress.recipe.steps[0].low_rank.ratio > 1:
            message = "recipe.steps[0].lowRank.ratio: 2 is outside (0, 1]. Choose a ratio in it."
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "bad_recipe", message, {"field": "steps[0].lowRank.ratio"})
        made = FakeJob(f"job-{len(self.jobs) + 1}", request.spec)
        self.jobs[made.id] = made
        if not self.hold_jobs:
            made.work()
            result = self.result_of(made)
            for part in (result.compress, result.distill):
                if part.HasField("model"):
                    self.models[part.model.name] = part.model
            made.succeed(result)
        return job.JobServiceSubmitResponse(job=made.info())

    def result_of(self, made: FakeJob) -> job.JobResult:
        spec = made.spec
        match spec.WhichOneof("spec"):
            case "compress":
                change = compression.ParameterChange(
                    path="h.0.mlp.fc.weight", parametrization="lowRank", relative_error=0.125, output_error=0.125, rank=4, note="kept"
                )
                compressed = job.CompressResult(
                    model=model_info(spec.compress.name),
                    changes=[change],
                    steps=[
                        compression.StepReport(
                            method="lowRank",
                            note="all of it",
                            metrics={"loss": 2.5},
                            dropped=True,
                            gate=compression.GateReport(metric="loss", value=2.5, reference=2.0, limit=2.25),
                            search=compression.SearchReport(
                                trials=[compression.SearchTrial(name="eight", metrics={"storedBytes": 7})], chosen=0
                            ),
                        )
                    ],
                    start_metrics={"loss": 2.0},
                    stop=compression.RecipeStop(step=3, reason="lost too much"),
                    calibration=compression.CalibrationManifest(rows=2, row_hashes=["ab", "cd"]),
                    memory=compression.MemoryReport(peak_bytes=3),
                    verification=job.Verification(tokens=32),
                )
                return job.JobResult(compress=compressed)
            case "distill":
                stored = model_info(spec.distill.name or spec.distill.student)
                steps = spec.distill.settings.steps
                return job.JobResult(distill=job.DistillResult(model=stored, steps=steps, final_loss=1.5, validation={"bitsPerByte": 1.25}))
            case "evaluate":
                return job.JobResult(evaluate=job.EvaluateResult(report=report(spec.evaluate.model, spec.evaluate.teacher)))
            case "export":
                files = [job.ExportedFile(file_name="config.json", size_bytes=3)]
                return job.JobResult(export=job.ExportResult(path=spec.export.path, files=files))
        return job.JobResult(import_model=job.ImportResult(model=model_info(spec.import_model.name)))

    def Watch(self, request: job.JobServiceWatchRequest, context: grpc.ServicerContext) -> Iterator[job.JobServiceWatchResponse]:
        watched = self._job(request.job_id, context)
        self.watches.append(request.from_sequence)
        limit, how = self.interruptions.pop(0) if self.interruptions else (None, "")
        wanted = max(request.from_sequence - self.repeat_before, 0)
        sent = position = 0
        while context.is_active():
            with watched.changed:
                if position >= len(watched.events):
                    if watched.ended:
                        return
                    watched.changed.wait(0.05)
                    continue
                event = watched.events[position]
            position += 1
            if event.sequence < wanted:
                continue
            if sent == limit:
                if how == "cut":
                    context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                if how == "broken":
                    context.abort(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")
                return
            sent += 1
            yield job.JobServiceWatchResponse(event=event)

    def Cancel(self, request: job.JobServiceCancelRequest, context: grpc.ServicerContext) -> job.JobServiceCancelResponse:
        cancelled = self._job(request.job_id, context)
        if not cancelled.ended:
            cancelled.fail("cancelled", "the job was cancelled.", job.JOB_STATE_CANCELLED)
        return job.JobServiceCancelResponse(job=cancelled.info())

    def Distributions(
        self, request: inference.DistributionsRequest, context: grpc.ServicerContext
    ) -> Iterator[inference.DistributionsResponse]:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a teacher for another server is asked by that server alone.")

    def Pause(self, request: job.JobServicePauseRequest, context: grpc.ServicerContext) -> job.JobServicePauseResponse:
        return job.JobServicePauseResponse(job=self._job(request.job_id, context).info())

    def Resume(self, request: job.JobServiceResumeRequest, context: grpc.ServicerContext) -> job.JobServiceResumeResponse:
        return job.JobServiceResumeResponse(job=self._job(request.job_id, context).info())

    def Retry(self, request: job.JobServiceRetryRequest, context: grpc.ServicerContext) -> job.JobServiceRetryResponse:
        return job.JobServiceRetryResponse(job=self._job(request.job_id, context).info())

    def Forget(self, request: job.JobServiceForgetRequest, context: grpc.ServicerContext) -> job.JobServiceForgetResponse:
        self._job(request.job_id, context)
        return job.JobServiceForgetResponse()

    def Generate(self, request: inference.GenerateRequest, context: grpc.ServicerContext) -> Iterator[inference.GenerateResponse]:
        self.last_request = request
        self._model(request.model, context)
        context.add_callback(self.generation_cancelled.set)
        number = 0
        while self.endless_generation and context.is_active():
            yield inference.GenerateResponse(text=f"{number} ", token_ids=[number])
            number += 1
            self.generation_cancelled.wait(0.01)
        if request.HasField("prompt_logprobs"):
            first = inference.TokenLogprob(id=9, text="There")
            yield inference.GenerateResponse(prompt_logprobs=[first, self._logprob(10, " was")])
        for index in range(max(1, request.n)):
            named = [self._logprob(1, "Once ")] if request.HasField("logprobs") else []
            yield inference.GenerateResponse(text="Once ", token_ids=[1], index=index, logprobs=named)
        yield inference.GenerateResponse(text="", token_ids=[2])
        yield inference.GenerateResponse(text="upon", token_ids=[3])
        usage = inference.Usage(prompt_tokens=2, generated_tokens=3, first_token_ms=1.0, total_ms=2.0, cached_prompt_tokens=1)
        for index in range(max(1, request.n)):
            stop = request.stop[0] if request.stop and index > 0 else ""
            reason = inference.FINISH_REASON_STOP if stop else inference.FINISH_REASON_LENGTH
            yield inference.GenerateResponse(finish_reason=reason, usage=usage, index=index, stop=stop)

    @staticmethod
    def _logprob(token: int, text: str) -> inference.TokenLogprob:
        top = [inference.TokenLogprob(id=token, text=text, logprob=-0.5), inference.TokenLogprob(id=0, text="!", logprob=-1.5)]
        return inference.TokenLogprob(id=token, text=text, logprob=-0.5, top=top)

    def Score(self, request: inference.ScoreRequest, context: grpc.ServicerContext) -> inference.ScoreResponse:
        self.last_request = request
        scores = [
            inference.Score(
                log_likelihood=-float(len(pair.continuation) + len(pair.continuation_tokens.ids)),
                is_greedy=pair.context == "",
                tokens=len(pair.continuation) + len(pair.continuation_tokens.ids),
            )
            for pair in request.pairs
        ]
        return inference.ScoreResponse(scores=scores)

    def Classify(self, request: inference.ClassifyRequest, context: grpc.ServicerContext) -> inference.ClassifyResponse:
        self.last_request = request
        result = inference.Classification(label="yes", probabilities=[0.25, 0.75], logits=[-1.0, 1.0])
        return inference.ClassifyResponse(labels=["no", "yes"], results=[result] * len(request.inputs))

    def Embed(self, request: inference.EmbedRequest, context: grpc.ServicerContext) -> inference.EmbedResponse:
        self.last_request = request
        vectors = [inference.Embedding(values=[1.0, 0.5], tokens=len(text), truncated=len(text) > 5) for text in request.texts]
        return inference.EmbedResponse(embeddings=vectors)

    def FillMask(self, request: inference.FillMaskRequest, context: grpc.ServicerContext) -> inference.FillMaskResponse:
        self.last_request = request
        filled = []
        for text in request.texts:
            one = inference.MaskCandidate(token_id=7, token="good", probability=0.5, text=text.replace("[MASK]", "good", 1))
            masks = [inference.MaskCandidates(candidates=[one])] * text.count("[MASK]")
            filled.append(inference.FilledMasks(masks=masks))
        return inference.FillMaskResponse(results=filled)

    def Tokenize(self, request: inference.TokenizeRequest, context: grpc.ServicerContext) -> inference.TokenizeResponse:
        begin = b"\x00" if request.text == "begin" and request.special_tokens else b""
        return inference.TokenizeResponse(ids=begin + request.text.encode())

    def Detokenize(self, request: inference.DetokenizeRequest, context: grpc.ServicerContext) -> inference.DetokenizeResponse:
        return inference.DetokenizeResponse(text=bytes(request.ids).decode())

    def _model(self, name: str, context: grpc.ServicerContext) -> model.ModelInfo:
        if name not in self.models:
            message = f'store: there is no model "{name}". List the models.'
            refuse(context, grpc.StatusCode.NOT_FOUND, "model_not_found", message, {"name": name})
        return self.models[name]

    def _job(self, job_id: str, context: grpc.ServicerContext) -> FakeJob:
        if job_id not in self.jobs:
            refuse(context, grpc.StatusCode.NOT_FOUND, "job_not_found", f'there is no job "{job_id}".')
        return self.jobs[job_id]


def _health_handler() -> grpc.GenericRpcHandler:
    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request not in (b"", _wire.encode_health_request("athanor.v1.JobService")):
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08\x01" if request == b"" else b"\x08\x02"

    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)})
