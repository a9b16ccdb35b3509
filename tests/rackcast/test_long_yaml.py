"""YAML that takes long to read is announced before it is read."""

import gzip
from pathlib import Path

import pytest

from blueprints.files import read_blueprint
from rackcast.reading import LONG
from tests.rackcast.conftest import Run

SAID = "reading 5.0 MB of YAML takes about 3 s; JSON would take a fraction"


def padded(text: str, length: int) -> str:
    """Return *text* with a comment that makes it so long."""
    return f"# {' ' * (length - len(text) - 3)}\n{text}"


@pytest.mark.parametrize("name", ["snapshot.yaml", "snapshot.yaml.gz"])
def test_a_long_snapshot_is_announced(run: Run, one_group: Path, tmp_path: Path, name: str) -> None:
    """Beyond 5 MB, unpacked, the time that reading will take is told; at 5 MB it is not."""
    path = tmp_path / name
    for length, said in ((LONG, ""), (LONG + 1, f"{path}: {SAID}\n")):
        data = padded(one_group.read_text(), length).encode()
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        ending = run("plan", path, "-o", tmp_path / "blueprint.json", "--json")
        assert (ending.code, ending.err) == (0, said)


@pytest.mark.parametrize("command", ["show", "check", "execute"])
def test_a_long_blueprint_is_announced_before_it_is_read(run: Run, tmp_path: Path, command: str) -> None:
    """Told first, and only then that it is no YAML."""
    path = tmp_path / "blueprint.yaml"
    path.write_text(padded("format: [\n", LONG + 1))
    way = ("--endpoints", tmp_path / "none.json") if command == "execute" else ()
    ending = run(command, path, *way)
    lines = ending.err.splitlines()
    assert (ending.code, lines[0]) == (7, f"{path}: {SAID}")
    assert len(lines) > 1


def test_json_is_not_announced(run: Run, one_group: Path, tmp_path: Path) -> None:
    """However long it is, and whatever the file is called."""
    blueprint, path = tmp_path / "blueprint.json", tmp_path / "blueprint.yaml"
    run("plan", one_group, "-o", blueprint)
    path.write_text(" " * LONG + blueprint.read_text())
    ending = run("show", path)
    assert (ending.code, ending.err) == (0, "")
    assert read_blueprint(str(path)) == read_blueprint(str(blueprint))
