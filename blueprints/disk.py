"""The disk: the only place of this package that touches one. Names to content, and content to names.

Reads files, packed ones (``.gz``) too, and standard input as ``-``; writes them whole or not at all. This file does
not know what is in them.
"""

import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from blueprints.errors import InputRejectedError, Mistake

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


def _read_packed(name: str) -> bytes:
    if name == STANDARD:
        if sys.stdin is None:
            raise _rejected(name, "standard input is closed")
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            # As long as the file is and one more: room for what is asked for is taken before anything is read.
            there = os.fstat(file.fileno()).st_size
            found = file.read(min(there, MAX_BYTES) + 1)
            return found if len(found) <= there else found + file.read(MAX_BYTES + 1 - len(found))
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise _rejected(name, getattr(error, "strerror", None) or str(error)) from None


def read_bytes(name: str) -> bytes:
    """Return the content of the file *name*, unpacked; ``-`` is standard input.

    Raises:
        InputRejectedError: it cannot be read, or is too large.
    """
    data = _read_packed(name)
    if data.startswith(_PACKED):
        data = _unpacked(data, name)
    if len(data) > MAX_BYTES:
        raise _rejected(name, f"larger than {MAX_BYTES} bytes")
    return data


@contextmanager
def rereadable(name: str) -> Iterator[IO[bytes]]:
    """Open what *name* holds, unpacked, for reading it more than once; what is no plain file is held whole.

    Raises:
        InputRejectedError: it cannot be read, or is too large.
    """
    with _rejecting(name):
        if name != STANDARD and Path(name).is_file():
            with Path(name).open("rb") as file:
                if not file.peek(2).startswith(_PACKED) and os.fstat(file.fileno()).st_size <= MAX_BYTES:
                    yield file
                    return
        yield BytesIO(read_bytes(name))


def read_text(name: str) -> str:
    """Return the text of the file *name*, unpacked; ``-`` is standard input.

    Raises:
        InputRejectedError: it cannot be read, is too large, or is not UTF-8.
    """
    return text_of(read_bytes(name), name)


def text_of(data: bytes, name: str) -> str:
    """Return the text in *data*, which is what the file *name* holds.

    Raises:
        InputRejectedError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _rejected(name, f"not UTF-8 (byte {error.start})") from None


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
    scratches: dict[str, tuple[Path, Path]] = {}
    try:
        for name, texts in documents.items():
            with _rejecting(name):
                place = _file_at(name)
                if place is not None:
                    scratch = _scratch_beside(place)
                    scratches[name] = scratch, place  # before it is there: no interruption comes in between
                    _write_scratch(scratch, texts, packed=place.name.endswith(".gz"))
        for name, texts in documents.items():
            if name not in scratches:
                _write_stream(name, texts)
        for name, (scratch, place) in scratches.items():
            with _rejecting(name):
                scratch.replace(place)
    except BaseException:
        for scratch, _ in scratches.values():
            with suppress(OSError):  # what went wrong first is what is told
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


def _fill(file: IO[bytes], texts: Iterable[str], *, packed: bool = False) -> None:
    octets = (text.encode() for text in texts)
    for data in _packed(octets) if packed else octets:
        file.write(data)


def _packed(octets: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what gzip makes of *octets*, without a name or a time: equal content gives equal files."""
    packing = zlib.compressobj(9, wbits=31)
    for data in octets:
        yield packing.compress(data)
    yield packing.flush()


def _scratch_beside(place: Path) -> Path:
    """Return a name beside *place* that nobody has."""
    return place.with_name(f".{place.name}.{os.urandom(8).hex()}")


def _write_scratch(scratch: Path, texts: Iterable[str], *, packed: bool) -> None:
    """Make the file *scratch*, which holds *texts* then and is on disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(scratch, flags, 0o666), "wb") as file:
        _fill(file, texts, packed=packed)
        file.flush()
        os.fsync(file.fileno())
