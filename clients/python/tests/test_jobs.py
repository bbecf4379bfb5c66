# Events over dropped connections, waiting with a bar, errors and cancelling.
from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc
import pytest

import athanor
from athanor import errors
from athanor._gen.v1 import job_pb2 as wire
from athanor.types import CompressResult, JobState
from cuttable_proxy import CuttableProxy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from athanor.types import CompressResult as Result
    from athanor.types import JobEvent
    from fake_server import FakeJob, FakeServer

HALF = {"steps": [{"lowRank": {"ratio": 0.5}}]}


def sequences(events: Iterable[JobEvent]) -> list[int]:
    return [event.sequence for event in events]


def started(client: athanor.Client, server: FakeServer) -> tuple[athanor.Job[Result], FakeJob]:
    server.hold_jobs = True
    job = client.compress("teacher", name="half", recipe=HALF)
    return job, server.jobs[job.id]


def test_events_come_in_order_and_end_with_the_job(client: athanor.Client) -> None:
    events = list(client.compress("teacher", name="half", recipe=HALF).events())
    assert sequences(events) == [1, 2, 3, 4, 5, 6, 7]
    assert [event.state for event in events if event.state] == [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED]
    progress = events[2].progress
    assert progress is not None
    assert (progress.phase, progress.step, progress.total, progress.eta_ms, progress.item) == ("low rank", 1, 3, 5.0, "h.1")
    assert progress.metrics["loss"] == 1.0
    assert isinstance(events[5].result, CompressResult)


def test_events_start_where_they_are_asked_to(client: athanor.Client) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    assert sequences(job.events(from_sequence=5)) == [5, 6, 7]
    assert sequences(client.jobs.watch(job.id, 6)) == [6, 7]


def test_events_after_the_end_of_an_ended_job_are_none(client: athanor.Client) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    assert sequences(job.events(from_sequence=99)) == []


@pytest.mark.parametrize("how", ["cut", "broken", "end"])
def test_every_event_comes_exactly_once_over_dropped_connections(client: athanor.Client, server: FakeServer, how: str) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    server.interruptions = [(2, how), (0, how), (3, how)]
    assert sequences(job.events()) == [1, 2, 3, 4, 5, 6, 7]
    assert server.watches == [1, 3, 3, 6]


def test_events_that_a_server_sends_again_are_left_out(client: athanor.Client, server: FakeServer) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    server.repeat_before = 2
    server.interruptions = [(4, "cut")]
    assert sequences(job.events()) == [1, 2, 3, 4, 5, 6, 7]


def test_sequence_numbers_may_have_gaps(client: athanor.Client, server: FakeServer) -> None:
    job, fake = started(client, server)
    fake.add(progress=wire.JobProgress(phase="p", step=9, total=9), skip=7)
    fake.succeed(server.result_of(fake))
    server.interruptions = [(2, "cut")]
    assert sequences(job.events()) == [1, 9, 10, 11]
    assert server.watches == [1, 10]


def test_events_survive_a_server_that_is_away_for_a_while(server: FakeServer) -> None:
    with athanor.connect(server.target, reconnect_seconds=20) as client:
        job = client.compress("teacher", name="half", recipe=HALF)
        events = job.events()
        assert next(events).sequence == 1
        server.interruptions = [(0, "cut")] * 4
        assert sequences(events) == [2, 3, 4, 5, 6, 7]


def test_gives_up_when_the_server_stays_away(server: FakeServer) -> None:
    with athanor.connect(server.target, reconnect_seconds=0.2) as client:
        job = client.compress("teacher", name="half", recipe=HALF)
        server.interruptions = [(1, "cut")] + [(0, "cut")] * 50
        with pytest.raises(errors.Unavailable):
            list(job.events())
        assert len(server.watches) > 2
        server.interruptions = []
        assert sequences(job.events(from_sequence=99)) == []


def test_an_error_of_the_server_is_not_taken_for_a_dropped_connection(client: athanor.Client, server: FakeServer) -> None:
    with pytest.raises(errors.JobNotFound):
        list(client.jobs.watch("nobody"))
    assert server.watches == []


