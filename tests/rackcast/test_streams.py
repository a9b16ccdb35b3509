"""Standard streams and odd places: whatever stands behind them, nothing is lost and no traceback is shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rackcast.conftest import Run


def rackcast(*words: object, tail: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell that ends with *tail*, such as a redirection."""
    command = f'"$0" -m rackcast "$@" {tail}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def blueprint(run: Run, one_group: Path, tmp_path: Path) -> Path:
    """Return a blueprint file."""
    path = tmp_path / "blueprint.json"
    run("plan", one_group, "-o", path)
    return path


def test_a_link_is_followed(run: Run, one_group: Path, blueprint: Path, tmp_path: Path) -> None:
    """Writing through a link changes the file behind it and leaves the link."""
    link = tmp_path / "latest.json"
    link.symlink_to(blueprint)
    blueprint.write_text("old")
    assert run("plan", one_group, "-o", link).code == 0
    assert link.is_symlink()
    assert blueprint.read_text() != "old"


def test_a_pipe_is_written_to(one_group: Path, blueprint: Path, tmp_path: Path) -> None:
    """A named pipe stays a pipe, and its reader gets the blueprint."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert rackcast("plan", one_group, "-o", pipe).returncode == 0
        assert reader.communicate(timeout=10)[0] == blueprint.read_bytes()
    assert pipe.is_fifo()


def test_standard_output_is_utf8_whatever_the_locale(one_group: Path, tmp_path: Path) -> None:
    """The bytes of a blueprint do not depend on the encoding of the terminal."""
    snapshot, target = tmp_path / "s.yaml", tmp_path / "b.json"
    snapshot.write_text(one_group.read_text().replace("market-data", "märkt-☃"))
    assert rackcast("plan", snapshot, "-o", target).returncode == 0
    done = rackcast("plan", snapshot, "-o", "-", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, target.read_bytes())
    assert rackcast("show", target, PYTHONIOENCODING="latin-1").returncode == 0


def test_whoever_stops_reading_is_no_failure(blueprint: Path) -> None:
    """A reader that closes the pipe early gets no traceback on the terminal."""
    done = rackcast("show", blueprint, "--json", tail="| true")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [("show",), ("show", "--json"), ("check",)])
def test_whoever_stopped_reading_is_told_by_the_exit_code(blueprint: Path, words: tuple[str, ...]) -> None:
    """Text and JSON alike end with 141 when the reader is gone before they are written, and not with a failure."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "rackcast", words[0], str(blueprint), *words[1:]]
    for environment in (os.environ, os.environ | {"PYTHONUNBUFFERED": "1"}):
        ended = subprocess.run(command, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False)
        assert (ended.returncode, ended.stderr) == (141, b"")
    os.close(writing)


always_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no device that is always full"
)


@always_full
def test_a_full_disk_is_said_in_one_line(blueprint: Path) -> None:
    """Output that cannot be written ends with 7 and the system's own words."""
    done = rackcast("show", blueprint, "--json", tail=">/dev/full")
    assert done.returncode == 7
    assert done.stderr.decode().splitlines() == ["cannot write or read: No space left on device"]


@pytest.mark.parametrize(("tail", "code"), [(">&-", 0), ("<&-", 0), ("2>&-", 0)])
def test_closed_streams_are_no_traceback(blueprint: Path, tail: str, code: int) -> None:
    """A command whose streams are closed does its work all the same."""
    done = rackcast("check", blueprint, tail=tail)
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


def test_closed_standard_input_is_refused() -> None:
    """Reading from a closed standard input is said, and ends with 7."""
    done = rackcast("show", "-", tail="<&-")
    assert (done.returncode, done.stderr) == (7, b"-: standard input is closed\n")


def test_tables_in_files_have_no_trailing_blanks(blueprint: Path) -> None:
    """What goes to a file compares well."""
    lines = rackcast("show", blueprint).stdout.decode().splitlines()
    assert len(lines) > 10
    assert all(line == line.rstrip() for line in lines)


@always_full
@pytest.mark.parametrize(
    ("words", "code"),
    [(["check", "nowhere"], 7), (["plan"], 2), (["execute", "{}", "--dns", "[::1]:9"], 4)],
    ids=["refused", "wrong usage", "no answer"],
)
def test_an_error_that_nobody_can_read_keeps_its_exit_code(blueprint: Path, words: list[str], code: int) -> None:
    """Where standard error takes no more, a mistake is not told, and is no bug of ours either."""
    command = [sys.executable, "-m", "rackcast", *(word.format(blueprint) for word in words)]
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(command, stderr=full, stdout=subprocess.DEVNULL, check=False).returncode == code
