# The asyncio twin: the same calls, and what is its own (cancelled tasks, calls side by side).
from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

import athanor
from athanor import aio, client, errors
from athanor._gen.v1 import model_pb2 as wire
from athanor.types import FinishReason, HealthStatus, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from fake_server import FakeServer

HALF = {"steps": [{"lowRank": {"ratio": 0.5}}]}


@pytest.mark.parametrize(
    ("sync_class", "async_class"),
    [
        (client.Client, aio.AsyncClient),
        (client.Models, aio.AsyncModels),
        (client.Jobs, aio.AsyncJobs),
        (client.Job, aio.AsyncJob),
    ],
)
def test_the_twins_have_the_same_calls_with_the_same_arguments(sync_class: type, async_class: type) -> None:
    def calls(cls: type) -> dict[str, list[str]]:
        members = inspect.getmembers(cls, inspect.isfunction)
        return {name: [str(p) for p in _parameters(member)] for name, member in members if not name.startswith("_")}

    assert calls(sync_class) == calls(async_class)


def _parameters(function: object) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]


async def test_models(async_client: athanor.AsyncClient, server: FakeServer, tmp_path: Path) -> None:
    stored = await async_client.models.import_("/m", name="small")
    assert stored.name == "small"
    assert [model.name for model in await async_client.models.list()] == ["teacher", "small"]
    assert (await async_client.models.load("small")).loaded
    assert (await async_client.models.get("small")).resident_bytes == 4096
    assert await async_client.models.unload("small") == 4096
    await async_client.models.delete("small")
    with pytest.raises(errors.ModelNotFound):
        await async_client.models.get("small")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    assert (await async_client.models.upload(tmp_path, name="mine")).name == "mine"
    assert [part.chunk.data for part in server.uploads[1:]] == [b"{}", b"abc"]
    with pytest.raises(NotADirectoryError):
        await async_client.models.upload(tmp_path / "none", name="mine")


async def test_export(async_client: athanor.AsyncClient, server: FakeServer, tmp_path: Path) -> None:
    server.export_chunks = [wire.FileChunk(file_name="config.json", data=b"{}", file_size_bytes=2)]
    assert await async_client.models.export("teacher", tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "config.json").read_bytes() == b"{}"
    server.export_error = True
    with pytest.raises(errors.ResourceExhausted):
        await async_client.models.export("teacher", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


async def test_jobs(async_client: athanor.AsyncClient, server: FakeServer) -> None:
    job = await async_client.compress("teacher", name="half", recipe=HALF, calibration={"sequences": 2})
    server.interruptions = [(2, "cut"), (3, "end")]
    assert [event.sequence async for event in job.events()] == [1, 2, 3, 4, 5, 6, 7]
    assert (await job.wait(progress=False)).model.name == "half"
    assert (await (await async_client.distill("half", data="t.txt", steps=4)).wait(progress=False)).steps == 4
    assert (await (await async_client.evaluate("half", data="t.txt")).wait(progress=False)).bits_per_byte == 1.25
    assert [event.sequence async for event in async_client.jobs.watch(job.id, 6)] == [6, 7]
    assert (await (await async_client.jobs.get(job.id)).status()).state is JobState.SUCCEEDED
    assert len(await async_client.jobs.list(states=[JobState.SUCCEEDED])) == 3
    with pytest.raises(TypeError, match='did you mean "steps"'):
        await async_client.distill("half", data="t.txt", step=4)  # type: ignore[call-arg]
    with pytest.raises(errors.BadRecipe):
        await async_client.compress("teacher", name="half", recipe={"steps": [{"lowRank": {"ratio": 2}}]})


async def test_wait_draws_a_bar_cancels_and_times_out(
    async_client: athanor.AsyncClient, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job = await async_client.compress("teacher", name="half", recipe=HALF)
    await job.wait()
    assert "3/3" in capsys.readouterr().err
    server.hold_jobs = True
    held = await async_client.compress("teacher", name="half", recipe=HALF)
    with pytest.raises(errors.DeadlineExceeded):
        await held.wait(progress=False, timeout=0.2)
    waiting = asyncio.create_task(held.wait(progress=False))
    await asyncio.sleep(0.1)
    assert (await held.cancel()).state is JobState.CANCELLED
    with pytest.raises(errors.Cancelled):
        await waiting


async def test_a_cancelled_task_leaves_the_job_alone(async_client: athanor.AsyncClient, server: FakeServer) -> None:
    server.hold_jobs = True
    job = await async_client.compress("teacher", name="half", recipe=HALF)
    waiting = asyncio.create_task(job.wait(progress=False))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await job.status()).state is JobState.QUEUED


async def test_inference(async_client: athanor.AsyncClient) -> None:
    generation = async_client.generate("teacher", "There was", max_tokens=3)
    assert [piece async for piece in generation] == ["Once ", "upon"]
    assert generation.finish_reason is FinishReason.LENGTH
    assert generation.token_ids == [1, 2, 3]
    texts = await asyncio.gather(*(async_client.generate("teacher", "x").text() for _ in range(3)))
    assert texts == ["Once upon"] * 3
    several = async_client.generate("teacher", "There was", n=2, logprobs=1)
    assert [(piece.index, piece.text) async for piece in several.pieces() if piece.text] == [(0, "Once "), (1, "Once "), (0, "upon")]
    assert [one.text for one in several.continuations] == ["Once upon", "Once "]
    assert several.logprobs[0].logprob == -0.5
    assert await async_client.generate("teacher", "x", n=2).texts() == ["Once upon", "Once "]
    assert (await async_client.classify("teacher", ["x"]))[0].label == "yes"
    assert (await async_client.embed("teacher", ["abc"]))[0].tokens == 3
    assert (await async_client.fill_mask("teacher", ["[MASK]"]))[0][0][0].token == "good"
    (score,) = await async_client.score("teacher", [("", "ab")])
    assert (score.log_likelihood, score.is_greedy) == (-2.0, True)
    assert await async_client.detokenize("teacher", await async_client.tokenize("teacher", "ab")) == "ab"
    await async_client.wait_until_ready(5)
    assert await async_client.health() is HealthStatus.SERVING


@pytest.mark.parametrize("how", ["close", "cancel the task"])
async def test_leaving_generate_cancels_it_on_the_server(async_client: athanor.AsyncClient, server: FakeServer, how: str) -> None:
    server.endless_generation = True

    async def read() -> None:
        async with aclosing(async_client.generate("teacher", "x")) as pieces:
            async for _ in pieces:
                if how == "close":
                    break

    task = asyncio.create_task(read())
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.to_thread(server.generation_cancelled.wait, 5)


async def test_no_server_is_unavailable() -> None:
    async with athanor.connect_async("127.0.0.1:1") as nobody:
        with pytest.raises(errors.Unavailable, match="no athanor server answers"):
            await nobody.models.list()
        with pytest.raises(errors.Unavailable):
            await nobody.wait_until_ready(0.1)
