"""What cannot be sent, where nothing can be sent to, and what no text from outside can do."""

import asyncio
import re
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv6Network
from pathlib import Path
from unicodedata import category

import httpx
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints import strict
from blueprints.errors import BadAnswerError, InputRejectedError, Mistake, SilentError
from blueprints.files import write_blueprint, write_endpoints
from blueprints.run_report import Outcome
from blueprints.snapshot import GroupState
from executor.answers import answer_from
from executor.apis import PERMITTED, Api, permits
from executor.discovery import discover
from executor.names import Names, parse_server
from executor.reach import Reach
from rackcast.saying import HIDDEN, safe, say_rejected, say_unexpected
from tests.executor.bench import QUICK, Bench, planned
from tests.rackcast.conftest import Run
from tests.rackcast.conftest import run as run  # noqa: PLC0414 (a fixture, lent)
from tests.simrack.rows import G6, GROUP6, SLEDS, group, small_rack

EXECUTOR = Path(__file__).parents[2] / "executor"
DESTRUCTIVE = re.compile(
    r"all-settings|/multicast/untagged|/multicast/tags|reset|/sync\b|multicast_group\b|link-history"
)
"""What wipes more than one object of ours, in the APIs of the daemons that are spoken to."""

APIS = {"dpd": Api.DPD, "mgd": Api.MGD, "sled": Api.SLED_AGENT}
ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\nforged: line"


# --- what can be sent -----------------------------------------------------------------------------------------------


def test_no_path_that_wipes_a_device_stands_in_the_code() -> None:
    """Not in the allow-list, not in a template, not in a string that could be put together to one."""
    found = [
        (path.name, line.strip())
        for path in sorted(EXECUTOR.rglob("*.py"))
        for line in path.read_text().splitlines()
        if DESTRUCTIVE.search(line.partition("#")[0]) and re.search(r"""["'`]/|f["']/""", line)
    ]
    assert found == []
    assert [pattern.pattern for pattern in PERMITTED.values() if DESTRUCTIVE.search(pattern.pattern)] == []


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]),
    parts=st.lists(
        st.sampled_from(
            [
                "multicast",
                "groups",
                "all-settings",
                "tags",
                "untagged",
                "..",
                ".",
                "",
                "ff04::1",
                "233.252.0.1",
                "%2e%2e",
            ]
        ),
        max_size=5,
    ),
    query=st.sampled_from(["", "?", "?tag=", "?tag=a", "?tag=a&tag=b", "?limit=1", "?tag=a#", "?x=1"]),
    api=st.sampled_from(list(Api)),
)
def test_nothing_is_deleted_but_one_group_by_its_tag(method: str, parts: list[str], query: str, api: Api) -> None:
    """However a path is put together, the only deletion that dpd can be sent names one address and one tag."""
    path = "/" + "/".join(parts) + query
    if api is Api.DPD and method == "DELETE" and permits(api, method, path):
        assert re.fullmatch(r"/multicast/groups/(ff04::1|233\.252\.0\.1)\?tag=a", path)
    if ".." in parts or "all-settings" in parts or "tags" in parts or "untagged" in parts:
        assert not permits(api, method, path)


WIPING = (
    ("DELETE", "/multicast/groups"),
    ("DELETE", "/multicast/groups/233.252.0.1"),
    ("DELETE", "/multicast/groups/ff04::1"),
    ("DELETE", "/multicast/groups/ff04::1?tag="),
    ("DELETE", "/multicast/tags/a"),
    ("DELETE", "/multicast/untagged"),
    ("DELETE", "/all-settings"),
    ("DELETE", "/all-settings/a"),
    ("POST", "/multicast/groups"),
    ("PUT", "/multicast/underlay-groups/ff04::1"),
    ("PUT", "/multicast/external-groups/233.252.0.1"),
)
"""Calls of dpd that take more than one group of ours, or one whose owner nobody named."""


@pytest.mark.parametrize(("method", "path"), WIPING)
@pytest.mark.parametrize("api", list(Api))
def test_calls_that_wipe_or_name_no_owner_are_in_no_list(api: Api, method: str, path: str) -> None:
    """Each by name, for chance may not come upon it."""
    assert not permits(api, method, path)


