"""The runner itself: what it compares, what it skips, what it says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner, Result

from simrack.rack import SimulatedRack
from simrack.web.listeners import listening_socket, port_of, url_of
from tests.conformance.__main__ import main
from tests.conformance.case import Case, cases_of
from tests.conformance.conftest import PLACES
from tests.conformance.matching import among, at, filled, filled_path, part, whole
from tests.conformance.runner import run
from tests.conformance.targets import Target, UnreachableError, target_of

Json = Any

ADDRESS = "ff04::db8:1"
CREATE: Json = {
    "POST": "/multicast/underlay-groups",
    "send": {"group_ip": ADDRESS, "members": [], "tag": "rackcast-conformance:one"},
    "status": 201,
}
CLEANUP = [{"DELETE": "/multicast/tags/rackcast-conformance:one"}]


def case(folder: Path, *steps: Json, **fields: Json) -> Case:
    path = folder / "dpd" / "case.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        yaml.safe_dump({"shows": "A.", "source": "here", "cleanup": CLEANUP, "steps": [*steps], **fields})
    )
    (made,) = cases_of(path)
    return made


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": "any"}, {"a": None}),
        ([1, "any text"], [1, "x"]),
        ({"a": "absent"}, {}),
        ("any uuid", "5f0c9d3e-8b1a-4a9e-9b4c-2d7b0d1c6a11"),
        ("any time", "2026-01-05T10:11:12.123456Z"),
        (None, None),
    ],
)
def test_what_is_the_same(due: Json, found: Json) -> None:
    """A value is due itself, or by a word that stands for it."""
    assert list(whole(due, found)) == list(part(due, found)) == []


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": "any"}, {}),
        ({"a": "absent"}, {"a": None}),
        ({"a": [1]}, {"a": {}}),
        ("any integer", True),
        ("any integer", "1"),
        ("any text", ""),
        ("any uuid", 7),
        ("any time", "noon"),
        ("any list", {}),
        ([1, 2], [1]),
        (None, 0),
    ],
)
def test_what_differs(due: Json, found: Json) -> None:
    """Another type is another value, and a word stands for nothing else."""
    assert list(whole(due, found)) != []
    assert list(part(due, found)) != []


def test_part_and_whole_and_among() -> None:
    """In part there may be more; whole there may not; among the items of a list there may be none such."""
    assert list(whole({"a": 1}, {"a": 1, "b": 2})) == ["answer.b: not expected, found 2"]
    assert list(part({"a": 1}, {"a": 1, "b": 2})) == []
    assert list(whole([1], [1, 2])) != []
    assert list(part([2], [1, 2])) == []
    assert list(part([{"a": 1}], [{"a": 2}, {"a": 1, "b": 1}])) == []
    assert list(part([3], [1, 2])) != []
    assert list(among({"a": 1}, [{"a": 2}])) == []
    assert list(among({"a": 1}, [{"a": 1, "b": 1}])) != []
    assert list(among({"a": 1}, {})) != []


def test_names_are_filled_in() -> None:
    """A name alone keeps its type, a name in a text becomes text, and in a path it is encoded."""
    names = {"id": 7, "port": {"link": 0}, "tag": "a b:c"}
    assert filled({"a": "$id", "b": ["$port"], "c": "x$id"}, names) == {"a": 7, "b": [{"link": 0}], "c": "x7"}
    assert filled_path("/tags/$tag?limit=$id", names) == "/tags/a%20b:c?limit=7"
    assert at({"a": [{"b": 1}]}, "a.0.b") == 1
    with pytest.raises(KeyError):
        filled("$nothing", names)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ({"GET": f"/multicast/groups/{ADDRESS}", "status": 404}, "expected 404, found 200"),
        ({"GET": f"/multicast/groups/{ADDRESS}", "status": 200, "has": {"kind": "external"}}, "answer.kind"),
        ({"GET": f"/multicast/groups/{ADDRESS}", "status": 200, "answer": {"kind": "any"}}, "not expected"),
        ({"GET": "/multicast/tags/rackcast-conformance:one", "status": 200, "lacks": {}}, "expected a list"),
        ({"GET": f"/multicast/groups/{ADDRESS}", "status": 200, "keep": {"x": "nowhere"}}, "nothing at nowhere"),
        ({"DELETE": "/multicast/tags/rackcast-conformance:one", "status": 204, "has": {}}, "expected JSON"),
    ],
)
def test_a_difference_is_told_with_its_step(
    tmp_path: Path, targets: Mapping[str, Target], http: httpx.Client, last: Json, told: str
) -> None:
    """Number, method and path of the step, then what was due and what was found; the steps after it are not taken."""
    made = case(tmp_path, CREATE, last, {"GET": "/multicast/nothing", "status": 200})
    result = run(http, made, targets["dpd"])
    assert result.calls == 2
    assert result.differences[0].startswith("step 2, ")
    assert told in result.differences[0]


def test_it_cleans_up_before_and_after_whatever_happens(
    tmp_path: Path, targets: Mapping[str, Target], http: httpx.Client
) -> None:
    """Leftovers of an earlier run are in nobody's way, and a case that differs leaves none."""
    http.post(targets["dpd"].url + CREATE["POST"], json=CREATE["send"], headers={"api-version": "13.0.0"})
    made = case(tmp_path, CREATE, {"GET": "/multicast/nothing", "status": 200})
    assert len(run(http, made, targets["dpd"]).differences) == 1
    left = http.get(f"{targets['dpd'].url}/multicast/groups", headers={"api-version": "13.0.0"})
    assert left.json()["items"] == []


