"""Writing that fails for real: the old file stays, nothing lies beside it, and the error is told."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blueprints.disk import write_text, write_together
from blueprints.errors import InputRejectedError
from executor import durable
from tests.rackcast.conftest import Run

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from rackcast.main import main
main(sys.argv[1:])
"""
"""A process in which no file grows beyond 100 octets: the kernel refuses as it does on a full disk."""


def limited(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command that cannot write more than a few octets into any file."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, words)],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["blueprint.json", "blueprint.json.gz"])
@pytest.mark.parametrize("old", ["old", None])
def test_a_plan_that_finds_no_room_leaves_the_folder_as_it_was(
    one_group: Path, tmp_path: Path, name: str, old: str | None
) -> None:
    """A blueprint that is not written whole is not there, nor any piece of it, and why is told."""
    target = tmp_path / name
    if old is not None:
        target.write_text(old)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = limited("plan", one_group, "-o", target)
    assert (done.returncode, done.stderr) == (7, f"{target}: File too large\n")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_target_that_finds_no_room_is_not_set(run: Run, one_group: Path, tmp_path: Path) -> None:
    """There is no store, nor any piece of one: only its lock, and why is told."""
    blueprint, store = tmp_path / "blueprint.json", tmp_path / "target"
    run("plan", one_group, "-o", blueprint)
    done = limited("target", "set", blueprint, "--store", store)
    assert (done.returncode, f"{store}: File too large" in done.stderr) == (7, True)
    assert {path.name for path in tmp_path.iterdir()} == {"blueprint.json", ".target.lock"}


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="this system has no folder in which nobody can write")
def test_a_folder_that_cannot_be_written_is_told() -> None:
    """Where no file can be made, the system's own words are told, and not those of cleaning up."""
    with pytest.raises(
        InputRejectedError, match=r"^/sys/kernel/x.json: (Permission denied|Operation not permitted)$"
    ):
        write_text("/sys/kernel/x.json", "x")


def test_what_cannot_be_taken_away_does_not_hide_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If cleaning up fails as well, the first error is the one that is told."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputRejectedError, match="No space left on device"):
        write_text(str(tmp_path / "x.json"), "x")
    with pytest.raises(OSError, match="No space left on device"):
        durable.write(tmp_path / "y", b"y")


def _disk(folder: Path) -> None:
    write_together({str(folder / "x"): ["x"], str(folder / "y.gz"): ["y"]})


def _durable(folder: Path) -> None:
    durable.write(folder / "x", b"x")


@pytest.mark.parametrize(
    ("write", "calls"), [(_disk, ("open", "fsync", "replace")), (_durable, ("fsync", "replace"))]
)
def test_an_interruption_at_any_call_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], calls: tuple[str, ...]
) -> None:
    """Interrupted before or after any of its calls to the system, writing leaves whole files and no scratch file."""
    interrupted = 0
    while True:
        folder = tmp_path / str(interrupted)
        folder.mkdir()
        with monkeypatch.context() as patched:
            interruption = _Interruption(interrupted + 1)
            for name in calls:
                place = Path if name == "replace" else os
                patched.setattr(place, name, interruption.around(getattr(place, name)))
            try:
                write(folder)
            except KeyboardInterrupt:
                interrupted += 1
            else:
                break
        assert {path.name for path in folder.iterdir()} <= {"x", "y.gz"}
    assert interrupted >= 2 * len(calls)


class _Interruption:
    """Comes at the *step*-th place: before the first call, after it, before the second and so on."""

    def __init__(self, step: int) -> None:
        self.left = step

    def around(self, call: Callable[..., object]) -> Callable[..., object]:
        """Return *call*, interrupted before or after it when its turn has come."""

        def interrupted(*words: object, **options: object) -> object:
            self._pass()
            done = call(*words, **options)
            self._pass()
            return done

        return interrupted

    def _pass(self) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