def test_the_calls_of_a_whole_life_are_all_in_the_allow_list(bench: Bench) -> None:
    """Built, changed, healed, taken away: every call that reached a daemon is permitted, and none wipes a device."""
    first = planned(small_rack())
    ended = evolve(
        small_rack(),
        groups=[small_rack().groups[0], group(GROUP6, G6, state=GroupState.DELETING)],
        members=small_rack().members[:3],
    )
    assert bench.run(first).outcome is Outcome.CONVERGED
    bench.enter(ended)
    assert bench.run(planned(ended, first)).outcome is Outcome.CONVERGED
    bench.fault("switch0 dpd", "restart_empty", method="GET")
    bench.run(planned(ended, first))
    assert bench.run(planned(ended, first)).outcome is Outcome.CONVERGED
    calls = [call for call in bench.control("GET", "/calls") if not call["target"].startswith("dns")]
    assert {call["method"] for call in calls} == {"GET", "PUT", "POST", "DELETE"}
    for call in calls:
        api = APIS[call["target"].split()[-1] if call["target"].startswith("switch") else "sled"]
        assert permits(api, call["method"], call["path"]), call
        assert not DESTRUCTIVE.search(call["path"]), call


def test_a_redirect_is_an_answer_and_its_place_is_never_asked(bench: Bench) -> None:
    """Neither for reads nor for writes, whatever kind of redirect it is."""
    for status in (301, 302, 307, 308):
        bench.fault("switch0 mgd", "status", status=status, times=1, method="PUT")
        report = bench.run(planned(small_rack()))
        assert {sent.status for sent in report.actions if str(sent.call.target) == "switch0 mgd"} == {status}
        bench.reset(small_rack())


# --- where to -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "named", "address", "allowed"),
    [
        ("fd00:1122:3344:1::1", (), "fd00:1122:3344:101::2", True),
        ("fd00:1122:3344:1::1", (), "::1", False),
        ("::1", (), "::1", True),
        ("127.0.0.1", (), "::1", True),
        ("::1", (), "fc00::1", False),
        ("::1", (), "2001:db8::1", False),
        ("::1", (), "::ffff:169.254.169.254", False),
        ("::1", (), "fe80::1", False),
        ("::1", (), "fd00::1%eth0", False),
        ("::1", ("fd00:1122:3344:100::/56",), "fd00:1122:3344:101::2", True),
        ("::1", ("fd00:1122:3344:100::/56",), "fd00:1122:3344:200::2", False),
        ("::1", ("fd00:1122:3344:100::/56",), "::1", False),
        ("fd00::1", ("2001:db8::/32",), "2001:db8::5", True),
    ],
)
def test_dns_leads_only_where_racks_are(server: str, named: Iterable[str], address: str, allowed: bool) -> None:
    """The usual prefix, loopback on the word of loopback alone, or exactly what the user named."""
    reach = Reach.of(server, map(IPv6Network, named))
    if allowed:
        assert str(reach.address("a", address)) == address
    else:
        with pytest.raises(BadAnswerError, match="outside the rack"):
            reach.address("a", address)


@pytest.mark.parametrize(
    ("port", "allowed"), [(12224, True), (1024, True), (65535, True), (53, False), (1023, False)]
)
def test_dns_leads_to_no_port_of_the_system(port: int, allowed: bool) -> None:
    """Daemons of a rack need no privilege to listen."""
    if allowed:
        assert Reach.of("::1").port("a", port) == port
    else:
        with pytest.raises(BadAnswerError, match=f"port {port}"):
            Reach.of("::1").port("a", port)


