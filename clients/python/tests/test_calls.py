# Every call of the sync client against the fake server.
from __future__ import annotations

import dataclasses
import runpy
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import grpc
import pytest

import athanor
from athanor import errors, proto, types
from athanor._gen.v1 import compression_report_pb2, evaluation_report_pb2, inference_pb2, job_pb2, model_pb2
from athanor.types import CompressResult, DistillResult, EvaluationReport, ExportResult, FinishReason, HealthStatus, JobState
from fake_server import CREATED_MS

if TYPE_CHECKING:
    from fake_server import FakeServer

HALF = {"steps": [{"lowRank": {"ratio": 0.5}}]}


def test_imports_lists_gets_loads_unloads_and_deletes_models(client: athanor.Client) -> None:
    stored = client.models.import_(Path("/on/the/server"), name="small")
    assert (stored.name, stored.config["width"], stored.stored_bytes) == ("small", 8, 2000)
    assert stored.created == datetime.fromtimestamp(CREATED_MS / 1000, UTC)
    assert [model.name for model in client.models.list()] == ["teacher", "small"]
    assert client.models.get("small").evaluation is None
    assert client.models.load("small").resident_bytes == 4096
    assert client.models.unload("small") == 4096
    client.models.delete("small")
    with pytest.raises(errors.ModelNotFound):
        client.models.get("small")


def test_import_sends_the_path_as_it_is_given(client: athanor.Client, server: FakeServer) -> None:
    client.models.import_("relative/model", name="small", replace=True)
    assert str(server.last_request) == 'name: "small"\npath: "relative/model"\nreplace: true\n'


def test_compress_sends_recipe_data_and_calibration(client: athanor.Client, server: FakeServer) -> None:
    job = client.compress(
        "teacher",
        name="half",
        recipe=HALF,
        data=["a.txt", Path("b.jsonl.gz")],
        validation="c.txt",
        field="body",
        calibration={"sequences": 4, "seed": 7},
    )
    spec = server.jobs[job.id].spec.compress
    assert list(spec.validation.paths) == ["c.txt"]
    assert (spec.model, spec.name, list(spec.data.paths), spec.data.jsonl_field) == ("teacher", "half", ["a.txt", "b.jsonl.gz"], "body")
    assert spec.recipe.steps[0].low_rank.ratio == 0.5
    assert (spec.calibration.sequences, spec.calibration.seed) == (4, 7)
    assert not spec.calibration.HasField("sequence_length")
    result = job.wait(progress=False)
    assert isinstance(result, CompressResult)
    assert result.model.name == "half"
    assert result.changes[0].rank == 4
    assert (result.changes[0].note, result.changes[0].output_error, result.steps[0].note) == ("kept", 0.125, "all of it")
    assert result.calibration is not None
    assert result.calibration.row_hashes == ("ab", "cd")
    assert result.memory is not None
    assert result.memory.peak_bytes == 3
    assert result.verification is not None
    assert result.verification.tokens == 32


def test_compress_measures_stages_gates_and_searches(client: athanor.Client, server: FakeServer) -> None:
    candidate = {"name": "eight", "steps": [{"quantize": {"bits": 8}}]}
    search = {"target": {"ratio": 0.5}, "budget": {"trials": 3}, "candidates": [candidate]}
    recipe = {"steps": [{"search": search}, {"gate": {"metric": "loss", "maxLoss": 0.1}}]}
    job = client.compress("teacher", name="half", recipe=recipe, data="a.txt", validation="b.txt", evaluate_stages=False)
    spec = server.jobs[job.id].spec.compress
    assert (list(spec.validation.paths), spec.HasField("evaluate_stages"), spec.evaluate_stages) == (["b.txt"], True, False)
    assert spec.recipe.steps[0].search.candidates[0].steps[0].quantize.bits == 8
    assert spec.recipe.steps[1].gate.max_loss == 0.1
    result = job.wait(progress=False)
    assert isinstance(result, CompressResult)
    step = result.steps[0]
    assert (step.metrics, step.dropped, result.start_metrics) == ({"loss": 2.5}, True, {"loss": 2.0})
    assert step.gate is not None
    assert (step.gate.held, step.gate.limit) == (False, 2.25)
    assert step.search is not None
    assert (step.search.chosen, step.search.trials[0].metrics) == (0, {"storedBytes": 7.0})
    assert result.stop is not None
    assert (result.stop.step, result.stop.reason) == (3, "lost too much")


