"""Files: each way to store a document is read back, everything else is refused, and writing harms nothing."""

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueprints import disk
from blueprints.blueprint import Blueprint
from blueprints.disk import read_text, write_text, write_together
from blueprints.documents import endpoints_from, observation_from, snapshot_document
from blueprints.errors import InputRejectedError
from blueprints.files import (
    read_blueprint,
    read_document,
    read_endpoints,
    read_observation,
    read_snapshot,
    write_blueprint,
    write_endpoints,
    write_observation,
    write_snapshot,
)
from blueprints.text import dumps
from planner.plan import plan
from tests.planner.case_files import CASES
from tests.planner.case_files import read_snapshot as read_case_snapshot

ENDINGS = [".json", ".yaml", ".json.gz", ".yaml.gz", ""]


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    """A blueprint to store."""
    return plan(read_case_snapshot(CASES / "_settled.yaml"))


def refusal(name: str) -> str:
    """Return why the file *name* is refused."""
    with pytest.raises(InputRejectedError) as caught:
        read_document(name)
    assert caught.value.source == name
    return str(caught.value.mistakes[0])


# --- there and back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_documents_come_back_from_every_kind_of_file(tmp_path: Path, ending: str, blueprint: Blueprint) -> None:
    """A snapshot, a blueprint, endpoints and an observation are read from the file they were written to."""
    name = str(tmp_path / f"file{ending}")
    write_blueprint(name, blueprint)
    assert read_blueprint(name) == blueprint
    snapshot = read_case_snapshot(CASES / "_settled.yaml")
    write_snapshot(name, snapshot)
    assert read_snapshot(name) == snapshot
    endpoints = endpoints_from({"format": "rackcast.endpoints/1", "switches": {}, "sleds": {}}, "case")
    write_endpoints(name, endpoints)
    assert read_endpoints(name) == endpoints
    empty: dict[str, object] = {
        "format": "rackcast.observation/1",
        "observed_at": None,
        "switches": {},
        "sleds": {},
        "silent": [],
    }
    observation = observation_from(empty, "case")
    write_observation(name, observation)
    assert read_observation(name) == observation


def test_packing_is_seen_by_content_and_not_by_name(tmp_path: Path) -> None:
    """A packed file without the ending is unpacked, and a plain one that has it is read as it is."""
    (tmp_path / "packed.json").write_bytes(gzip.compress(b'{"a": 1}'))
    (tmp_path / "plain.json.gz").write_bytes(b'{"a": 1}')
    assert read_document(str(tmp_path / "packed.json")) == {"a": 1}
    assert read_document(str(tmp_path / "plain.json.gz")) == {"a": 1}


def test_packed_files_are_the_same_bytes_each_time(tmp_path: Path, blueprint: Blueprint) -> None:
    """Neither time nor name gets into a packed file."""
    for name in ("one.json.gz", "other.json.gz"):
        write_blueprint(str(tmp_path / name), blueprint)
    assert (tmp_path / "one.json.gz").read_bytes() == (tmp_path / "other.json.gz").read_bytes()
    assert (tmp_path / "one.json.gz").read_bytes()[4:8] == b"\0" * 4


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """Files from editors that mark UTF-8 are read like any other."""
    for name in ("x.json", "x.yaml"):
        (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"a": 1}')
        assert read_document(str(tmp_path / name)) == {"a": 1}


def test_standard_streams_are_named_by_a_dash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dash reads standard input, packed or not, and writes standard output."""
    for data in (b"a: \xc3\xa4\n", gzip.compress(b"a: \xc3\xa4\n")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert read_document("-") == {"a": "ä"}
    write_text("-", "text ä\n")
    assert capsys.readouterr().out == "text ä\n"


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    """What is wrong in a file is told under its name."""
    name = str(tmp_path / "snapshot.yaml")
    document = snapshot_document(read_case_snapshot(CASES / "_settled.yaml"))
    write_text(name, dumps(document | {"rack_id": "x"}))
    with pytest.raises(InputRejectedError, match=r"snapshot\.yaml: 1 mistake\n  rack_id: 'x' is not a UUID"):
        read_snapshot(name)


# --- refused --------------------------------------------------------------------------------------------------------


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a name that no file can have are refused in words."""
    assert refusal(str(tmp_path / "none.json")) == "No such file or directory"
    assert refusal(str(tmp_path)) == "Is a directory"
    assert refusal(str(tmp_path / ("x" * 300))) == "File name too long"


