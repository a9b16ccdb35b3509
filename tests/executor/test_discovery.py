"""Finding daemons through the simulated rack's own name server."""

import asyncio
from ipaddress import IPv6Address
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.errors import BadAnswerError, InputRejectedError, SilentError
from executor.discovery import Discovery, discover
from executor.names import Names, parse_server
from tests.executor.bench import QUICK, Bench
from tests.simrack.rows import SLEDS, SWITCH1


def found(bench: Bench, *sleds: UUID) -> Discovery:
    """Ask the rack's name server."""
    return asyncio.run(discover(bench.rack.dns, sleds or SLEDS, limits=QUICK))


def test_switch_zones_that_share_an_address_are_told_apart(bench: Bench) -> None:
    """Every daemon is found at its own port, although all of them share one address, under the name of its zone."""
    discovery = found(bench)
    assert discovery.silent == ()
    nowhere_inside = {
        slot: evolve(switch, underlay_address=None) for slot, switch in bench.rack.endpoints.switches.items()
    }
    assert discovery.endpoints.switches == nowhere_inside
    zones = [switch.zone for switch in discovery.endpoints.switches.values()]
    assert zones == [f"dendrite-{sled}.host.control-plane.oxide.internal" for sled in SLEDS[:2]]
    assert discovery.endpoints.sleds == bench.rack.endpoints.sleds


def test_a_sled_without_a_record_is_a_silence(bench: Bench) -> None:
    """The others are found, and the reason is said."""
    stranger = UUID(int=1)
    discovery = found(bench, SLEDS[0], stranger)
    assert list(discovery.endpoints.sleds) == [SLEDS[0]]
    assert [(s.target, s.reason.rpartition(" ")[2]) for s in discovery.silent] == [(f"sled {stranger}", "address")]


def test_a_switch_that_does_not_say_its_slot_is_asked_through_its_gateway(bench: Bench) -> None:
    """The management gateway knows the slot too."""
    bench.fault("switch1 dpd", "status", status=503, method="GET", times=None)
    assert SWITCH1 in found(bench).endpoints.switches


def test_a_switch_whose_slot_nobody_says_is_left_out(bench: Bench) -> None:
    """No slot is guessed from the one that is left."""
    bench.fault("switch1 dpd", "refuse", times=None)
    bench.fault("switch1 mgs", "refuse", times=None)
    discovery = found(bench)
    assert list(discovery.endpoints.switches) == ["switch0"]
    assert len(discovery.silent) == 1