def test_compress_sends_the_name_of_a_shipped_recipe(client: athanor.Client, server: FakeServer) -> None:
    job = client.compress("teacher", name="half", recipe="tqcompressor", data="a.txt")
    assert server.jobs[job.id].spec.compress.recipe_name == "tqcompressor"


def test_compress_without_data_sends_none(client: athanor.Client, server: FakeServer) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    assert not server.jobs[job.id].spec.compress.HasField("data")
    assert not server.jobs[job.id].spec.compress.HasField("evaluate_stages")


def test_distill_sends_its_settings_and_leaves_the_others_to_the_server(client: athanor.Client, server: FakeServer) -> None:
    job = client.distill(
        "half", teacher="teacher", data="train.txt", validation="held-out.txt", name="better", steps=5, batch_size=2, learning_rate=1e-3
    )
    spec = server.jobs[job.id].spec.distill
    assert (spec.student, spec.teacher, spec.name, list(spec.validation.paths)) == ("half", "teacher", "better", ["held-out.txt"])
    assert (spec.settings.steps, spec.settings.batch_size, spec.settings.learning_rate) == (5, 2, 1e-3)
    assert not spec.settings.HasField("alpha")
    result = job.wait(progress=False)
    assert isinstance(result, DistillResult)
    assert (result.final_loss, result.validation) == (1.5, {"bitsPerByte": 1.25})


def test_a_wrong_keyword_is_a_type_error_that_names_the_nearest(client: athanor.Client, server: FakeServer) -> None:
    with pytest.raises(TypeError, match=r"distill\(\) got an unexpected keyword argument 'batchSize'; did you mean \"batch_size\"\?"):
        client.distill("half", data="train.txt", batchSize=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match='did you mean "teacher"'):
        client.distill("half", data="train.txt", teachr="t")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match='did you mean "stride"'):
        client.evaluate("half", data="train.txt", strides=2)  # type: ignore[call-arg]
    assert server.jobs == {}


def test_where_a_teacher_is_reaches_the_server(client: athanor.Client, server: FakeServer) -> None:
    client.distill("half", data="train.txt", teacher="athanor://gpu:50061/teacher", teacher_top_k=64)
    client.distill("half", data="train.txt", recording="/data/recorded", on_policy={"share": 0.25, "beta": 1.0})
    client.distill("half", data="train.txt", teacher="teacher", sequence_level={"beams": 4})
    client.record("teacher", data="train.txt", path="/data/recorded", top_k=16)
    remote, recorded, sequences, record = (job.spec for job in server.jobs.values())
    assert (remote.distill.teacher, remote.distill.teacher_top_k) == ("athanor://gpu:50061/teacher", 64)
    assert (recorded.distill.recording, recorded.distill.on_policy.share, recorded.distill.on_policy.beta) == ("/data/recorded", 0.25, 1.0)
    assert not recorded.distill.HasField("teacher_top_k")
    assert sequences.distill.sequence_level.beams == 4
    assert (record.record.teacher, record.record.path, record.record.settings.top_k) == ("teacher", "/data/recorded", 16)
    with pytest.raises(TypeError, match='did you mean "top_k"'):
        client.record("teacher", data="train.txt", path="/data/recorded", topk=2)  # type: ignore[call-arg]


def test_a_setting_of_a_wrong_type_is_named(client: athanor.Client) -> None:
    with pytest.raises(errors.InvalidArgument, match=r'distill\(\): "steps" wants an integer from 0 to 4294967295, not -1'):
        client.distill("half", data="train.txt", steps=-1)
    with pytest.raises(ValueError, match='"learning_rate" wants a number'):
        client.distill("half", data="train.txt", learning_rate="fast")  # type: ignore[arg-type]


