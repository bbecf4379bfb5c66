# How failed calls become exceptions, and how the bytes of google.rpc.Status are read.
from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from athanor import _wire, errors
from fake_server import status_details

if TYPE_CHECKING:
    import athanor

CATALOGUE = Path(__file__).resolve().parents[3] / "src" / "base" / "error-catalogue.ts"


def test_a_refused_call_carries_code_status_details_and_the_servers_message(client: athanor.Client) -> None:
    with pytest.raises(errors.BadRecipe) as caught:
        client.compress("teacher", name="half", recipe={"steps": [{"lowRank": {"ratio": 2}}]})
    error = caught.value
    assert error.code == "bad_recipe"
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details == {"field": "steps[0].lowRank.ratio"}
    assert str(error) == "[bad_recipe] recipe.steps[0].lowRank.ratio: 2 is outside (0, 1]. Choose a ratio in it."
    assert isinstance(error, errors.InvalidArgument)
    assert isinstance(error, ValueError)


def test_a_taken_name_is_already_exists(client: athanor.Client) -> None:
    with pytest.raises(errors.AlreadyExists) as caught:
        client.models.import_("/m", name="teacher")
    assert (caught.value.code, caught.value.details) == ("model_exists", {"name": "teacher"})


def test_decodes_a_status_with_its_error_info() -> None:
    found = _wire.decode_status_details(status_details(5, "[model_not_found] store: gone", "model_not_found", {"name": "é", "tries": "3"}))
    assert found == _wire.StatusDetails(5, "[model_not_found] store: gone", "model_not_found", "athanor", {"name": "é", "tries": "3"})


def test_agrees_with_googles_own_encoding() -> None:
    status_pb2 = pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed")
    details_pb2 = pytest.importorskip("google.rpc.error_details_pb2")
    status = status_pb2.Status(code=8, message="full")
    status.details.add().Pack(details_pb2.RetryInfo())
    faults = [details_pb2.BadRequest.FieldViolation(field=f"steps[{index}]", description="no") for index in range(2)]
    status.details.add().Pack(details_pb2.BadRequest(field_violations=faults))
    status.details.add().Pack(details_pb2.ErrorInfo(reason="disk_full", domain="athanor", metadata={"free": "0", "": "x" * 300}))
    violations = (("steps[0]", "no"), ("steps[1]", "no"))
    found = _wire.decode_status_details(status.SerializeToString())
    assert found == _wire.StatusDetails(8, "full", "disk_full", "athanor", {"free": "0", "": "x" * 300}, violations)


@pytest.mark.parametrize("data", [b"\x08", b"\x12\x05ab", b"\x1b", b"\x12\x01\xff", b"\x1a\x02\x12\x09", b"\xff" * 12])
def test_damaged_details_are_ignored(data: bytes) -> None:
    assert _wire.decode_status_details(data) is None


def test_the_code_in_the_message_counts_when_there_are_no_details() -> None:
    error = errors.make_error("[job_not_found] there is none", status=grpc.StatusCode.NOT_FOUND)
    assert isinstance(error, errors.JobNotFound)
    assert error.code == "job_not_found"


def test_an_unknown_code_falls_back_to_the_family_of_its_status() -> None:
    error = errors.make_error("[brand_new] ...", "brand_new", grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert type(error) is errors.ResourceExhausted
    assert error.code == "brand_new"
    assert type(errors.make_error("odd", status=grpc.StatusCode.OUT_OF_RANGE)) is errors.AthanorError


def test_every_code_of_the_servers_catalogue_has_a_class_with_its_status() -> None:
    if not CATALOGUE.is_file():
        pytest.skip("the server's sources are not here (installed without the repository)")
    entries = re.findall(r"^  (\w+): entry\(\s*'(\w+)'", CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(entries) > 30
    for code, status in entries:
        assert code in errors.BY_CODE, f"{code} is missing in errors.BY_CODE"
        assert errors.BY_CODE[code].default_status is grpc.StatusCode[status], code
    assert set(errors.BY_CODE) == {code for code, _ in entries}