@pytest.mark.parametrize("kind", ["refuse", "timeout_before", "status"])
def test_a_name_server_that_says_nothing_is_an_error(
    bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rack without daemons is never taken for one that needs nothing."""
    monkeypatch.setattr("executor.names._LOOK_UP_SECONDS", 0.3)
    bench.fault("dns", kind, times=None)
    with pytest.raises(SilentError):
        found(bench)


def test_questions_that_were_still_asked_say_nothing_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where one question fails while others are still asked, the error is all that is said."""

    async def services(_: object, name: str) -> dict[str, int]:
        try:
            await asyncio.sleep(0.0 if name.startswith("_dendrite") else 0.05)
        finally:
            raise SilentError(f"no answer about {name}")

    monkeypatch.setattr("executor.names.Names.services", services)
    with pytest.raises(SilentError, match="_dendrite"):
        asyncio.run(discover("[::1]:53", SLEDS, limits=QUICK))
    assert caplog.messages == []


def test_two_zones_that_claim_one_slot_are_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody decides which of them is right."""
    dpd = bench.rack.endpoints.switches[SWITCH1].dpd
    port = int(dpd.rpartition(":")[2])

    async def services(_: object, name: str) -> dict[str, int]:
        return {"one.host.": port, "two.host.": port} if name.startswith("_dendrite") else {}

    async def address_of(_: object, name: str) -> object:
        del name
        return IPv6Address("::1")

    monkeypatch.setattr("executor.names.Names.services", services)
    monkeypatch.setattr("executor.names.Names.address_of", address_of)
    with pytest.raises(BadAnswerError, match="both claim switch1"):
        found(bench)


def names_say(
    monkeypatch: pytest.MonkeyPatch, services: dict[str, dict[str, int]], addresses: dict[str, str]
) -> None:
    """Let DNS hold *services* (label to target and port) and *addresses* (target to address) and nothing else."""

    async def look_up_services(_: object, name: str) -> dict[str, int]:
        return services.get(name.partition(".")[0], {})

    async def look_up_address(_: object, name: str) -> IPv6Address | None:
        return IPv6Address(addresses[name]) if name in addresses else None

    monkeypatch.setattr("executor.names.Names.services", look_up_services)
    monkeypatch.setattr("executor.names.Names.address_of", look_up_address)


def slots_by_url(monkeypatch: pytest.MonkeyPatch, slots: dict[str, int]) -> list[str]:
    """Let only the daemons at these addresses say a slot; return the list that the asked addresses go to."""
    asked: list[str] = []

    async def read(url: str, *_: object) -> object:
        asked.append(url)
        if url in slots:
            return {"slot": slots[url]}
        raise SilentError("nobody is there")

    monkeypatch.setattr("executor.discovery._read", read)
    return asked


def test_a_zone_alone_at_its_address_is_asked_on_well_known_ports(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the record of dpd or of the gateway, both are still asked for the slot where a real rack has them."""
    names_say(monkeypatch, {"_mgd": {"a.host.": 4676}}, {"a.host.": "fd00:1122:3344:101::2"})
    asked = slots_by_url(monkeypatch, {"http://[fd00:1122:3344:101::2]:12225": 1})
    switch = found(bench).endpoints.switches[SWITCH1]
    assert asked == ["http://[fd00:1122:3344:101::2]:12224", "http://[fd00:1122:3344:101::2]:12225"]
    assert switch.dpd == "http://[fd00:1122:3344:101::2]:12224"
    assert (switch.zone, str(switch.underlay_address)) == ("a.host", "fd00:1122:3344:101::2")


def test_a_zone_that_shares_its_address_is_not_looked_for_on_well_known_ports(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose daemon would answer there nobody could tell: the zone without the record keeps its slot to itself."""
    services = {"_dendrite": {"a.host.": 1}, "_mgd": {"a.host.": 2, "b.host.": 3}, "_ddm": {"a.host.": 4}}
    names_say(monkeypatch, services, {"a.host.": "::1", "b.host.": "::1"})
    asked = slots_by_url(monkeypatch, {"http://[::1]:1": 0, "http://[::1]:12224": 1})
    discovery = found(bench)
    assert asked == ["http://[::1]:1"]
    assert list(discovery.endpoints.switches) == ["switch0"]
    assert {silence.target: silence.reason for silence in discovery.silent}["b.host."].startswith("no daemon")


@pytest.mark.parametrize(
    "text", ["", "host", "[::1", "[::1]x", "::1]:53", "127.0.0.1:0", "127.0.0.1:99999", "1.2.3.4:+5"]
)
def test_a_server_that_is_no_address_is_refused(text: str) -> None:
    """Names, broken brackets and impossible ports are the reader's to mend."""
    with pytest.raises(InputRejectedError):
        parse_server(text)


def test_only_two_slots_exist(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch that says another number contradicts the rack, and nothing is made of it."""

    async def seven(*_: object) -> object:
        return {"slot": 7}

    monkeypatch.setattr("executor.discovery._read", seven)
    with pytest.raises(BadAnswerError, match="slot 7"):
        found(bench)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("fd00:1122::2", True), ("::1", True), ("2001:db8::1", False), ("ff04::1", False), ("fe80::1", False)],
)
def test_addresses_outside_the_rack_are_not_called(
    address: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere is a bad answer."""

    class Record:
        def __init__(self) -> None:
            self.address = address

    async def ask(*_: object) -> list[Record]:
        return [Record()]

    monkeypatch.setattr(Names, "_ask", ask)
    look_up = Names("::1", 53).address_of("a.host")
    if allowed:
        assert str(asyncio.run(look_up)) == address
    else:
        with pytest.raises(BadAnswerError, match="outside the rack"):
            asyncio.run(look_up)


def test_a_name_with_two_ports_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that repeat each other are one; two ports for one daemon are a contradiction."""

    class Record:
        def __init__(self, port: int) -> None:
            self.target, self.port = "one.host.", port

    answers = [[Record(4676), Record(4676)], [Record(4676), Record(4677)]]

    async def ask(*_: object) -> list[Record]:
        return answers.pop(0)

    monkeypatch.setattr(Names, "_ask", ask)
    assert asyncio.run(Names("::1", 53).services("_mgd._tcp")) == {"one.host.": 4676}
    with pytest.raises(BadAnswerError, match="two ports"):
        asyncio.run(Names("::1", 53).services("_mgd._tcp"))