def test_the_typed_settings_are_those_of_the_protos() -> None:
    for options, message in (
        (athanor.DistillOptions, proto.DistillSettings),
        (athanor.EvaluateOptions, proto.EvaluateSettings),
        (athanor.CalibrationOptions, proto.Calibration),
        (athanor.OnPolicyOptions, proto.OnPolicy),
        (athanor.PolicyGradientOptions, proto.PolicyGradient),
        (athanor.SequenceLevelOptions, proto.SequenceLevel),
        (athanor.RecordOptions, proto.RecordSettings),
    ):
        assert set(get_type_hints(options)) == {field.name for field in message.DESCRIPTOR.fields}


def test_no_field_of_the_protos_is_lost_on_the_way() -> None:
    renamed = {
        "config_json": "config",
        "settings_json": "settings",
        "created_ms": "created",
        "started_ms": "started",
        "finished_ms": "finished",
    }
    for value, message in (
        (types.Model, model_pb2.ModelInfo),
        (types.Parameter, model_pb2.ParameterInfo),
        (types.StoredTensor, model_pb2.StoredTensor),
        (types.Lineage, model_pb2.Lineage),
        (types.Parent, model_pb2.Parent),
        (types.EvaluationReport, evaluation_report_pb2.EvaluationReport),
        (types.SequenceReport, evaluation_report_pb2.SequenceReport),
        (types.ClassificationReport, evaluation_report_pb2.ClassificationReport),
        (types.HiddenTokenReport, evaluation_report_pb2.HiddenTokenReport),
        (types.Latency, evaluation_report_pb2.Latency),
        (types.JobStatus, job_pb2.JobInfo),
        (types.Progress, job_pb2.JobProgress),
        (types.CompressResult, job_pb2.CompressResult),
        (types.ParameterChange, compression_report_pb2.ParameterChange),
        (types.StepReport, compression_report_pb2.StepReport),
        (types.GateReport, compression_report_pb2.GateReport),
        (types.SearchReport, compression_report_pb2.SearchReport),
        (types.SearchTrial, compression_report_pb2.SearchTrial),
        (types.RecipeStop, compression_report_pb2.RecipeStop),
        (types.CalibrationManifest, compression_report_pb2.CalibrationManifest),
        (types.MemoryReport, compression_report_pb2.MemoryReport),
        (types.Verification, job_pb2.Verification),
        (types.DistillResult, job_pb2.DistillResult),
        (types.ImportResult, job_pb2.ImportResult),
        (types.ExportResult, job_pb2.ExportResult),
        (types.ExportedFile, job_pb2.ExportedFile),
        (types.Usage, inference_pb2.Usage),
        (types.Score, inference_pb2.Score),
        (types.TokenLogprob, inference_pb2.TokenLogprob),
        (types.Embedding, inference_pb2.Embedding),
        (types.MaskCandidate, inference_pb2.MaskCandidate),
        (types.Classification, inference_pb2.Classification),
    ):
        sent = {renamed.get(field.name, field.name) for field in message.DESCRIPTOR.fields}
        assert {field.name for field in dataclasses.fields(value)} == sent, value.__name__


def test_evaluate_returns_the_report(client: athanor.Client, server: FakeServer) -> None:
    job = client.evaluate("half", teacher="teacher", data=athanor.inline_text("Grüße"), window=64, latency_batch_sizes=[1, 4])
    spec = server.jobs[job.id].spec.evaluate
    assert spec.data.inline_text.decode() == "Grüße"
    assert (spec.settings.window, list(spec.settings.latency_batch_sizes)) == (64, [1, 4])
    report = job.wait(progress=False)
    assert isinstance(report, EvaluationReport)
    assert (report.bits_per_byte, report.teacher_kl, report.top1_agreement) == (1.25, 0.5, None)
    assert report.latencies[0].batch_size == 8
    assert client.evaluate("half", data="t.txt").wait(progress=False).teacher is None


