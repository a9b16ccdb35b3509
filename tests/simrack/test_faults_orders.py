"""Which calls a fault strikes, and orders as documents."""

from collections.abc import Callable
from typing import Any

import pytest

from blueprints.errors import InputRejectedError
from simrack.fault_orders import FaultReader
from simrack.web.faults import Fault, Faults
from tests.simrack.program import ok
from tests.simrack.rows import SLEDS
from tests.simrack.talk import Json, Talk

DPD = "switch0 dpd"
TARGETS = (DPD, "switch1 dpd", f"sled {SLEDS[0]}", "dns")
HEAD = {"format": "rackcast.faults/1"}


def rejected(read: Callable[[], Any]) -> list[str]:
    """Return the mistakes that *read* tells, each as one line."""
    with pytest.raises(InputRejectedError) as error:
        read()
    return [str(mistake) for mistake in error.value.mistakes]


def struck(faults: Faults, calls: list[str]) -> list[str]:
    """Return the paths of *calls* that a fault spoils."""
    return [path for path in calls if faults.take(DPD, "GET", path) is not None]


class TestWhich:
    """Which calls are struck."""

    def test_the_first_may_pass(self) -> None:
        """Two calls that fit pass, two are struck; calls that do not fit count for nothing."""
        faults = Faults()
        faults.add(Fault(target=DPD, kind="refuse", times=2, skip=2, path="/a"))
        assert struck(faults, ["/a1", "/b", "/a2", "/a3", "/b", "/a4", "/a5"]) == ["/a3", "/a4"]
        assert faults.orders == ()

    def test_a_pattern_is_many_targets(self) -> None:
        """One order for all sleds, counted over all of them."""
        faults = Faults()
        faults.add(Fault(target="sled *", kind="refuse", times=2))
        assert faults.take(DPD, "GET", "/") is None
        assert all(faults.take(f"sled {sled}", "GET", "/") is not None for sled in SLEDS[:2])
        assert faults.take(f"sled {SLEDS[2]}", "GET", "/") is None

    def test_a_span_is_on_the_racks_clock(self) -> None:
        """Not before, and not from its end on, however many times are left."""
        time = 0.0
        faults = Faults(lambda: time)
        faults.add(Fault(target=DPD, kind="refuse", times=None, since=10, until=20))
        strikes = []
        for moment in (0, 9.9, 10, 19.9, 20, 10):
            time = moment
            strikes.append(faults.take(DPD, "GET", "/") is not None)
        assert strikes == [False, False, True, True, False, False]
        assert faults.orders == ()

    def test_spans_hold_within_daemons_too(self) -> None:
        """A NIC fails later; a chance holds there as well."""
        time = 0.0
        faults = Faults(lambda: time)
        faults.add(Fault(target="sled *", kind="nic_join", times=None, since=5, nic="cxgbe0"))
        assert not faults.strikes("sled a", "nic_join", "cxgbe0")
        time = 5.0
        assert faults.strikes("sled a", "nic_join", "cxgbe0")
        assert not faults.strikes("sled a", "nic_join", "cxgbe1")

    def test_chance_follows_from_the_seed(self) -> None:
        """The same seed strikes the same calls, another one others, about as many as the chance says."""
        paths = [f"/{number}" for number in range(1000)]

        def drawn(seed: int, chance: float = 0.3) -> list[str]:
            faults = Faults()
            faults.add(Fault(target=DPD, kind="refuse", times=None, chance=chance, seed=seed))
            return struck(faults, paths)

        assert drawn(7) == drawn(7)
        assert drawn(7) != drawn(8)
        assert 250 < len(drawn(7)) < 350
        assert (drawn(7, 0.0), drawn(7, 1.0)) == ([], paths)

    def test_chance_does_not_follow_from_the_order_of_calls(self) -> None:
        """Two clients that overtake each other meet the same faults, and a call that is made again another draw."""
        paths = [f"/{number % 50}" for number in range(500)]

        def drawn(calls: list[str]) -> list[str]:
            faults = Faults()
            faults.add(Fault(target=DPD, kind="refuse", times=None, chance=0.5))
            return sorted(struck(faults, calls))

        assert drawn(paths) == drawn(paths[::-1])
        assert 0 < drawn(paths).count("/0") < 10

    def test_the_name_server_meets_only_what_it_plays(self) -> None:
        """A pattern for everything leaves it alone where the kind means nothing to it."""
        faults = Faults()
        faults.add(Fault(target="*", kind="stalled_head", times=None))
        faults.add(Fault(target="*", kind="refuse", times=None))
        taken = faults.take("dns", "SRV", "x")
        assert taken is not None
        assert taken.kind == "refuse"


