# Uploads in chunks, and exports that appear whole or not at all.
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from athanor import errors
from athanor._gen.v1 import model_pb2 as wire

if TYPE_CHECKING:
    from pathlib import Path

    import athanor
    from fake_server import FakeServer

MIB = 1 << 20


def chunk(name: str, data: bytes, offset: int = 0, size: int | None = None) -> wire.FileChunk:
    return wire.FileChunk(file_name=name, offset_bytes=offset, data=data, file_size_bytes=len(data) if size is None else size)


def test_upload_sends_the_header_and_then_every_file_in_chunks(client: athanor.Client, server: FakeServer, tmp_path: Path) -> None:
    weights = bytes(range(256)) * (10 * 1024) + b"end"  # 2.5 MiB and a bit
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    (tmp_path / "README.md").write_text("stays at home")
    (tmp_path / "pytorch_model.bin").write_text("stays at home")
    assert client.models.upload(tmp_path, name="mine", replace=True).name == "mine"
    header, *parts = server.uploads
    assert (header.header.name, header.header.replace) == ("mine", True)
    chunks = [part.chunk for part in parts]
    assert [(item.file_name, item.offset_bytes, item.file_size_bytes) for item in chunks] == [
        ("config.json", 0, 2),
        ("merges.txt", 0, 0),
        ("model.safetensors", 0, len(weights)),
        ("model.safetensors", MIB, len(weights)),
        ("model.safetensors", 2 * MIB, len(weights)),
    ]
    assert b"".join(item.data for item in chunks[2:]) == weights


def test_upload_refuses_a_missing_folder_and_pickles(client: athanor.Client, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"for a folder on the server use models.import_"):
        client.models.upload(tmp_path / "none", name="mine")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("")
    with pytest.raises(errors.BadModel, match=r"pytorch_model.bin is a pickle") as caught:
        client.models.upload(tmp_path, name="mine")
    assert caught.value.code == "pickle_refused"


def test_upload_raises_what_the_server_refuses(client: athanor.Client, tmp_path: Path) -> None:
    (tmp_path / "refused.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x" * (5 * MIB))
    with pytest.raises(errors.BadModel, match=r"refused.json: no"):
        client.models.upload(tmp_path, name="mine")


def test_export_writes_the_files_of_all_folders(client: athanor.Client, server: FakeServer, tmp_path: Path) -> None:
    server.export_chunks = [
        chunk("config.json", b"{}"),
        chunk("model.safetensors", b"abc", 0, 5),
        chunk("model.safetensors", b"de", 3, 5),
        chunk("onnx/empty", b""),
    ]
    target = tmp_path / "new" / "out"
    assert client.models.export("teacher", target, format="onnx") == target
    written = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert written == {"config.json": b"{}", "model.safetensors": b"abcde", "onnx/empty": b""}
    assert server.last_request.format == wire.EXPORT_FORMAT_ONNX  # type: ignore[attr-defined]
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    assert target.stat().st_mode & 0o700 == 0o700


def test_an_export_that_fails_half_way_leaves_nothing(client: athanor.Client, server: FakeServer, tmp_path: Path) -> None:
    server.export_chunks = [chunk("config.json", b"{}")]
    server.export_error = True
    with pytest.raises(errors.ResourceExhausted) as caught:
        client.models.export("teacher", tmp_path / "out")
    assert caught.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk("a", b"abc", 0, 5)],
        [chunk("a", b"abc", 0, 5), chunk("b", b"x")],
        [chunk("a", b"abc", 0, 5), chunk("a", b"e", 4, 5)],
        [chunk("a", b"abc", 1, 5)],
        [chunk("a", b"abc", 0, 2)],
        [chunk("a", b"abc", 0, 5), chunk("a", b"de", 3, 6)],
        [chunk("a", b"a"), chunk("b", b"b"), chunk("a", b"a")],
        [],
    ],
    ids=["short", "short before the next", "gap", "late start", "too long", "other size", "twice", "no file"],
)
def test_chunks_that_do_not_fit_together_leave_nothing(
    client: athanor.Client, server: FakeServer, tmp_path: Path, chunks: list[wire.FileChunk]
) -> None:
    server.export_chunks = chunks
    with pytest.raises(errors.DataLoss, match="Export again"):
        client.models.export("teacher", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil", "C:evil", "", ".", "a//b", "a/", "x\0y"])
def test_a_file_name_that_leaves_the_folder_is_refused(client: athanor.Client, server: FakeServer, tmp_path: Path, name: str) -> None:
    server.export_chunks = [chunk("config.json", b"{}"), chunk(name, b"evil")]
    with pytest.raises(errors.DataLoss) as caught:
        client.models.export("teacher", tmp_path / "in" / "out")
    assert caught.value.code == "unsafe_file_name"
    assert list(tmp_path.rglob("*")) == [tmp_path / "in"]


def test_export_keeps_a_folder_with_files_unless_told_otherwise(client: athanor.Client, server: FakeServer, tmp_path: Path) -> None:
    server.export_chunks = [chunk("config.json", b"{}")]
    target = tmp_path / "out"
    target.mkdir()
    client.models.export("teacher", target)  # an empty folder is no obstacle
    with pytest.raises(FileExistsError, match="overwrite=True"):
        client.models.export("teacher", target)
    (target / "old").write_text("old")
    client.models.export("teacher", target, overwrite=True)
    assert [path.name for path in target.iterdir()] == ["config.json"]
    assert list(tmp_path.iterdir()) == [target]
    server.export_error = True
    with pytest.raises(errors.ResourceExhausted):
        client.models.export("teacher", target, overwrite=True)
    assert [path.name for path in target.iterdir()] == ["config.json"]
    with pytest.raises(FileExistsError, match="no folder"):
        client.models.export("teacher", target / "config.json")


def test_export_names_the_layouts_there_are(client: athanor.Client, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgument, match=r'"gguf" is not a layout; there are: hf, onnx'):
        client.models.export("teacher", tmp_path / "out", format="gguf")