def test_generate_gives_the_pieces_and_what_the_last_message_says(client: athanor.Client, server: FakeServer) -> None:
    generation = client.generate("teacher", "There was", max_tokens=3, temperature=0.5, top_k=5, top_p=0.9, seed=1, stop="\n")
    assert list(generation) == ["Once ", "upon"]
    assert generation.token_ids == [1, 2, 3]
    assert generation.finish_reason is FinishReason.LENGTH
    assert generation.usage is not None
    assert generation.usage.generated_tokens == 3
    request = server.last_request
    assert (request.text, request.max_new_tokens, request.top_k, request.seed, list(request.stop)) == ("There was", 3, 5, 1, ["\n"])  # type: ignore[attr-defined]


def test_generate_takes_token_ids_and_leaves_defaults_to_the_server(client: athanor.Client, server: FakeServer) -> None:
    assert client.generate("teacher", [5, 6]).text() == "Once upon"
    request = server.last_request
    assert list(request.tokens.ids) == [5, 6]  # type: ignore[attr-defined]
    assert not request.HasField("temperature")  # type: ignore[attr-defined]


def test_generate_gives_log_probabilities_of_prompt_and_answer(client: athanor.Client) -> None:
    generation = client.generate("teacher", "There was", logprobs=2, prompt_logprobs=0)
    assert generation.text() == "Once upon"
    assert [(token.id, token.logprob) for token in generation.prompt_logprobs] == [(9, None), (10, -0.5)]
    (token,) = generation.logprobs
    assert (token.text, token.logprob, [(top.id, top.logprob) for top in token.top]) == ("Once ", -0.5, [(1, -0.5), (0, -1.5)])


def test_generate_gathers_several_continuations(client: athanor.Client) -> None:
    generation = client.generate("teacher", "There was", n=3, stop=["\n"])
    assert generation.texts() == ["Once upon", "Once ", "Once "]
    assert [one.finish_reason for one in generation.continuations] == [FinishReason.LENGTH, FinishReason.STOP, FinishReason.STOP]
    assert [one.stop for one in generation.continuations] == [None, "\n", "\n"]
    pieces = list(client.generate("teacher", "There was", n=2).pieces())
    assert [(piece.index, piece.text) for piece in pieces if piece.text] == [(0, "Once "), (1, "Once "), (0, "upon")]
    assert list(client.generate("teacher", "There was", n=2)) == ["Once ", "upon"]


def test_generate_sends_every_setting(client: athanor.Client, server: FakeServer) -> None:
    client.generate(
        "teacher",
        "x",
        max_tokens=3,
        min_tokens=1,
        min_p=0.1,
        repetition_penalty=1.5,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={5: -100, 6: 2.5},
        stop_token_ids=[7],
        best_of=2,
        priority=-1,
        queue_timeout_ms=100,
        draft_model="small",
        draft_tokens=2,
    ).text()
    request: inference_pb2.GenerateRequest = server.last_request  # type: ignore[assignment]
    assert (request.max_new_tokens, request.min_new_tokens, request.min_p, request.repetition_penalty) == (3, 1, 0.1, 1.5)
    assert (request.frequency_penalty, request.presence_penalty, dict(request.logit_bias)) == (0.5, -0.5, {5: -100.0, 6: 2.5})
    assert (list(request.stop_token_ids), request.best_of, request.priority, request.queue_timeout_ms) == ([7], 2, -1, 100)
    assert (request.draft_model, request.draft_tokens) == ("small", 2)


def test_a_wrong_setting_of_generate_is_named(client: athanor.Client) -> None:
    with pytest.raises(TypeError, match=r"generate\(\) got an unexpected keyword argument 'max_token'; did you mean \"max_tokens\"\?"):
        client.generate("teacher", "x", max_token=2)  # type: ignore[call-arg]
    with pytest.raises(errors.InvalidArgument, match=r'generate\(\): "logit_bias.5" wants a number'):
        client.generate("teacher", "x", logit_bias={5: "much"})  # type: ignore[dict-item]