def test_what_is_needed_or_risky_is_skipped_with_the_reason(
    tmp_path: Path, targets: Mapping[str, Target], http: httpx.Client
) -> None:
    """A case that lacks a VMM, that may leave something behind, or whose daemon is not there, is not different."""
    nobody = Target(url=targets["dpd"].url, version="13.0.0")
    assert "--vmm" in str(run(http, case(tmp_path, CREATE, needs=["vmm"]), nobody).skipped)
    risky = case(tmp_path, CREATE, risk="rows stay")
    assert run(http, risky, nobody).skipped == "risky: rows stay"
    assert run(http, risky, nobody, risky=True).skipped is None
    assert run(http, case(tmp_path, CREATE), "not asked for").skipped == "not asked for"


def test_a_daemon_that_goes_away_is_skipped(tmp_path: Path, http: httpx.Client) -> None:
    """No answer says nothing about what the answer would be."""
    with listening_socket() as sock:
        url = url_of(port_of(sock))
    result = run(http, case(tmp_path, CREATE), Target(url=url, version="13.0.0"))
    assert (result.differences, result.calls) == ((), 0)
    assert "ConnectError" in str(result.skipped)


def test_an_older_daemon_is_spoken_to_in_its_version(rack: SimulatedRack, http: httpx.Client) -> None:
    """Versions that it is too old for are passed over; one that was asked for is not."""
    assert target_of(http, "sled_agent", rack.url(PLACES["sled_agent"]), None, {}).version == "49.0.0"
    with pytest.raises(UnreachableError):
        target_of(http, "sled_agent", rack.url(PLACES["sled_agent"]), "50.0.0", {})


BAD: tuple[Json, ...] = (
    [],
    {"shows": "A.", "source": "here", "steps": [{"status": 200}]},
    {"shows": "A.", "source": "here", "steps": [{"GET": "/x"}]},
    {"shows": "A.", "source": "here", "steps": [{"GET": "/x", "PUT": "/x", "status": 200}]},
    {"shows": "A.", "source": "here", "steps": [{"GET": "/x", "status": 200, "stauts": 1}]},
    {"shows": "A.", "source": "here", "steps": [], "colour": "green"},
)


@pytest.mark.parametrize("content", BAD)
def test_a_file_that_is_no_case_is_refused(tmp_path: Path, content: Json) -> None:
    """A misspelt field would otherwise check nothing."""
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"case\.yaml"):
        list(cases_of(path))


class TestCommand:
    """The command line."""

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(main, words)

    def test_all_the_same_is_0(self, rack: SimulatedRack) -> None:
        """The numbers are told; what was not asked for is skipped with that reason."""
        told = self.call("--mgs", rack.url(PLACES["mgs"]), "--mgd", rack.url(PLACES["mgd"]), "--only", "mg")
        assert told.exit_code == 0, told.output
        assert "0 different; 0 not compared" in told.output

    def test_a_difference_is_1_and_in_the_table(self, rack: SimulatedRack) -> None:
        """A ddmd in the place of mgd answers otherwise."""
        told = self.call("--mgs", rack.url(PLACES["ddmd"]), "--only", "mgs/switch_id")
        assert told.exit_code == 1
        assert "mgs/switch_id" in told.output
        assert "expected 200, found 404" in told.output

    def test_nothing_compared_is_3(self) -> None:
        """Silence proves nothing, so it is no success, and no difference either."""
        with listening_socket() as sock:
            url = url_of(port_of(sock))
        told = self.call("--mgd", url)
        assert told.exit_code == 3
        assert "unreachable" in told.output
        assert "Different" not in told.output

    def test_a_version_can_be_asked_for(self, rack: SimulatedRack) -> None:
        """Another version of a daemon has other answers: an mgd of before multicast has no routes."""
        url = rack.url(PLACES["mgd"])
        assert self.call("--mgd", url, "--only", "mgd/add_and_read").exit_code == 0
        told = self.call("--mgd", url, "--only", "mgd/add_and_read", "--api-version", "mgd=12.0.0")
        assert (told.exit_code, "found 404" in told.output) == (1, True)

    @pytest.mark.parametrize("words", [(), ("--mgd", "http://[::1]:1", "--api-version", "x=1"), ("--colour",)])
    def test_wrong_usage_is_2(self, words: tuple[str, ...]) -> None:
        """No daemon, an unknown one, or an unknown option."""
        assert self.call(*words).exit_code == 2
