"""The log of a run: a line of JSON for each request, which says for whom it was sent and what came of it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints.files import write_blueprint, write_endpoints
from executor.exchanges import Ending, Exchange
from rackcast.logs import opened
from tests.executor.bench import Bench, planned
from tests.rackcast.conftest import Run
from tests.rackcast.conftest import run as run  # noqa: PLC0414 (a fixture, lent)
from tests.simrack.rows import SLEDS, small_rack

PLAN = planned(small_rack())
CALL = Exchange(
    target="switch0 dpd", method="GET", path="/x", purpose="reads", attempt=1, ending=Ending.ANSWERED, status=200,
    because="", seconds=0.1234567,
)  # fmt: skip


@pytest.fixture
def files(bench: Bench, tmp_path: Path) -> tuple[Path, Path]:
    """Return the blueprint of the small rack, and its endpoints."""
    blueprint, endpoints = tmp_path / "blueprint.json", tmp_path / "endpoints.json"
    write_blueprint(str(blueprint), PLAN)
    write_endpoints(str(endpoints), bench.rack.endpoints)
    return blueprint, endpoints


def lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in text.splitlines()]


def test_every_request_of_a_run_is_one_line_that_names_the_run(
    bench: Bench, files: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    """Run, blueprint and generation stand on each line; there are as many calls as the report counts."""
    blueprint, endpoints = files
    log = tmp_path / "log"
    bench.fault(f"sled {SLEDS[2]}", "status", status=503, method="PUT", times=1)
    ended = run("execute", blueprint, "--endpoints", endpoints, "--allow-mass-change", "--log", log, "--json")
    report = json.loads(ended.out)
    assert ended.code == 0, ended.err
    told = lines(log.read_text())
    assert [told[0]["event"], told[-1]["event"], told[-1]["outcome"]] == ["begin", "end", "converged"]
    calls = [line for line in told if line["event"] == "call"]
    assert len({line["run"] for line in told}) == 1
    assert {(line["blueprint"], line["generation"]) for line in told} == {(str(PLAN.id), PLAN.generation)}
    counted = {purpose: len([c for c in calls if c["purpose"] == purpose]) for purpose in report["counts"]}
    assert counted == report["counts"]
    assert {(c["status"], c["attempt"]) for c in calls if c["status"] == 503} == {(503, 1)}
    assert all(
        {"at", "target", "method", "path", "status", "ending", "seconds", "attempt"} <= set(call) for call in calls
    )
    writes = [c for c in calls if c["method"] != "GET"]
    recorded = bench.calls()
    assert sorted((c["target"], c["method"], c["path"]) for c in writes) == sorted(
        (c["target"], c["method"], c["path"]) for c in recorded
    )


def test_another_run_has_another_name_and_is_appended(files: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    """Nothing that was logged is lost, and the file is its owner's alone."""
    log = tmp_path / "log"
    for _ in range(2):
        assert run("observe", "--endpoints", files[1], "--log", log).code == 0
    told = lines(log.read_text())
    assert len({line["run"] for line in told}) == 2
    assert {line["command"] for line in told} == {"observe"}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_on_standard_error_is_nothing_but_lines(files: tuple[Path, Path], run: Run) -> None:
    """The report stays on standard output, and no bar is drawn between the lines."""
    blueprint, endpoints = files
    ended = run("execute", blueprint, "--endpoints", endpoints, "--dry-run", "--log", "-", "--json")
    assert json.loads(ended.out)["dry_run"] is True
    assert {line["purpose"] for line in lines(ended.err) if line["event"] == "call"} == {"reads"}


def test_a_log_that_cannot_be_opened_stops_the_run_before_it_begins(
    bench: Bench, files: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    """No folder, and a link that somebody laid: refused, and nothing was sent."""
    blueprint, endpoints = files
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for place in (tmp_path / "none" / "log", link):
        assert run("execute", blueprint, "--endpoints", endpoints, "--log", place).code == 7
    assert bench.calls() == []
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_whose_disk_is_full_does_not_end_the_run(files: tuple[Path, Path], run: Run) -> None:
    """The run goes on, and it is said that the log is not whole."""
    blueprint, endpoints = files
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full device")
    ended = run("execute", blueprint, "--endpoints", endpoints, "--allow-mass-change", "--log", "/dev/full")
    assert ended.code == 0
    assert "could not be written to its end" in ended.err


@given(text=st.text())
def test_whatever_a_daemon_says_stays_on_its_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Newlines, quotes and escapes of an answer cannot begin a line of their own; the line says them back exactly."""
    place = tmp_path_factory.mktemp("log") / "log"
    with opened(str(place), command="execute") as log:
        log.heard(lambda _: None)(evolve(CALL, because=text))
    raw = place.read_bytes()
    (line,) = lines(raw.decode("ascii"))
    assert raw.count(b"\n") == 1
    assert all(byte in b"\n" or 0x20 <= byte < 0x7F for byte in raw)
    assert line["because"].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


def test_nothing_of_a_body_is_logged(bench: Bench, files: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    """What is sent and what is answered stand in the report; sources and members do not stand in the log."""
    blueprint, endpoints = files
    log = tmp_path / "log"
    assert run("execute", blueprint, "--endpoints", endpoints, "--allow-mass-change", "--log", log).code == 0
    assert bench.calls()
    assert "10.20.0.5" not in log.read_text()
    assert "rear14" not in log.read_text()