def test_the_settings_of_generate_are_those_of_the_protos() -> None:
    other = {"model", "text", "tokens"}
    renamed = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens"}
    sent = {field.name for field in inference_pb2.GenerateRequest.DESCRIPTOR.fields} - other
    assert {renamed.get(name, name) for name in get_type_hints(athanor.GenerateOptions)} == sent


def test_classifies_texts_and_pairs(client: athanor.Client, server: FakeServer) -> None:
    first, second = client.classify("teacher", ["one text", ("premise", "hypothesis")])
    assert first == second
    assert (first.label, first.probabilities, first.logits) == ("yes", {"no": 0.25, "yes": 0.75}, {"no": -1.0, "yes": 1.0})
    sent: inference_pb2.ClassifyRequest = server.last_request  # type: ignore[assignment]
    assert [(each.first, each.second, each.HasField("second")) for each in sent.inputs] == [
        ("one text", "", False),
        ("premise", "hypothesis", True),
    ]


def test_embeds_texts(client: athanor.Client, server: FakeServer) -> None:
    short, long = client.embed("teacher", ["abc", "abcdef"])
    assert (short.values, short.tokens, short.truncated, long.truncated) == ((1.0, 0.5), 3, False, True)
    assert not server.last_request.HasField("normalize")  # type: ignore[attr-defined]
    client.embed("teacher", ["abc"], normalize=False)
    assert server.last_request.HasField("normalize")  # type: ignore[attr-defined]


def test_fills_in_masks(client: athanor.Client, server: FakeServer) -> None:
    ((first, _), (only,)) = client.fill_mask("teacher", ["a [MASK] and [MASK]", "[MASK]"], top_k=1)
    assert [(one.token, one.probability, one.text) for one in first] == [("good", 0.5, "a good and [MASK]")]
    assert only[0].token_id == 7
    assert server.last_request.top_k == 1  # type: ignore[attr-defined]


def test_closing_the_iterator_of_generate_cancels_it_on_the_server(client: athanor.Client, server: FakeServer) -> None:
    server.endless_generation = True
    generation = client.generate("teacher", "x")
    assert next(generation) == "0 "
    assert not server.generation_cancelled.is_set()
    generation.close()
    assert server.generation_cancelled.wait(5)
    assert list(generation) == []


def test_dropping_the_iterator_of_generate_cancels_it_too(client: athanor.Client, server: FakeServer) -> None:
    server.endless_generation = True
    for _ in client.generate("teacher", "x"):
        break
    assert server.generation_cancelled.wait(5)


def test_generate_with_an_unknown_model_raises_at_the_first_piece(client: athanor.Client) -> None:
    with pytest.raises(errors.ModelNotFound):
        next(client.generate("nobody", "x"))


def test_score_tokenize_and_detokenize(client: athanor.Client) -> None:
    first, second = client.score("teacher", [("", "ab"), ("context", "abc")])
    assert (first.log_likelihood, first.is_greedy) == (-2.0, True)
    assert (second.log_likelihood, second.is_greedy, second.tokens) == (-3.0, False, 3)
    (ids_score,) = client.score("teacher", [([1, 2], [3, 4])])
    assert (ids_score.tokens, ids_score.log_likelihood) == (2, -2.0)
    assert client.tokenize("teacher", "begin")[0] == 0
    assert client.tokenize("teacher", "begin", special_tokens=False) == list(b"begin")
    ids = client.tokenize("teacher", "Grüße")
    assert client.detokenize("teacher", ids) == "Grüße"


def test_health_of_the_server_and_of_a_service(client: athanor.Client) -> None:
    client.wait_until_ready(5)
    assert client.health() is HealthStatus.SERVING
    assert client.health("athanor.v1.JobService") is HealthStatus.NOT_SERVING
    with pytest.raises(errors.NotFound):
        client.health("nobody")


