# Folders on the client's side: read in chunks for an upload, written whole or not at all for an export.
from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from ._gen.v1.model_pb2 import FileChunk, ModelServiceImportUploadRequest, UploadHeader
from .errors import BadModel, DataLoss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

CHUNK_BYTES = 1 << 20

# What a Hugging Face folder needs to hold; READMEs, pickles and other formats stay at home.
_UPLOADED = ("*.json", "*.safetensors", "merges.txt", "vocab.txt")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def upload_parts(folder: Path, name: str, replace: bool) -> Iterator[ModelServiceImportUploadRequest]:
    """Yields the header and then every file in chunks; each file's size is read when its turn comes."""
    paths = files_to_upload(folder)
    yield ModelServiceImportUploadRequest(header=UploadHeader(name=name, replace=replace))
    for path in paths:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = 0
            while True:
                data = file.read(min(CHUNK_BYTES, size - offset))
                if not data and offset < size:
                    raise BadModel(
                        f"[bad_data] {path}: the file shrank while it was sent ({offset} of {size} bytes).",
                        code="bad_data",
                    )
                chunk = FileChunk(file_name=path.name, offset_bytes=offset, data=data, file_size_bytes=size)
                yield ModelServiceImportUploadRequest(chunk=chunk)
                offset += len(data)
                if offset >= size:
                    break


def files_to_upload(folder: Path) -> list[Path]:
    """The files of a Hugging Face folder; raises for a missing folder, and for one with pickled weights only."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder on this machine; for a folder on the server use models.import_()")
    names = {path for pattern in _UPLOADED for path in folder.glob(pattern) if path.is_file()}
    if not any(path.suffix == ".safetensors" for path in names):
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        if pickles:
            raise BadModel(
                f"[pickle_refused] {folder}: {pickles[0]} is a pickle, which can run code when it is read, and there is no"
                " .safetensors file. Convert the checkpoint to safetensors.",
                code="pickle_refused",
            )
    # The config first, so that a server which refuses it does so before the weights travel.
    return sorted(names, key=lambda path: (path.name != "config.json", path.suffix == ".safetensors", path.name))


class FolderWriter:
    """Receives the chunks of an export into a temporary folder beside `target`, which `finish` renames into place.

    Until `finish` there is nothing at `target`; leaving the context without it removes all that was received.
    """

    def __init__(self, target: Path, overwrite: bool) -> None:
        self.target = target.absolute()
        self._overwrite = overwrite
        self._file: BinaryIO | None = None
        self._file_name = ""
        self._written = 0
        self._size = 0
        self._complete: set[str] = set()
        self._check_target()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=".partial", dir=self.target.parent))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def write(self, chunk: FileChunk) -> None:
        """Adds one chunk; raises DataLoss when it leaves the folder, or when the chunks have a gap."""
        if chunk.file_name != self._file_name or self._file is None:
            self._open(chunk)
        if chunk.offset_bytes != self._written or chunk.file_size_bytes != self._size:
            raise DataLoss(
                f'[bad_artefact] export "{chunk.file_name}": a chunk starts at byte {chunk.offset_bytes} of {chunk.file_size_bytes},'
                f" {self._written} of {self._size} were received. Export again."
            )
        if self._written + len(chunk.data) > self._size:
            raise DataLoss(f'[bad_artefact] export "{chunk.file_name}": more than its {self._size} bytes were sent. Export again.')
        if self._file is not None:
            self._file.write(chunk.data)
        self._written += len(chunk.data)

    def finish(self) -> Path:
        """Checks that the last file is whole, and puts the folder in its place."""
        self._close_file()
        if not self._complete:
            raise DataLoss(f'[bad_artefact] export to "{self.target}": the server sent no file. Export again.')
        self._check_target()
        # mkdtemp's folder is for the owner alone; the export gets what the user's umask gives any new folder.
        umask = os.umask(0)
        os.umask(umask)
        self._scratch.chmod(0o777 & ~umask)
        if self.target.is_dir():
            old = self._scratch.with_name(f"{self._scratch.name}.old")
            self.target.rename(old)
            try:
                self._scratch.rename(self.target)
            except OSError:
                old.rename(self.target)
                raise
            shutil.rmtree(old)
        else:
            self._scratch.rename(self.target)
        return self.target

    def close(self) -> None:
        """Removes what was received, unless `finish` has put it in place."""
        if self._file is not None:
            self._file.close()
            self._file = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _check_target(self) -> None:
        if not self.target.exists():
            return
        if not self.target.is_dir():
            raise FileExistsError(f"{self.target} exists and is no folder")
        if not self._overwrite and any(self.target.iterdir()):
            raise FileExistsError(f"{self.target} is not empty; choose another folder, or pass overwrite=True")

    def _open(self, chunk: FileChunk) -> None:
        self._close_file()
        if chunk.file_name in self._complete:
            raise DataLoss(f'[bad_artefact] export "{chunk.file_name}": the file was sent twice. Export again.')
        path = self._scratch / safe_relative_path(chunk.file_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb")
        self._file_name, self._written, self._size = chunk.file_name, 0, chunk.file_size_bytes

    def _close_file(self) -> None:
        if self._file is None:
            return
        if self._written != self._size:
            raise DataLoss(f'[bad_artefact] export "{self._file_name}": {self._written} of {self._size} bytes were received. Export again.')
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._complete.add(self._file_name)


def safe_relative_path(name: str) -> PurePosixPath:
    """The path of a file inside the folder; raises DataLoss for a name that would leave it on any operating system."""
    path = PurePosixPath(name)
    parts = name.split("/")
    if path.is_absolute() or "\\" in name or ":" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise DataLoss(
            f'[unsafe_file_name] export: the server sent a file named "{name}", which would lie outside the folder.'
            " Nothing was written; do not trust this server.",
            code="unsafe_file_name",
            details={"fileName": name},
        )
    return path
