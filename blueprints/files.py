"""Files: the only place of this package that touches a disk.

Reads ``.json``, ``.yaml``, either with ``.gz``, or standard input as ``-``; writes canonical text, whole or not at
all. This file does not know what documents hold.
"""

import gzip
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.causes import NO_CAUSES
from blueprints.documents import (
    blueprint_from,
    blueprint_pieces,
    endpoints_document,
    endpoints_from,
    observation_document,
    observation_from,
    snapshot_from,
    snapshot_pieces,
)
from blueprints.endpoints import Endpoints
from blueprints.errors import InputRejectedError, Mistake
from blueprints.notation import loads
from blueprints.observation import Observation
from blueprints.quick_blueprint import quick_blueprint
from blueprints.quick_documents import quick_snapshot
from blueprints.snapshot import Snapshot
from blueprints.text import dumps

STANDARD = "-"
"""The name of standard input and output."""

MAX_BYTES = 1 << 30
"""No document is read beyond this, unpacked; a snapshot of a full rack is under 100 MB."""

_PACKED = b"\x1f\x8b"
"""How gzip data begin."""


def _rejected(name: str, message: str) -> InputRejectedError:
    return InputRejectedError(name, [Mistake("", message)])


def _unpacked(data: bytes, name: str) -> bytes:
    """Return the content of gzip *data*, without trusting how large it grows."""
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(data, MAX_BYTES)
        if reader.unconsumed_tail:
            raise _rejected(name, f"unpacks to more than {MAX_BYTES} bytes")
        if not reader.eof:
            raise _rejected(name, "the packed file is cut off")
        if reader.unused_data:
            raise _rejected(name, "something follows the packed file")
    except zlib.error as error:
        raise _rejected(name, f"not a packed file ({error})") from None
    return text


def _read_bytes(name: str) -> bytes:
    if name == STANDARD:
        if sys.stdin is None:
            raise _rejected(name, "standard input is closed")
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise _rejected(name, getattr(error, "strerror", None) or str(error)) from None


def _read_unpacked(name: str) -> bytes:
    data = _read_bytes(name)
    if data.startswith(_PACKED):
        data = _unpacked(data, name)
    if len(data) > MAX_BYTES:
        raise _rejected(name, f"larger than {MAX_BYTES} bytes")
    return data


@contextmanager
def _twice(name: str) -> Iterator[IO[bytes]]:
    """Open what *name* holds, unpacked, for reading it more than once; what is no plain file is held whole."""
    if name != STANDARD and Path(name).is_file():
        with Path(name).open("rb") as file:
            if not file.peek(2).startswith(_PACKED) and os.fstat(file.fileno()).st_size <= MAX_BYTES:
                yield file
                return
    yield BytesIO(_read_unpacked(name))


def read_text(name: str) -> str:
    """Return the text of the file *name*, unpacked; ``-`` is standard input.

    Raises:
        InputRejectedError: it cannot be read, is too large, or is not UTF-8.
    """
    return _text_of(_read_unpacked(name), name)