def test_leaving_the_events_leaves_the_job_alone(client: athanor.Client, server: FakeServer) -> None:
    job, fake = started(client, server)
    for _ in job.events():
        break
    fake.work()
    fake.succeed(server.result_of(fake))
    assert job.wait(progress=False).model.name == "half"


def test_wait_draws_a_bar_with_loss_and_error(client: athanor.Client, server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    job, fake = started(client, server)
    fake.work(steps=3)
    fake.work(steps=2, phase="distill")
    fake.succeed(server.result_of(fake))
    assert job.wait().changes[0].relative_error == 0.125
    shown = capsys.readouterr().err
    assert "low rank" in shown
    assert "3/3" in shown
    assert "distill" in shown
    assert "2/2" in shown
    assert "loss=0.5, error=0.125, memory=2.00kB, h.2" in shown


def test_the_bar_of_a_busy_job_is_drawn_seldom_and_never_mixes_phases(
    client: athanor.Client, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job, fake = started(client, server)
    fake.work(steps=400)
    fake.work(steps=7, phase="distill")
    fake.succeed(server.result_of(fake))
    job.wait()
    drawn = capsys.readouterr().err.split("\r")
    assert len(drawn) < 200
    assert any("400/400" in line for line in drawn)
    assert [line for line in drawn if "low rank" in line and "/7" in line] == []
    assert [line for line in drawn if "distill" in line and "/400" in line] == []


def test_wait_without_progress_is_silent(client: athanor.Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.compress("teacher", name="half", recipe=HALF).wait(progress=False)
    assert capsys.readouterr().err == ""


def test_wait_over_a_dropped_connection_and_again_afterwards(client: athanor.Client, server: FakeServer) -> None:
    job = client.compress("teacher", name="half", recipe=HALF)
    server.interruptions = [(3, "cut")]
    first = job.wait(progress=False)
    assert job.wait(progress=False) is first
    assert len(server.watches) == 2


def test_wait_raises_the_jobs_error_with_its_code(client: athanor.Client, server: FakeServer) -> None:
    job, fake = started(client, server)
    fake.fail("diverged", "distill: the loss is NaN at step 3. Lower the learning rate.")
    with pytest.raises(errors.Aborted) as caught:
        job.wait(progress=False)
    assert caught.value.code == "diverged"
    assert caught.value.status is grpc.StatusCode.ABORTED
    assert caught.value.details == {"place": "test"}
    assert str(caught.value) == "[diverged] distill: the loss is NaN at step 3. Lower the learning rate."
    status = job.status()
    assert status.state is JobState.FAILED
    assert isinstance(status.error, errors.Aborted)


def test_cancel_stops_the_job_and_wait_raises_cancelled(client: athanor.Client, server: FakeServer) -> None:
    job, _ = started(client, server)
    timer = threading.Timer(0.1, job.cancel)
    timer.start()
    with pytest.raises(errors.Cancelled):
        job.wait(progress=False)
    timer.join()
    assert job.cancel().state is JobState.CANCELLED


def test_wait_stops_waiting_at_its_timeout_and_the_job_goes_on(client: athanor.Client, server: FakeServer) -> None:
    job, fake = started(client, server)
    with pytest.raises(errors.DeadlineExceeded, match=f'job "{job.id}": it has not ended in the time allowed'):
        job.wait(progress=False, timeout=0.2)
    fake.succeed(server.result_of(fake))
    assert job.wait(progress=False).model.name == "half"


def test_events_come_exactly_once_when_the_network_cuts_the_connection(server: FakeServer) -> None:
    with CuttableProxy(server.target) as proxy, athanor.connect(proxy.target, reconnect_seconds=10) as client:
        job, fake = started(client, server)
        seen = []
        for event in job.events():
            seen.append(event.sequence)
            if event.sequence in (1, 3, 5):
                proxy.cut()
                if event.sequence == 1:
                    fake.work()
                if event.sequence == 5:
                    fake.succeed(server.result_of(fake))
        assert seen == [1, 2, 3, 4, 5, 6, 7]
        assert proxy.connections > 1
