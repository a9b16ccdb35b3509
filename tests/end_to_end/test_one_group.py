"""The hand-sized example, step by step: every output is kept, and is what the commands print today.

With ``REWRITE_EXAMPLES=1`` in the environment what they print now is kept; read the change before it is committed.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from attrs import frozen

from rackcast.simulated import RunningRack, simulated_rack

FOLDER = Path(__file__).parents[2] / "examples" / "01_one_group"
EXPECTED = FOLDER / "expected"

EXIT_CODES = {"dry-run.txt": 3}
"""Of the steps that do not end with 0."""


@frozen(kw_only=True)
class Step:
    """A line of the README's block of commands."""

    command: str
    outputs: tuple[str, ...]


def steps() -> tuple[Step, ...]:
    """Return the steps of the README, with the files that its remarks name."""
    block = (FOLDER / "README.md").read_text().split("```sh\n")[1].split("```")[0]
    found = []
    for line in block.strip().splitlines():
        command, _, remark = line.partition("# ")
        words = remark.replace(":", " ").replace(",", " ").split()
        outputs = tuple(word for word in words if word.endswith((".json", ".txt")))
        found.append(Step(command=command.strip(), outputs=outputs))
    return tuple(found)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Play the whole README in a scratch folder, and return it with every output in it."""
    scratch = tmp_path_factory.mktemp("one_group")
    shutil.copy(FOLDER / "snapshot.yaml", scratch)
    with simulated_rack(str(scratch / "snapshot.yaml"), scratch) as rack:
        for step in steps():
            _play(step, scratch, rack)
        yield scratch


def _play(step: Step, scratch: Path, rack: RunningRack) -> None:
    words = shlex.split(step.command)
    if words[:2] == ["rackcast", "sim"]:
        return  # it runs already
    if words[0] == "curl":
        body = json.loads(words[words.index("-d") + 1])
        answer = httpx.post(f"{rack.control}/packets", json=body).raise_for_status().json()
        (scratch / step.outputs[0]).write_text(json.dumps(answer, indent=1) + "\n")
        return
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=scratch,
        env={**os.environ, "COLUMNS": "118"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = step.outputs[-1]
    assert done.returncode == EXIT_CODES.get(printed, 0), done.stdout
    (scratch / printed).write_text("".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines()))


NAMES = [name for step in steps() for name in step.outputs]


@pytest.mark.parametrize("name", NAMES)
def test_every_step_prints_what_is_kept(played: Path, name: str) -> None:
    """What a step of the example prints or writes is what the repository holds of it."""
    found = (played / name).read_text()
    if os.environ.get("REWRITE_EXAMPLES"):
        EXPECTED.mkdir(exist_ok=True)
        (EXPECTED / name).write_text(found)
    assert found == (EXPECTED / name).read_text()


def test_nothing_else_is_kept() -> None:
    """Every kept output has its step."""
    assert sorted(path.name for path in EXPECTED.iterdir()) == sorted(NAMES)


def test_the_readme_is_ten_lines() -> None:
    """The example is told in ten lines beside the frame of its block."""
    lines = [line for line in (FOLDER / "README.md").read_text().splitlines() if line and not line.startswith("```")]
    assert len(lines) <= 11
