"""What NIC filters are held by: real sockets where files suffice, else a table, and who says which."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path

import httpx
import pytest

from blueprints.addresses import Address
from blueprints.documents import snapshot_document
from blueprints.errors import InputRejectedError
from blueprints.files import write_snapshot
from simrack.background import running
from simrack.nics import COUNTED, SOCKETS, nics_that_fit
from simrack.sledagent.agent import SledAgent
from simrack.web.faults import Faults
from simrack.web.listeners import raise_file_limit
from simrack.world import world_of
from tests.simrack.program import ok, program
from tests.simrack.rows import G4, G6, LISTENER, SLEDS, propolis, small_rack
from tests.simrack.talk import Talk
from tests.simrack.test_datastore_sim import MISSING
from tests.simrack.test_sled_agent import memberships, needs_proc

ROOT = Path(__file__).parents[2]

FIRST, SECOND = (Address.parse(str(IPv6Address(f"ff04::{number}") + (os.getpid() << 32))) for number in (0xF1, 0xF2))
"""Underlay groups of this very process, in the order in which their mappings are made."""

NEEDED = "2 groups on 6 NICs need 1,036 open files, 1,024 of them to spare, and the hard limit is 1,030"


@contextmanager
def files_left(count: int) -> Iterator[None]:
    """Let this process open only so many more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()} - {lowest}
    free = (number for number in range(lowest, hard) if number not in taken)
    limit = [next(free) for _ in range(count + 1)][-1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def joined() -> tuple[int, int]:
    return memberships(str(FIRST)), memberships(str(SECOND))


@pytest.fixture
def agent() -> Iterator[SledAgent]:
    """A sled-agent with two NICs and real sockets."""
    agent = world_of(small_rack(), Faults(), SOCKETS).agents[SLEDS[0]]
    yield agent
    agent.filters.close_all()


@needs_proc
class TestRealFailures:
    """The system itself refuses a join."""

    def test_all_nics_or_none(self, agent: SledAgent) -> None:
        """With files for one NIC left the other one's join fails, and nothing stays joined."""
        with files_left(1):
            assert not agent.filters.open(FIRST)
            assert joined() == (0, 0)
        assert agent.filters.open(FIRST)
        assert joined() == (2, 0)
        agent.filters.close_all()
        assert joined() == (0, 0)

    def test_what_cannot_be_opened_again_at_start_is_cleared(self, agent: SledAgent) -> None:
        """Of two mappings that survive a restart, the one whose sockets fail goes; the other one is joined."""
        groups = [Address.parse(group) for group in (G4, G6)]
        for group, underlay in zip(groups, (FIRST, SECOND), strict=True):
            agent.set_m2p(group, underlay)
        assert joined() == (2, 2)
        agent.filters.close_all()
        with files_left(3):
            agent.restart()
        assert (agent.opte.m2p, joined()) == ({groups[0]: FIRST}, (2, 0))
        agent.set_m2p(groups[1], SECOND)
        agent.restart()
        assert (agent.opte.m2p, joined()) == (dict(zip(groups, (FIRST, SECOND), strict=True)), (2, 2))


def test_a_rack_that_needs_too_many_files_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many it needs, how many there may be, and how to do without."""
    monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1030)
    with pytest.raises(InputRejectedError, match=NEEDED) as refusal, running(small_rack()):
        pass
    assert "--filters counted" in str(refusal.value)


def test_with_as_many_files_as_it_needs_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is enough."""
    monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1036)
    SOCKETS.check(small_rack())
    assert nics_that_fit(small_rack()) is SOCKETS


def test_a_rack_that_runs_does_not_move_on_to_one_that_needs_too_many(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot is refused, and the world stays as it was."""
    with running(small_rack()) as rack:
        talk = Talk(rack, client)
        program(talk)
        before = talk.state()
        monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1030)
        refusal = talk.control("PUT", "/snapshot", snapshot_document(small_rack(instances=(), members=())))
        assert refusal.status_code == 400
        assert NEEDED in refusal.json()["message"]
        assert talk.state() == before


@needs_proc
def test_counted_joins_need_no_sockets(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters count for packets as ever, restarts and refusals included; the state tells how they are held."""
    monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 10)
    with running(small_rack(), nics=COUNTED) as rack:
        talk = Talk(rack, client)
        program(talk)
        assert (talk.state()["nic_filters"], talk.state()["nic_joins"]) == ("counted", 12)
        ok(talk.sled(SLEDS[0], "PUT", "/networking/mcast-m2p", {"group": "233.252.0.9", "underlay": str(FIRST)}))
        assert (talk.state()["nic_joins"], joined()) == (14, (0, 0))
        for _ in range(2):
            assert talk.heard({"switch": "switch0"})[str(propolis(LISTENER))] == 1
            talk.restart(f"sled {SLEDS[0]}", keep_state=True)
        talk.fault(f"sled {SLEDS[0]}", "nic_join")
        talk.restart(f"sled {SLEDS[0]}", keep_state=True)
        assert talk.state()["nic_joins"] == 12
        assert str(propolis(LISTENER)) not in talk.heard({"switch": "switch0"})


def test_what_fits_is_chosen_and_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Too few files make a table out of sockets, with a line that says why."""
    monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1030)
    assert nics_that_fit(small_rack()) is COUNTED
    assert capsys.readouterr().err == f"simrack: joins of NICs are counted in a table: {NEEDED}\n"


def test_the_file_limit_is_raised() -> None:
    """The soft limit becomes the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
        assert raise_file_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def snapshot(tmp_path: Path) -> str:
    path = tmp_path / "snapshot.json"
    write_snapshot(str(path), small_rack())
    return str(path)


@contextmanager
def begun(words: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a rack that is ended whatever happens."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def with_few_files(*words: str) -> list[str]:
    """The command in a shell whose hard limit is too low for the small rack."""
    return ["sh", "-c", 'ulimit -n 1030; exec "$@"', "sh", sys.executable, "-m", "rackcast", "sim", *words]


def test_the_command_refuses_and_names_the_switch(snapshot: str) -> None:
    """It ends with 7 before it listens."""
    words = with_few_files(snapshot)
    ending = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    assert (ending.returncode, ending.stdout) == (7, "")
    assert NEEDED in ending.stderr
    assert "--filters counted" in ending.stderr


@pytest.mark.parametrize(("word", "lines"), [("counted", 0), ("auto", 1)])
def test_the_switch_counts_joins(snapshot: str, client: httpx.Client, word: str, lines: int) -> None:
    """With so few files it runs all the same; if nobody asked for that it is said."""
    words = with_few_files(snapshot, "--filters", word)
    with begun(words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        assert client.get(ready["control"] + "/state").json()["nic_filters"] == "counted"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        told = process.stderr.read().splitlines()
    assert len(told) == lines
    assert all(NEEDED in line for line in told)


def test_namespaces_and_another_kind_are_wrong_usage(snapshot: str) -> None:
    """Only one thing can hold the filters."""
    words = [sys.executable, "-m", "rackcast", "sim", snapshot, "--netns", "--filters", "counted"]
    ending = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    assert ending.returncode == 2
    assert "give one of them" in ending.stderr


def test_namespaces_without_their_extra_are_wrong_usage(snapshot: str) -> None:
    """It says what to install."""
    words = [sys.executable, "-c", MISSING, "pyroute2", "sim", snapshot, "--netns"]
    ending = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    assert (ending.returncode, ending.stdout) == (2, "")
    assert "pip install 'rackcast[netns]'" in ending.stderr
