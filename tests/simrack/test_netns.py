"""Sleds in network namespaces: what the system shows of their NICs, what fails there, and that nothing is left over.

These tests make namespaces, and say so where they may not.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from blueprints.addresses import Address
from blueprints.documents import snapshot_document
from blueprints.errors import InputRejectedError
from blueprints.files import write_snapshot
from blueprints.snapshot import Snapshot
from simrack.background import running
from tests.simrack.program import ok
from tests.simrack.rows import G4, G6, SLEDS, U4, U6, sled, small_rack
from tests.simrack.talk import Json, Talk
from tests.simrack.test_filters import begun, files_left

ROOT = Path(__file__).parents[2]
PATIENCE = 30

simrack_namespaces: Any = pytest.importorskip(
    "simrack.namespaces", reason="namespaces need Linux and the extra netns", exc_type=ImportError
)
namespaces = simrack_namespaces.namespaces

HERE = SLEDS[0]
M2P = "/networking/mcast-m2p"
MAC4, MAC6 = "33:33:e9:fc:00:01", "33:33:80:00:00:01"


@pytest.fixture(autouse=True, scope="module")
def _allowed() -> None:
    if shutil.which("ip") is None:
        pytest.skip("there is no command ip to look into namespaces with")
    try:
        with namespaces(small_rack()):
            pass
    except InputRejectedError as error:
        if "the rights of root" not in str(error):
            raise
        pytest.skip(f"this user may not make them: {error}")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def everybodys() -> set[str]:
    return {line.split()[0] for line in ip("netns", "list").splitlines()}


OWN = tuple(uuid4() for _ in SLEDS)
"""Sleds that no other rack on this system has, for whatever runs beside these tests."""


def own_rack() -> Snapshot:
    """A rack of those sleds alone."""
    return small_rack(sleds=tuple(sled(number, id=name) for number, name in enumerate(OWN)), instances=(), members=())


def ours() -> set[str]:
    """The namespaces of those sleds."""
    return {name for name in everybodys() if name.startswith("simrack-") and name.endswith(tuple(map(str, OWN)))}


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def let_in(name: str, nic: str) -> set[str]:
    """Ethernet and IPv6 groups that *nic* lets in, but those that every interface joins."""
    rows = [line.split() for line in ip("-n", name, "maddr", "show", "dev", nic).splitlines()[1:]]
    groups = {row[1] for row in rows if row[0] in ("link", "inet6")}
    return {group for group in groups if group.startswith("ff04:") or group in (MAC4, MAC6)}


def links(name: str) -> set[str]:
    return {row["ifname"] for row in json.loads(ip("-n", name, "-json", "link", "show"))}


@pytest.fixture(scope="module")
def beneath() -> Iterator[Any]:
    with namespaces(small_rack()) as nics:
        yield nics


@pytest.fixture
def spaced(beneath: Any, client: httpx.Client) -> Iterator[Talk]:
    """A rack in namespaces, with all the NICs of the small rack."""
    beneath.wire(small_rack())
    with running(small_rack(), nics=beneath) as rack:
        yield Talk(rack, client)


def m2p(talk: Talk, method: str, group: str, underlay: str, on: UUID = HERE) -> int:
    return talk.sled(on, method, M2P, {"group": group, "underlay": underlay}).status_code


def listed(talk: Talk) -> Json:
    return ok(talk.sled(HERE, "GET", M2P)).json()


class TestFilters:
    """What `ip maddr` shows is the sled's NIC filter."""

    def test_a_mapping_is_in_the_filter_of_both_nics(self, spaced: Talk) -> None:
        """With its group and its Ethernet address, of its own sled alone, as long as the mapping lasts."""
        here, there = spaced.rack.namespaces[HERE], spaced.rack.namespaces[SLEDS[1]]
        assert m2p(spaced, "PUT", G4, U4) == 204
        assert m2p(spaced, "PUT", G6, U6) == 204
        for nic in ("cxgbe0", "cxgbe1"):
            assert let_in(here, nic) == {MAC4, MAC6, U4, U6}
            assert let_in(there, nic) == set()
        assert m2p(spaced, "DELETE", G4, U4) == 204
        assert [let_in(here, nic) for nic in ("cxgbe0", "cxgbe1")] == [{MAC6, U6}] * 2
        assert spaced.state()["nic_filters"] == "netns"

    def test_filters_end_with_the_rack(self, beneath: Any) -> None:
        """The namespaces of a rack that has stopped show none."""
        with running(small_rack(), nics=beneath) as rack, httpx.Client() as client:
            m2p(Talk(rack, client), "PUT", G4, U4)
            assert let_in(beneath.namespaces[HERE], "cxgbe0") == {MAC4, U4}
        assert let_in(beneath.namespaces[HERE], "cxgbe0") == set()

    def test_a_restart_opens_them_again(self, spaced: Talk) -> None:
        """After a restart the filter is there as before, after a reboot it is gone."""
        here = spaced.rack.namespaces[HERE]
        m2p(spaced, "PUT", G4, U4)
        spaced.restart(f"sled {HERE}", keep_state=True)
        assert [let_in(here, nic) for nic in ("cxgbe0", "cxgbe1")] == [{MAC4, U4}] * 2
        spaced.restart(f"sled {HERE}", keep_state=False)
        assert [let_in(here, nic) for nic in ("cxgbe0", "cxgbe1")] == [set()] * 2

    def test_the_network_of_the_system_is_left_alone(self, spaced: Talk) -> None:
        """No NIC and no group of a sled shows outside its namespace."""
        m2p(spaced, "PUT", G4, U4)
        outside = ip("maddr", "show")
        assert MAC4 not in outside
        assert "cxgbe" not in outside

    def test_a_group_takes_one_file_whatever_the_number_of_nics(self, beneath: Any) -> None:
        """As on a real sled one socket joins on every NIC."""
        membership = beneath.membership(HERE, Address.parse(U4))
        membership.join("cxgbe0")
        before = open_files()
        membership.join("cxgbe1")
        assert open_files() == before
        assert [let_in(beneath.namespaces[HERE], nic) for nic in ("cxgbe0", "cxgbe1")] == [{MAC4, U4}] * 2
        membership.leave()


