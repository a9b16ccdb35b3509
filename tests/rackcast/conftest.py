"""Runs commands in this process: arguments in, exit code and both outputs out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from rackcast.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@frozen(kw_only=True)
class Ending:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ending]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `rackcast` with the given words."""

    def run_command(*words: object) -> Ending:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return Ending(code=int(ended.value.code or 0), out=said.out, err=said.err)

    return run_command


@pytest.fixture
def one_group() -> Path:
    """Return the hand-sized snapshot."""
    return EXAMPLES / "01_one_group" / "snapshot.yaml"
