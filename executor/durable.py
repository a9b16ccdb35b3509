"""Small files that outlive a crash: the old one or the new one, never a mixture, and on disk when the call returns.

A file is written beside its place, flushed to disk, renamed, and the folder flushed. Whoever changes one holds its
lock, a file of its own beside it, since the file itself is replaced. They are readable by their owner alone, and no
link is followed where one is written.

This file does not know what is in them.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from blueprints.errors import InputRejectedError, Mistake
from blueprints.text import loads_json

MAX_BYTES = 64 * 1024 * 1024
"""Nothing larger is read."""

Write = Callable[[Path, bytes], None]


def read(path: Path) -> bytes | None:
    """Return what is in the file at *path*, or None where there is none.

    Raises:
        InputRejectedError: it is there and cannot be read, or is larger than anything of ours.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _rejected(path, "is no file")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _rejected(path, error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise _rejected(path, f"larger than {MAX_BYTES} bytes")
    return data


def read_document(path: Path, wanted: str) -> dict[str, Any] | None:
    """Return the plain data in the file at *path*, whose format is *wanted*, without it; None where no file is.

    Raises:
        InputRejectedError: see `read`, or it is no such document.
    """
    data = read(path)
    if data is None:
        return None
    try:
        document = loads_json(data.decode(), str(path))
    except (UnicodeDecodeError, InputRejectedError):
        raise _rejected(path, "is no JSON") from None
    if not isinstance(document, dict) or document.pop("format", None) != wanted:
        raise InputRejectedError(str(path), [Mistake("format", f"is not {wanted}")])
    return document


def place(name: str) -> Path:
    """Return where the file *name* is, links followed.

    Raises:
        InputRejectedError: no file can have that name.
    """
    try:
        return Path(name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL
        raise _rejected(Path(name), str(error)) from None


def _rejected(path: Path, message: str) -> InputRejectedError:
    return InputRejectedError(str(path), [Mistake("", message)])


def write(path: Path, data: bytes) -> None:
    """Put *data* into the file at *path*.

    Raises:
        OSError: it is not known to be on disk; what is under *path* is the old or the new, and nothing is beside it.
    """
    scratch = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(scratch, flags, 0o600)
        with _or_gone(scratch):
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        _flush_folder(path.parent)
    except OSError as error:  # a full disk names no file, the others name the scratch
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


@contextmanager
def _or_gone(scratch: Path) -> Iterator[None]:
    """Take *scratch* away if the context fails; what went wrong first is what is told."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of the file at *path* while the context lasts; it ends with the process, however that ends.

    Raises:
        InputRejectedError: there is no such folder, or somebody else holds it and *wait* is false.
        OSError: there is no place for the lock.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(path.with_name(f".{path.name}.lock"), flags, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        raise _rejected(path, "there is no such folder") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise _rejected(path, "another process uses it") from None
        yield
    finally:
        os.close(handle)