class TestBrokenNics:
    """A NIC that the system really lacks."""

    def test_all_nics_or_none(self, spaced: Talk) -> None:
        """Without the second NIC the first one leaves again and the mapping goes; a snapshot brings the NIC back."""
        here = spaced.rack.namespaces[HERE]
        ip("-n", here, "link", "del", "cxgbe1")
        assert m2p(spaced, "PUT", G4, U4) == 500
        assert (listed(spaced), let_in(here, "cxgbe0")) == ([], set())
        ok(spaced.control("PUT", "/snapshot", snapshot_document(small_rack())))
        assert m2p(spaced, "PUT", G4, U4) == 204
        assert let_in(here, "cxgbe1") == {MAC4, U4}

    def test_a_mapping_that_cannot_be_joined_again_is_cleared(self, spaced: Talk) -> None:
        """When sled-agent starts without the NIC the mapping is missing from the list, for somebody to mend."""
        here = spaced.rack.namespaces[HERE]
        m2p(spaced, "PUT", G4, U4)
        ip("-n", here, "link", "del", "cxgbe1")
        spaced.restart(f"sled {HERE}", keep_state=True)
        assert (listed(spaced), let_in(here, "cxgbe0")) == ([], set())


class TestWiring:
    """NICs are those of the snapshot."""

    def test_nics_follow_the_snapshot(self, spaced: Talk) -> None:
        """A NIC that goes, comes back, or takes the place of another one."""
        here = spaced.rack.namespaces[HERE]
        for nics in (("cxgbe1",), ("cxgbe1", "igb0"), ("cxgbe0", "cxgbe1")):
            rows = small_rack(sleds=(sled(0, underlay_nics=nics), sled(1), sled(2)))
            ok(spaced.control("PUT", "/snapshot", snapshot_document(rows)))
            assert len(links(here)) == 1 + 2 * len(nics)
            m2p(spaced, "PUT", G4, U4)
            assert [let_in(here, nic) for nic in nics] == [{MAC4, U4}] * len(nics)
            m2p(spaced, "DELETE", G4, U4)

    def test_names_that_no_interface_has_are_refused(self) -> None:
        """All of them at once, each with its place."""
        names = ("", ".", "a b", "lo", "net0/1", "sixteen-letters0", "t%d", "wire0")
        rows = small_rack(sleds=(sled(0), sled(1, underlay_nics=tuple(sorted(names))), sled(2)))
        with pytest.raises(InputRejectedError) as refusal, namespaces(rows):
            pass
        assert {mistake.path for mistake in refusal.value.mistakes} == {"sleds[1].underlay_nics"}
        assert len(refusal.value.mistakes) == len(names)
        with namespaces(small_rack(sleds=(sled(0, underlay_nics=("fifteen-letter0",)), sled(1), sled(2)))) as nics:
            assert "fifteen-letter0" in links(nics.namespaces[HERE])