def test_lists_and_finds_jobs(client: athanor.Client, server: FakeServer) -> None:
    done = client.compress("teacher", name="half", recipe=HALF)
    server.hold_jobs = True
    waiting = client.evaluate("half", data="t.txt")
    assert [status.id for status in client.jobs.list()] == [done.id, waiting.id]
    assert [status.id for status in client.jobs.list(states=["queued"])] == [waiting.id]
    assert [status.id for status in client.jobs.list(states=[JobState.SUCCEEDED], limit=1)] == [done.id]
    assert client.jobs.get(done.id).status().state is JobState.SUCCEEDED
    with pytest.raises(errors.JobNotFound):
        client.jobs.get("nobody")


def test_submits_a_job_from_its_wire_form(client: athanor.Client) -> None:
    spec = proto.JobSpec(export=proto.ExportSpec(model="teacher", format=proto.ExportFormat.EXPORT_FORMAT_ONNX, path="/out"))
    result = client.jobs.submit(spec).wait(progress=False)
    assert isinstance(result, ExportResult)
    assert (result.path, result.files[0].size_bytes) == ("/out", 3)


def test_a_deadline_on_single_calls_is_a_timeout_error(server: FakeServer) -> None:
    server.load_seconds = 0.5
    with athanor.connect(server.target, timeout=0.1) as client, pytest.raises(errors.DeadlineExceeded) as caught:
        client.models.load("teacher")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


def test_no_server_is_unavailable_and_says_where() -> None:
    with athanor.connect("127.0.0.1:1") as client:
        with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1: no athanor server answers") as caught:
            client.models.list()
        assert isinstance(caught.value, ConnectionError)
        with pytest.raises(errors.Unavailable, match=r"no server answered within 0\.1 s"):
            client.wait_until_ready(0.1)


def test_the_generated_code_agrees_with_the_protos() -> None:
    here = Path(__file__).resolve().parent.parent
    if not (here.parent.parent / "proto").is_dir():
        pytest.skip("the proto files are not here (installed without the repository)")
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed (the `dev` extra)")
    pytest.importorskip("mypy_protobuf", reason="mypy-protobuf is not installed (the `dev` extra)")
    checked = subprocess.run([sys.executable, str(here / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("works", [True, False], ids=["with a working disk", "with a full disk"])
def test_the_quickstart_example_runs(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], works: bool
) -> None:
    example = Path(__file__).resolve().parent.parent / "examples" / "quickstart.py"
    server.export_chunks = [model_pb2.FileChunk(file_name="config.json", data=b"{}", file_size_bytes=2)]
    server.export_error = not works
    out = tmp_path / "out"
    arguments = ["/models/m", "train.txt", "held-out.txt", "--server", server.target, "--steps", "3", "--out", str(out)]
    monkeypatch.setattr("sys.argv", [str(example), *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(example), run_name="__main__")
    printed = capsys.readouterr()
    assert "The city ofOnce upon" in printed.out
    if works:
        assert ended.value.code == 0
        assert f"exported to {out}" in printed.out
    else:
        assert ended.value.code == 1
        assert "[disk_full]" in printed.err


def test_models_are_promoted_rolled_back_and_listed(client: athanor.Client, server: FakeServer) -> None:
    promoted = client.models.promote("live", "half@2", max_loss_increase=0.06, min_top1_agreement=0.9)
    assert (promoted.alias, promoted.model, promoted.sequence) == ("live", "half@2", 1)
    assert isinstance(server.last_request, model_pb2.ModelServicePromoteRequest)
    assert server.last_request.thresholds.max_loss_increase == 0.06
    assert not server.last_request.thresholds.HasField("min_accuracy")
    client.models.promote("live", "half")
    assert not server.last_request.HasField("thresholds")
    assert client.models.roll_back("live", 4).rollback_to == 4
    assert [(one.alias, one.figures) for one in client.models.promotions()] == [("a", {"loss": 1.5})]