class TestDocument:
    """`rackcast.faults/1`."""

    def read(self, *faults: Json, **head: Json) -> tuple[Fault, ...]:
        return FaultReader(TARGETS).document({**HEAD, "faults": list(faults), **head}, "f.yaml")

    def test_faults_are_read_in_order(self) -> None:
        """With all that they say; what they leave out is as in a single order."""
        first = {"target": DPD, "kind": "status", "status": 507, "times": None, "from": 10, "until": 20.5, "skip": 1}
        second = {"target": "sled *", "kind": "gzip_bomb", "method": "GET", "path": "/networking", "chance": 0.5}
        read = self.read(first, second)
        assert read[0] == Fault(target=DPD, kind="status", status=507, times=None, since=10, until=20.5, skip=1)
        assert (read[1].size, read[1].times, read[1].seed) == (64 << 20, 1, 0)
        assert {name: read[0].to_json()[name] for name in first} == first

    def test_the_documents_seed_is_for_those_without_one(self) -> None:
        """A fault of its own seed keeps it."""
        fault = {"target": DPD, "kind": "refuse", "chance": 0.5}
        assert [row.seed for row in self.read(fault, {**fault, "seed": 3}, seed=9)] == [9, 3]

    def test_every_mistake_is_told_with_its_path(self) -> None:
        """All of them at once, in the order of the file."""
        told = rejected(
            lambda: self.read(
                {"target": "switch7 dpd", "kind": "refuse"},
                {"target": DPD, "kind": "melt", "times": 0, "speed": 3},
                {"kind": "redirect"},
                "refuse",
                {"target": DPD, "kind": "set_field", "field": "a"},
                {"target": "dns", "kind": "records", "method": "SRV", "records": ["0 0 1 a.", "1 2"]},
                {"target": DPD, "kind": "refuse", "from": 5, "until": 5, "chance": 2},
                {"target": DPD, "kind": "refuse", "from": 5, "until": 5, "keep": 1},
                {"target": DPD, "kind": "another_call", "call": {"target": "x", "method": "GET", "path": "/"}},
                {"target": DPD, "kind": "another_call", "call": {"target": DPD, "method": "PATCH"}},
                {"target": DPD, "kind": "nic_join", "path": "/"},
                {"target": DPD, "kind": "redirect", "location": "/", "status": 200},
                sed=1,
            )
        )
        assert [line.split(": ")[0] for line in told] == [
            "sed",
            "faults[0].target",
            "faults[1].kind",
            "faults[1].times",
            "faults[1].speed",
            "faults[2].target",
            "faults[3]",
            "faults[4].value",
            "faults[5].records[1]",
            "faults[6].chance",
            "faults[7].keep",
            "faults[7].until",
            "faults[8].call",
            "faults[9].call",
            "faults[10].kind",
            "faults[10].path",
            "faults[11].status",
        ]
        assert "there are switch0 dpd, switch1 dpd" in told[1]

    @pytest.mark.parametrize(
        ("document", "path"),
        [
            ([], ""),
            ({"faults": []}, "format"),
            ({"format": "rackcast.faults/2", "faults": []}, "format"),
            (HEAD, "faults"),
            ({**HEAD, "faults": {}}, "faults"),
        ],
    )
    def test_another_document_is_refused(self, document: Json, path: str) -> None:
        """By what it lacks."""
        with pytest.raises(InputRejectedError) as error:
            FaultReader(TARGETS).document(document, "f.yaml")
        assert [mistake.path for mistake in error.value.mistakes] == [path]

    def test_it_replaces_all_faults_over_the_control_interface(self, talk: Talk) -> None:
        """What was ordered before is withdrawn; a wrong document changes nothing."""
        talk.fault(DPD, "refuse")
        rows = [{"target": "sled *", "kind": "status", "times": None}, {"target": "dns", "kind": "refuse"}]
        ok(talk.control("PUT", "/faults", {**HEAD, "faults": rows}))
        assert [row["kind"] for row in talk.control("GET", "/faults").json()] == ["status", "refuse"]
        wrong = talk.control("PUT", "/faults", {**HEAD, "faults": [*rows, {"target": DPD}]})
        assert (wrong.status_code, "faults[2].kind" in wrong.json()["message"]) == (400, True)
        assert len(talk.control("GET", "/faults").json()) == 2

    def test_a_span_is_kept_over_the_control_interface(self, talk: Talk) -> None:
        """On the rack's clock, which somebody moves."""
        ok(talk.control("PUT", "/time", {"held": True}))
        now = talk.control("POST", "/time", {"seconds": 0}).json()["now"]
        talk.fault(DPD, "status", times=None, **{"from": now + 10, "until": now + 20})
        statuses = []
        for _ in range(3):
            statuses.append(talk.dpd("GET", "/dpd-version").status_code)
            talk.advance(10)
        assert statuses == [200, 503, 200]