class TestEnds:
    """Nothing is left over."""

    def test_namespaces_end_with_the_context(self) -> None:
        """One for each sled while it lasts, none afterwards."""
        with namespaces(own_rack()) as nics:
            assert len(ours()) == 3
            assert set(nics.namespaces.values()) == ours()
        assert ours() == set()

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_what_was_made_goes_if_the_rest_cannot_be_made(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Files run out at the first namespace or at a later one; no name and no open file stays."""
        monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1 << 20)
        files = len(open_files())
        refused = pytest.raises(InputRejectedError, match="cannot be made: Too many open files")
        with files_left(count), refused, namespaces(own_rack()):
            pass
        assert (ours(), len(open_files())) == (set(), files)

    def test_a_name_goes_whose_namespace_cannot_be_mounted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name is made first; it does not stay without a namespace."""
        monkeypatch.setattr("simrack.namespaces.get_native_id", lambda: 0)
        with pytest.raises(InputRejectedError, match="cannot be made: mount failed"), namespaces(own_rack()):
            pass
        assert ours() == set()

    def test_a_file_limit_that_is_too_low_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A socket for each group and sled; the numbers, and what to do instead."""
        monkeypatch.setattr("simrack.nics.raise_file_limit", lambda: 1029)
        told = "2 groups on 3 sleds need 1,030 open files, .* the hard limit is 1,029; .* --filters counted"
        with pytest.raises(InputRejectedError, match=told), namespaces(small_rack()):
            pass


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    path = str(tmp_path / "snapshot.json")
    write_snapshot(path, own_rack())
    return [sys.executable, "-m", "rackcast", "sim", path, "--netns"]


def started(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait until the rack is ready; return the namespaces by sled."""
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "the rack ended before it was ready"
    names: dict[str, str] = json.loads(first)["netns"]
    assert set(names) == set(map(str, OWN))
    assert set(names.values()) == ours()
    return names


class TestCommand:
    """`rackcast sim --netns`."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_ends_its_namespaces(self, command: list[str], number: signal.Signals) -> None:
        """Its first line names them; they are gone when it has ended."""
        with begun(command) as process:
            started(process)
            process.send_signal(number)
            assert process.wait(timeout=PATIENCE) == 0
        assert ours() == set()

    def test_a_signal_while_it_starts_does_too(self, command: list[str]) -> None:
        """As soon as there is a first namespace."""
        with begun(command) as process:
            deadline = monotonic() + PATIENCE
            while not ours():
                assert monotonic() < deadline
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
        assert ours() == set()

    def test_the_next_rack_removes_what_a_killed_one_left(self, command: list[str], beneath: Any) -> None:
        """Those of racks that run stay."""
        alive = set(beneath.namespaces.values())
        with begun(command) as process:
            names = started(process)
            process.kill()
        assert set(names.values()) == ours()
        with begun(command) as process:
            started(process)
            assert not set(names.values()) & everybodys()
            assert alive <= everybodys()
            process.terminate()
            assert process.wait(timeout=PATIENCE) == 0
            assert process.stderr is not None
            told = process.stderr.read()
        assert re.search("removed [0-9]+ network namespaces that a killed rack had left behind", told)

    def test_without_the_rights_it_says_so(self, command: list[str]) -> None:
        """Refused with 7, before it listens."""
        if shutil.which("setpriv") is None:
            pytest.skip("there is no command setpriv to give up rights with")
        weak = ["setpriv", "--bounding-set", "-sys_admin,-net_admin", *command]
        ending = subprocess.run(weak, capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE)
        assert (ending.returncode, ending.stdout) == (7, "")
        assert "network namespaces: cannot be made" in ending.stderr
        assert "it takes the rights of root" in ending.stderr