def _text_of(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _rejected(name, f"not UTF-8 (byte {error.start})") from None


def read_document(name: str) -> Any:
    """Return the plain data of the file *name*.

    Raises:
        InputRejectedError: see `read_text` and `blueprints.notation.loads`.
    """
    return loads(read_text(name), name)


def read_snapshot(name: str) -> Snapshot:
    """Return the snapshot in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    data = _read_unpacked(name)
    quickly = quick_snapshot(data)
    return quickly if quickly is not None else snapshot_from(loads(_text_of(data, name), name), name)


def read_blueprint(name: str, *, causes: bool = True) -> Blueprint:
    """Return the blueprint in the file *name*, its digest verified.

    Args:
        name: the file.
        causes: whether to keep what says why its entries are there. Without it a large blueprint takes a third less
            memory; it is not what its digest is made of, so it is not to be written.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    with _rejecting(name), _twice(name) as file:
        quickly = quick_blueprint(file, causes=causes)
        if quickly is not None:
            return quickly
        file.seek(0)
        data = file.read()
    read = blueprint_from(loads(_text_of(data, name), name), name)
    return read if causes else evolve(read, causes=NO_CAUSES)


def read_observation(name: str) -> Observation:
    """Return the observation in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return observation_from(read_document(name), name)


def read_endpoints(name: str) -> Endpoints:
    """Return the endpoints in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return endpoints_from(read_document(name), name)


def write_text(name: str, *texts: str) -> None:
    """Write *texts* to the file *name*; see `write_pieces`."""
    write_pieces(name, texts)


def write_pieces(name: str, texts: Iterable[str]) -> None:
    """Write *texts* one after the other to the file *name*, packed if it ends in ``.gz``.

    ``-`` is standard output, always UTF-8. The file is the old one until the new one is whole and on disk: it appears
    under its name in one step. A link is followed, and what is no file (a pipe, a device) is written to.

    Raises:
        InputRejectedError: the place cannot be written; nothing is left behind.
    """
    write_together({name: texts})


def write_together(documents: Mapping[str, Iterable[str]]) -> None:
    """Write several files, each as `write_pieces` does; none appears before all of them are whole and on disk.

    Standard output and what else is no file is written then too, before any file appears.

    Args:
        documents: by name, the texts that go one after the other.

    Raises:
        InputRejectedError: a place cannot be written; every file is the old one, and nothing is left behind.
    """
    scratches: list[tuple[str, Path, Path]] = []
    try:
        for name, texts in documents.items():
            with _rejecting(name):
                place = _file_at(name)
                if place is not None:
                    scratches.append((name, _scratch_beside(place, texts), place))
        for name, texts in documents.items():
            if all(name != written for written, _, _ in scratches):
                _write_stream(name, texts)
        for name, scratch, place in scratches:
            with _rejecting(name):
                scratch.replace(place)
    except BaseException:
        for _, scratch, _ in scratches:
            scratch.unlink(missing_ok=True)
        raise


@contextmanager
def _rejecting(name: str) -> Iterator[None]:
    """Let what the system refuses be told under the *name* of the file."""
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise _rejected(name, getattr(error, "strerror", None) or str(error)) from None


def _file_at(name: str) -> Path | None:
    """Return the file that *name* leads to, there already or not; None for what is no file."""
    if name == STANDARD:
        return None
    path = Path(name).resolve()
    return None if path.exists() and not path.is_file() else path


def _write_stream(name: str, texts: Iterable[str]) -> None:
    if name == STANDARD:
        sys.stdout.flush()
        _fill(sys.stdout.buffer, texts)
        sys.stdout.buffer.flush()
        return
    with _rejecting(name), Path(name).open("wb") as file:
        _fill(file, texts, packed=name.endswith(".gz"))


def _fill(file: IO[bytes] | gzip.GzipFile, texts: Iterable[str], *, packed: bool = False) -> None:
    if packed:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packing:
            _fill(packing, texts)
        return
    for text in texts:
        file.write(text.encode())


def _scratch_beside(path: Path, texts: Iterable[str]) -> Path:
    """Return a file beside *path* that holds *texts* and is on disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _fill(file, texts, packed=path.name.endswith(".gz"))
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o666 & ~_umask())
    except BaseException:
        scratch.unlink()
        raise
    return scratch


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_snapshot(name: str, snapshot: Snapshot) -> None:
    """Write the canonical text of *snapshot* to the file *name*; see `write_text`."""
    write_pieces(name, snapshot_pieces(snapshot))


def write_blueprint(name: str, blueprint: Blueprint) -> None:
    """Write the canonical text of *blueprint* to the file *name*; see `write_text`."""
    write_pieces(name, blueprint_pieces(blueprint))


def write_observation(name: str, observation: Observation) -> None:
    """Write the canonical text of *observation* to the file *name*; see `write_text`."""
    write_text(name, dumps(observation_document(observation)))


def write_endpoints(name: str, endpoints: Endpoints) -> None:
    """Write the canonical text of *endpoints* to the file *name*; see `write_text`."""
    write_text(name, dumps(endpoints_document(endpoints)))
