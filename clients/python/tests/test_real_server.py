# The main job against the real server, started on loopback with a store of its own.
from __future__ import annotations

import hashlib
import json
import queue
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

import athanor
from athanor import errors
from athanor.types import HealthStatus, JobState
from cuttable_proxy import CuttableProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]
COMMAND = ROOT / "src" / "cli" / "athanor.js"
MODEL = ROOT / "test" / "fixtures" / "models" / "wiki-gpt2-7m"
TRAIN_TEXT = ROOT / "test" / "fixtures" / "text" / "distill.txt"
HELD_OUT_TEXT = ROOT / "test" / "fixtures" / "text" / "evaluate.txt"

START_SECONDS = 60.0
SHORT = {"batch_size": 2, "sequence_length": 32}


def why_not() -> str:
    """Why the server cannot be started here; empty when it can."""
    if shutil.which("node") is None:
        return "node is not installed"
    for path in (COMMAND, ROOT / "src" / "main.ts", ROOT / "node_modules" / "tsx", MODEL, TRAIN_TEXT, HELD_OUT_TEXT):
        if not path.exists():
            return f"{path.relative_to(ROOT)} is not there"
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"the real server cannot start: {why_not()}")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("store")) as address:
        yield address


@contextmanager
def serving(store: Path, *options: str) -> Iterator[str]:
    """A real server for the length of the block."""
    command = ["node", str(COMMAND), "serve", "--listen", "127.0.0.1:0", "--store", str(store), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        yield printed_address(process, process.stdout)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def printed_address(process: subprocess.Popen[str], output: IO[str]) -> str:
    """Reads the server's words until it says where it listens, and goes on reading so that it never blocks on a full pipe."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in output:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    said = ""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            said += lines.get(timeout=0.2)
        except queue.Empty:
            if process.poll() is not None:
                pytest.fail(f"the server ended with {process.returncode}:\n{said}")
            continue
        found = re.search(r"athanor serves .* on (127\.0\.0\.1:\d+)\n", said)
        if found:
            return found.group(1)
    raise AssertionError(f"the server named no address in {START_SECONDS:g} s:\n{said}")


@pytest.fixture
def client(target: str) -> Iterator[athanor.Client]:
    with athanor.connect(target) as connected:
        connected.wait_until_ready(30)
        yield connected


def test_import_compress_distill_evaluate_generate_score_and_export(client: athanor.Client, tmp_path: Path) -> None:
    assert client.health() is HealthStatus.SERVING

    teacher = client.models.import_(MODEL, name="teacher")
    assert (teacher.architecture, teacher.logical_parameters) == ("gpt2", 6_967_296)

    recipe = {"steps": [{"lowRank": {"ratio": 0.5, "method": "whitened"}}]}
    compressed = client.compress(
        "teacher", name="half", recipe=recipe, data=TRAIN_TEXT, calibration={"sequences": 16, "sequence_length": 64}
    )
    made = compressed.wait(progress=False)
    assert made.model.name == "half"
    assert made.model.stored_bytes < teacher.stored_bytes or made.model.stored_parameters < teacher.stored_parameters
    assert made.changes
    assert all(change.parametrization == "lowRank" and 0 < change.relative_error < 1 for change in made.changes)
    assert [step.method for step in made.steps] == ["lowRank"]
    assert made.verification is not None
    assert made.verification.max_relative_difference <= made.verification.tolerance
    assert made.memory is not None
    assert 0 < made.memory.peak_bytes < made.memory.limit_bytes
    assert {parameter.parametrization for parameter in client.models.get("half").parameters} == {"dense", "lowRank"}

    job = client.distill("half", teacher="teacher", data=TRAIN_TEXT, name="distilled", steps=4, **SHORT)  # type: ignore[arg-type]
    events = list(job.events())
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
    assert events[0].state is JobState.QUEUED
    assert events[-1].state is JobState.SUCCEEDED
    assert any(event.progress and "loss" in event.progress.metrics for event in events)
    trained = job.wait(progress=False)
    assert (trained.model.name, trained.steps) == ("distilled", 4)

    held_out = athanor.inline_text(HELD_OUT_TEXT.read_text(encoding="utf-8")[:4000])
    report = client.evaluate("distilled", teacher="teacher", data=held_out, window=64, latency=False).wait(progress=False)
    assert report.scored_tokens > 0
    assert report.teacher_bits_per_byte is not None
    assert 0 < report.teacher_bits_per_byte < report.bits_per_byte < 8
    assert report.top1_agreement is not None
    assert 0 < report.top1_agreement < 1

    prompt = "The city of"
    greedy = client.generate("distilled", prompt, max_tokens=8)
    text = greedy.text()
    assert len(greedy.token_ids) <= 8
    assert greedy.usage is not None
    assert client.generate("distilled", client.tokenize("distilled", prompt), max_tokens=8).text() == text
    drawn = [client.generate("teacher", prompt, max_tokens=8, temperature=1, top_k=40, seed=7).text() for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert client.detokenize("teacher", client.tokenize("teacher", "Grüße, 世界")) == "Grüße, 世界"

    continuation = client.generate("teacher", prompt, max_tokens=1).text()
    likely, unlikely = client.score("teacher", [(prompt, continuation), (prompt, " xylophone")])
    assert likely.is_greedy
    assert not unlikely.is_greedy
    assert unlikely.log_likelihood < likely.log_likelihood < 0

    named = client.generate("teacher", prompt, max_tokens=4, logprobs=2, prompt_logprobs=0)
    named.text()
    ids = client.tokenize("teacher", prompt)
    assert [token.id for token in named.prompt_logprobs] == ids
    assert all(token.top[0].id == token.id and len(token.top) == 2 for token in named.logprobs)
    (score,) = client.score("teacher", [(ids, named.token_ids)])
    assert score.is_greedy
    assert score.log_likelihood == pytest.approx(sum(token.logprob or 0 for token in named.logprobs), abs=1e-3)
    several = client.generate("teacher", prompt, max_tokens=6, temperature=1, n=3, best_of=4, seed=3)
    assert len(set(several.texts())) > 1
    assert [one.finish_reason is not None for one in several.continuations] == [True] * 3

    folder = client.models.export("distilled", tmp_path / "hf")
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    again = client.models.upload(folder, name="again")
    assert again.logical_parameters == trained.model.logical_parameters
    assert client.generate("again", prompt, max_tokens=8).text() == text

    onnx = client.models.export("distilled", tmp_path / "onnx", format="onnx")
    assert any(path.suffix == ".onnx" for path in onnx.iterdir())

    assert {"again", "distilled", "half", "teacher"} <= {model.name for model in client.models.list()}
    client.models.unload("again")
    client.models.delete("again")
    with pytest.raises(errors.ModelNotFound):
        client.models.get("again")
    assert client.jobs.get(job.id).status().state is JobState.SUCCEEDED


def test_a_job_is_followed_over_cut_connections_and_cancelled(target: str, client: athanor.Client) -> None:
    client.models.import_(MODEL, name="cut")
    with CuttableProxy(target) as proxy, athanor.connect(proxy.target, reconnect_seconds=20) as cut:
        job = cut.distill("cut", data=TRAIN_TEXT, name="endless", steps=100_000, **SHORT)  # type: ignore[arg-type]
        seen = []
        progress = 0
        for event in job.events(timeout=120):
            seen.append(event.sequence)
            progress += event.progress is not None
            if progress in (1, 3):
                proxy.cut()
            if progress == 5:
                break
        assert seen == sorted(set(seen))
        assert proxy.connections > 1
    same = client.jobs.get(job.id)
    same.cancel()
    with pytest.raises(errors.Cancelled):
        same.wait(progress=False, timeout=30)
    assert same.status().state is JobState.CANCELLED


def test_a_job_is_paused_resumed_tried_again_and_forgotten(client: athanor.Client) -> None:
    job = client.distill(
        "teacher", name="put-aside", data=[TRAIN_TEXT], steps=100_000, batch_size=2, sequence_length=32, checkpoint_every=0
    )
    for event in job.events():
        if event.progress is not None and event.progress.metrics.get("loss"):
            break
    with pytest.raises(errors.FailedPrecondition):
        job.forget()
    assert job.pause().state in {JobState.RUNNING, JobState.PAUSED}
    wait_for(lambda: job.status().state is JobState.PAUSED)
    assert job.resume().state is JobState.QUEUED
    wait_for(lambda: job.status().state is JobState.RUNNING)
    job.cancel()
    wait_for(lambda: job.status().state is JobState.CANCELLED)
    again = job.retry()
    assert again.status().retry_of == job.id
    with pytest.raises(errors.FailedPrecondition):
        again.retry()
    again.cancel()
    wait_for(lambda: again.status().state is JobState.CANCELLED)
    again.forget()
    with pytest.raises(errors.JobNotFound):
        again.status()


def test_a_token_opens_what_its_role_may_do(tmp_path: Path) -> None:
    token = "athanor_for-this-test-alone"
    principals = tmp_path / "principals.json"
    digest = hashlib.sha256(token.encode()).hexdigest()
    principals.write_text(json.dumps({"principals": [{"name": "reader", "role": "read", "tokens": [digest]}]}))
    with serving(tmp_path / "store", "--principals", str(principals)) as address:
        with athanor.connect(address) as stranger, pytest.raises(errors.Unauthenticated):
            stranger.models.list()
        with athanor.connect(address, token=token) as reader:
            assert reader.models.list() == []
            with pytest.raises(errors.PermissionDenied):
                reader.models.delete("anything")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_errors_of_the_real_server_have_their_classes(client: athanor.Client) -> None:
    with pytest.raises(errors.ModelNotFound) as caught:
        client.models.get("nobody")
    assert caught.value.code == "model_not_found"
    assert str(caught.value).startswith("[model_not_found] ")
    with pytest.raises(errors.NotFound):
        client.models.import_(ROOT / "no-such-folder", name="none")
    with pytest.raises(errors.JobNotFound):
        client.jobs.get("nobody")
    with pytest.raises(errors.ModelNotFound):
        client.compress("nobody", name="x", recipe={"steps": [{"lowRank": {"ratio": 0.5}}]}).wait(progress=False)
    with pytest.raises(errors.InvalidArgument):
        client.compress("teacher", name="x", recipe={"steps": [{"lowRank": {"ratio": 2}}]}).wait(progress=False)


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        (
            lambda c, _: c.compress("bad", name="x", recipe={"steps": [{"lowRank": {"rank": 100_000}}]}).wait(progress=False),
            "rank_out_of_range",
            "100000",
        ),
        (
            lambda c, _: c.compress("bad", name="x", recipe={"steps": [{"lowRank": {"ratio": float("nan")}}]}).wait(progress=False),
            "bad_recipe",
            "ratio",
        ),
        (
            lambda c, _: c.compress("bad", name="x", recipe={"steps": [{"lowRank": {"ratoi": 0.5}}]}).wait(progress=False),
            "bad_recipe",
            "ratoi",
        ),
        (
            lambda c, _: c.compress("bad", name="../x", recipe={"steps": [{"lowRank": {"ratio": 0.5}}]}).wait(progress=False),
            "bad_name",
            "../x",
        ),
        (lambda c, tmp: c.distill("bad", data=written(tmp / "empty.txt", b"")).wait(progress=False), "empty_data", "empty.txt"),
        (lambda c, tmp: c.evaluate("bad", data=written(tmp / "latin.txt", b"caf\xe9 ")).wait(progress=False), "bad_encoding", "byte 3"),
        (lambda c, tmp: c.evaluate("bad", data=written(tmp / "rows.jsonl", b'{"a": "b"}\n')).wait(progress=False), "bad_data", "row 1"),
        (lambda c, _: c.evaluate("bad", data="nowhere.txt").wait(progress=False), "file_not_found", "nowhere.txt"),
        (lambda c, _: c.generate("bad", "The", temperature=-1).text(), "invalid_argument", "temperature"),
        (lambda c, _: c.generate("bad", "The city " * 2000).text(), "context_too_long", "512"),
        (lambda c, _: c.tokenize("bad", "x" * (9 << 20)), "message_too_large", "larger than"),
        (lambda c, tmp: c.models.upload(damaged(tmp / "cut"), name="x"), "bad_safetensors", "cut short"),
        (lambda c, _: c.jobs.get("distill-0").cancel(), "job_not_found", "distill-0"),
    ],
)
def test_bad_input_has_a_named_error_and_the_server_goes_on(
    client: athanor.Client, tmp_path: Path, call: Callable[[athanor.Client, Path], object], code: str, words: str
) -> None:
    client.models.import_(MODEL, name="bad", replace=True)
    with pytest.raises(athanor.AthanorError) as caught:
        call(client, tmp_path)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "x" not in {model.name for model in client.models.list()}
    assert client.generate("bad", "The", max_tokens=1).token_ids is not None


def test_a_port_where_nobody_listens_is_named() -> None:
    with athanor.connect("127.0.0.1:1") as nobody, pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1"):
        nobody.models.list()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def damaged(folder: Path) -> Path:
    """The model with the end of its weights cut off."""
    shutil.copytree(MODEL, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    return folder


def test_leaving_a_generation_frees_the_server(client: athanor.Client) -> None:
    client.models.import_(MODEL, name="left", replace=True)
    with client.generate("left", "The", max_tokens=400, ignore_end=True) as pieces:
        next(pieces)
    started = client.generate("left", "The", max_tokens=2).text()
    assert started


async def test_the_asyncio_client_against_the_real_server(target: str) -> None:
    async with athanor.connect_async(target) as client:
        await client.models.import_(MODEL, name="async", replace=True)
        job = await client.compress("async", name="async-half", recipe={"steps": [{"lowRank": {"rank": 8}}]}, replace=True)
        assert [event.state async for event in job.events() if event.state][-1] is JobState.SUCCEEDED
        assert (await job.wait(progress=False)).changes
        assert await client.generate("async-half", "The", max_tokens=4).text() is not None