def test_names_with_a_nul_are_refused(tmp_path: Path) -> None:
    """A name that the system cannot even be asked for is refused like any other that is not there."""
    assert refusal(f"{tmp_path}/a\0b") == "embedded null byte"
    with pytest.raises(InputRejectedError, match="embedded null byte"):
        write_text(f"{tmp_path}/a\0b", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A file that may not be read is refused in words."""
    path = tmp_path / "secret.json"
    path.write_text("{}")
    path.chmod(0)
    assert refusal(str(path)) == "Permission denied"


@pytest.mark.parametrize(
    ("data", "place"), [(b'{"a": "\xff"}', 7), (b"\x80", 0), (b'{"a": "\xed\xa0\x80"}', 7), (b'{"a": "\xc3"}', 7)]
)
def test_other_encodings_are_refused(tmp_path: Path, data: bytes, place: int) -> None:
    """Text that is not UTF-8 is refused, and the message says at which byte."""
    path = tmp_path / "x.json"
    path.write_bytes(data)
    assert refusal(str(path)) == f"not UTF-8 (byte {place})"


def test_packed_files_that_are_damaged_are_refused(tmp_path: Path) -> None:
    """Cut off anywhere, with a wrong byte, or with something after its end, a packed file is not read."""
    path = tmp_path / "x.json.gz"
    data = gzip.compress(b'{"a": 1}' * 40)
    for end in range(2, len(data)):
        path.write_bytes(data[:end])
        assert "cut off" in refusal(str(path))
    for place in range(2, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        if place not in (4, 5, 6, 7, 8, 9):  # time, level and system, which mean nothing
            assert refusal(str(path))
    for more in (b"x", b"\0", data):
        path.write_bytes(data + more)
        assert refusal(str(path)) == "something follows the packed file"


def test_what_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that would fill the memory is refused at the limit, packed or not; at the limit it is read."""
    monkeypatch.setattr(disk, "MAX_BYTES", 1000)
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b" " * 998 + b"{}"))
    assert read_document(str(path)) == {}
    path.write_bytes(gzip.compress(b" " * 999 + b"{}"))
    assert "1000 bytes" in refusal(str(path)) or "cut off" in refusal(str(path))
    path.write_bytes(gzip.compress(b"\0" * 10_000_000))
    assert refusal(str(path)) == "unpacks to more than 1000 bytes"
    path.write_bytes(b" " * 999 + b"{}")
    assert refusal(str(path)) == "larger than 1000 bytes"


def test_unpacking_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is ever held, however much is packed."""
    asked = []

    class Reader:
        """Notes how much it is asked for."""

        unconsumed_tail = b"x"

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append((len(data), most))
            return b""

    monkeypatch.setattr(zlib, "decompressobj", lambda **_: Reader())
    with pytest.raises(InputRejectedError, match="unpacks to more"):
        disk._unpacked(b"data", "x")
    assert asked == [(4, disk.MAX_BYTES)]


# --- writing --------------------------------------------------------------------------------------------------------


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    """A shorter text leaves nothing of a longer one, and nothing lies beside it."""
    path = tmp_path / "x.json"
    write_text(str(path), "long " * 100)
    write_text(str(path), "short\n")
    assert path.read_text() == "short\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """Whatever step fails, the file is the old one, no scratch file lies about, and the error is a refusal."""
    path = tmp_path / "x.json"
    path.write_text("old")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if failing == "fsync" else Path, failing, refuse)
    with pytest.raises(InputRejectedError, match="No space left on device"):
        write_text(str(path), "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if somebody presses Ctrl-C, nothing of the new file is left."""
    path = tmp_path / "x.json"
    path.write_text("old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(str(path), "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["one.json", "other.json.gz"])
def test_files_that_belong_together_appear_together(tmp_path: Path, failing: str) -> None:
    """Whichever cannot be made whole, both are the old ones, no scratch file lies about, and the message names it."""
    names = {name: str(tmp_path / name) for name in ("one.json", "other.json.gz")}
    for name in names.values():
        write_text(name, "old")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def texts(name: str) -> Iterator[str]:
        yield "new"
        if name == failing:
            raise OSError(28, "No space left on device")

    with pytest.raises(InputRejectedError, match=rf"{failing}: No space left on device"):
        write_together({path: texts(name) for name, path in names.items()})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_together({path: ["n", "ew"] for path in names.values()})
    assert [read_text(path) for path in names.values()] == ["new", "new"]


def test_no_file_appears_before_its_stream_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If whoever reads standard output has gone, the file beside it is not written either."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        with pytest.raises(BrokenPipeError):
            write_together({str(tmp_path / "x.json"): ["x"], "-": ["x" * 100_000]})
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    """A folder that is not there, or a file where a folder should be, is refused in words."""
    with pytest.raises(InputRejectedError, match="No such file or directory"):
        write_text(str(tmp_path / "none" / "x.json"), "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputRejectedError, match="Not a directory"):
        write_text(str(tmp_path / "file" / "x.json"), "x")
    with pytest.raises(InputRejectedError, match="Is a directory"):
        write_text(str(tmp_path), "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_get_the_permissions_that_others_get(tmp_path: Path) -> None:
    """A written file has the permissions that the umask leaves, not those of a scratch file."""
    before = os.umask(0o027)
    try:
        write_text(str(tmp_path / "x.json"), "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o640


def test_reading_text_does_not_interpret_it(tmp_path: Path) -> None:
    """Line ends and all characters arrive as they are."""
    path = tmp_path / "x.yaml"
    path.write_bytes("a: 1\r\nb: \u2028\n".encode())
    assert read_text(str(path)) == "a: 1\r\nb: \u2028\n"