def test_a_name_with_one_address_outside_is_not_called_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the lowest of several that decides."""

    class Record:
        def __init__(self, address: str) -> None:
            self.address = address

    async def ask(*_: object) -> list[Record]:
        return [Record("::1"), Record("2001:db8::1")]

    monkeypatch.setattr(Names, "_ask", ask)
    with pytest.raises(BadAnswerError, match="2001:db8::1, outside"):
        asyncio.run(Names("::1", 53).address_of("a"))


@pytest.mark.parametrize("text", ["fe80::1%eth0", "[fe80::1%1]:53", "fd00::1%lo"])
def test_a_name_server_with_a_zone_id_is_refused(text: str) -> None:
    """An address that means another machine on each link is none of a rack."""
    with pytest.raises(InputRejectedError):
        parse_server(text)


def test_prefixes_that_are_named_are_gone_by(bench: Bench) -> None:
    """A rack on loopback is not found within a prefix that loopback is not in, and it is said why."""
    with pytest.raises(SilentError, match="outside the rack"):
        asyncio.run(discover(bench.rack.dns, SLEDS, limits=QUICK, prefixes=[IPv6Network("fd00:1::/32")]))


def test_the_option_for_prefixes_goes_with_dns(run: Run, bench: Bench, tmp_path: Path) -> None:
    """Named where it has no effect it is wrong usage; named with DNS it holds."""
    endpoints = tmp_path / "endpoints.json"
    write_endpoints(str(endpoints), bench.rack.endpoints)
    assert run("observe", "--endpoints", endpoints, "--allow-prefix", "fd00::/8").code == 2
    assert run("observe", "--dns", bench.rack.dns, "--allow-prefix", "fd00::/129").code == 2
    assert run("observe", "--dns", bench.rack.dns, "--allow-prefix", "fd00:1::/32").code == 4
    assert run("observe", "--dns", bench.rack.dns, "--allow-prefix", "::1/128").code == 4  # DNS lists no sleds
    assert "outside the rack" not in run("observe", "--dns", bench.rack.dns, "--allow-prefix", "::1/128").out


# --- what is answered -----------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
PARSE = partial(strict.parse_json, depth=QUICK.answer_depth)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 40 + b"]" * 40,
        b"1" * 100_000,
        b'{"a": 1, "a": 2}',
        b"\xef\xbb\xbf[]",
        b"[NaN]",
        b'"\xff"',
    ],
    ids=["deep", "deeper than allowed", "a long number", "a key twice", "a mark", "no number", "no UTF-8"],
)
def test_json_that_is_none_or_costs_too_much_is_refused(content: bytes) -> None:
    """In a success it is a bad answer as a whole; in an error it explains nothing, and does no harm."""
    with pytest.raises(BadAnswerError):
        answer_from(httpx.Response(200, headers=JSON), content, PARSE)
    error = answer_from(httpx.Response(500, headers=JSON), content, PARSE)
    assert error.message in ("", "an error without explanation")


def test_an_error_explains_itself_in_words_alone() -> None:
    """What stands where words should is left out."""
    said = b'{"message": {"a": [1]}, "error_code": "full"}'
    assert answer_from(httpx.Response(507, headers=JSON), said, PARSE).message == "full"


# --- what is shown --------------------------------------------------------------------------------------------------


@given(text=st.text())
def test_nothing_that_is_shown_can_steer_a_terminal(text: str) -> None:
    """Whatever category a character is of, only such are shown that a terminal shows."""
    assert all(category(char) not in HIDDEN for char in safe(text))


def plain(text: str) -> bool:
    """Return whether a terminal would only show *text*, line by line."""
    return all(category(char) not in HIDDEN for line in text.splitlines(keepends=True) for char in line.rstrip("\n"))


def test_what_daemons_say_is_shown_as_it_is_and_does_nothing(bench: Bench, run: Run, tmp_path: Path) -> None:
    """An error whose words would clear the screen and forge a line: in the report, in JSON, on standard error."""
    blueprint, endpoints = tmp_path / "blueprint.json", tmp_path / "endpoints.json"
    write_blueprint(str(blueprint), planned(small_rack()))
    write_endpoints(str(endpoints), bench.rack.endpoints)
    bench.fault("switch0 dpd", "status", status=500, error_code=ESCAPE, times=None)
    bench.fault(f"sled {SLEDS[0]}", "status", status=500, error_code=ESCAPE, method="PUT", times=None)
    for command in (("execute", blueprint), ("diff", blueprint, "--rack"), ("observe",)):
        for option in ((), ("--json",)):
            ended = run(*command, "--endpoints", endpoints, *option)
            assert "owned" in ended.out, command
            assert plain(ended.out), command
            assert plain(ended.err), command
            assert not any(line.startswith("forged") for line in (ended.out + ended.err).splitlines()), command


def test_what_is_rejected_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake is one line, whatever stands in it."""
    say_rejected(InputRejectedError("file", [Mistake("a\nb", ESCAPE), Mistake("c", "d")]))
    said = capsys.readouterr().err
    assert plain(said)
    assert len(said.splitlines()) == 3


def test_only_one_module_prints_lines() -> None:
    """Everything else says what it has to say through it, or in tables whose cells pass the same function."""
    package = Path(__file__).parents[2] / "rackcast"
    printing = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"click\.(echo|secho)\(|(?<![.\w])print\(|sys\.(stdout|stderr)\.write", path.read_text())
    }
    # JSON is escaped where it is made.
    assert printing == {"saying.py", "output.py", "commands/sim.py"}


@pytest.mark.parametrize("package", ["collector", "executor", "rackcast", "simrack"])
def test_no_client_goes_by_proxies_of_its_surroundings(package: str) -> None:
    """Whoever sets a variable of the environment must not lead requests elsewhere: of a demo neither."""
    made = [
        call
        for path in sorted((EXECUTOR.parent / package).rglob("*.py"))
        for call in re.findall(r"httpx\.(?:Async)?Client\([^)]*\)", path.read_text())
    ]
    assert [call for call in made if "trust_env=False" not in call] == []


def unexpected() -> None:
    """Fail with text from outside."""
    raise RuntimeError(ESCAPE)


def test_an_error_that_nobody_expected_is_shown_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """The traceback of a bug can hold what a daemon said."""
    try:
        unexpected()
    except RuntimeError as error:
        say_unexpected(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert plain(said)
