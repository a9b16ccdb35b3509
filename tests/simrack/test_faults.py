"""Faults on order, and the calls on record."""

import time

import httpx
import pytest

from simrack.web.fault_kinds import FAULT_KINDS, Strikes
from simrack.web.faults import Fault, Faults
from simrack.web.spoils import SPOILS
from tests.simrack.program import ok, port
from tests.simrack.rows import G4, SLEDS, TAG4, U4
from tests.simrack.talk import Json, Talk

DPD, SLED = "switch0 dpd", f"sled {SLEDS[0]}"
UNDERLAYS = "/multicast/underlay-groups"
BODY = {"group_ip": U4, "members": [port(14)], "tag": TAG4}


def create(talk: Talk) -> httpx.Response:
    return talk.dpd("POST", UNDERLAYS, BODY)


def exists(talk: Talk) -> bool:
    return bool(talk.state()["switches"]["switch0"]["underlay_groups"])


def impatient(talk: Talk, timeout: float = 0.15) -> None:
    """Create the group and give up soon."""
    url = talk.rack.url(DPD) + UNDERLAYS
    talk.client.post(url, json=BODY, headers={"api-version": "13.0.0"}, timeout=timeout)


def test_refuse_closes_the_connection_without_the_effect(talk: Talk) -> None:
    """The client sees the connection end, and nothing was done."""
    talk.fault(DPD, "refuse")
    with pytest.raises(httpx.RemoteProtocolError):
        create(talk)
    assert not exists(talk)
    assert create(talk).status_code == 201


@pytest.mark.parametrize(("kind", "done"), [("timeout_before", False), ("timeout_after", True)])
def test_a_timeout_may_come_before_or_after_the_effect(talk: Talk, kind: str, done: bool) -> None:
    """The client cannot tell which."""
    talk.fault(DPD, kind)
    with pytest.raises(httpx.ReadTimeout):
        impatient(talk)
    assert exists(talk) is done
    assert create(talk).status_code == (409 if done else 201)


def test_an_effect_may_come_late(talk: Talk) -> None:
    """After the client gave up, and after a newer call of the same client."""
    talk.fault(DPD, "late_effect", interval=0.1)
    with pytest.raises(httpx.ReadTimeout):
        impatient(talk)
    assert create(talk).status_code == 201
    ok(talk.dpd("DELETE", f"/multicast/groups/{U4}?tag={TAG4}"))
    assert not exists(talk)
    deadline = time.monotonic() + 3
    while not exists(talk) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert exists(talk)


def test_a_status_replaces_the_effect(talk: Talk) -> None:
    """Any error status with its standard phrase, and a code if one is given."""
    talk.fault(DPD, "status", status=507, error_code="full")
    answer = create(talk)
    assert (answer.status_code, answer.json()["message"]) == (507, "Insufficient Storage")
    assert answer.json()["error_code"] == "full"
    assert not exists(talk)


def test_a_slow_body_takes_its_time(talk: Talk) -> None:
    """The answer is whole in the end, octet by octet; a client with a deadline gives up."""
    talk.fault(DPD, "slow_body", interval=0.001)
    started = time.monotonic()
    answer = create(talk)
    assert (answer.status_code, answer.json()["group_ip"]) == (201, U4)
    assert time.monotonic() - started > 0.001 * len(answer.content)
    talk.fault(DPD, "slow_body", interval=30)
    with pytest.raises(httpx.ReadTimeout):
        impatient(talk)


def test_an_empty_body_is_slow_as_a_whole(talk: Talk) -> None:
    """There is no octet to wait for but the head's."""
    talk.fault(SLED, "slow_body", interval=0.05)
    started = time.monotonic()
    ok(talk.sled(SLEDS[0], "PUT", "/networking/mcast-m2p", {"group": G4, "underlay": U4}))
    assert time.monotonic() - started > 0.05


def test_a_truncated_body_ends_halfway(talk: Talk) -> None:
    """The head promises more than comes, and the effect took place."""
    talk.fault(DPD, "truncated_body")
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed"):
        create(talk)
    assert exists(talk)


@pytest.mark.parametrize(("kind", "kept"), [("restart_empty", False), ("restart_with_state", True)])
def test_a_daemon_may_restart_instead_of_answering(talk: Talk, kind: str, kept: bool) -> None:
    """The call that meets it has no effect; what was there before is lost or not."""
    mroute = {"routes": [{"key": {"V4": {"group": G4}}, "underlay_group": U4}]}
    ok(talk.mgd("PUT", "/static/mroute", mroute))
    talk.fault("switch0 mgd", kind)
    with pytest.raises(httpx.RemoteProtocolError):
        talk.mgd("DELETE", "/static/mroute", {"keys": [{"V4": {"group": G4}}]})
    assert bool(talk.mgd("GET", "/mrib/status/selected").json()) is kept


def test_a_fault_strikes_as_often_as_ordered(talk: Talk) -> None:
    """Twice, then no more; null is until it is cleared."""
    talk.fault(DPD, "status", times=2)
    assert [create(talk).status_code for _ in range(3)] == [503, 503, 201]
    talk.fault(DPD, "status", times=None)
    assert [create(talk).status_code for _ in range(3)] == [503] * 3
    assert [row["times"] for row in talk.control("GET", "/faults").json()] == [None]
    ok(talk.control("DELETE", "/faults"))
    assert create(talk).status_code == 409


def test_a_fault_strikes_only_what_it_names(talk: Talk) -> None:
    """Other targets, methods and paths go on as before."""
    talk.fault(DPD, "status", method="POST", path="/multicast/underlay", times=None)
    assert talk.dpd("GET", "/multicast/groups").status_code == 200
    assert talk.dpd("POST", "/multicast/external-groups", {}).status_code == 400
    assert talk.call("switch1 dpd", "POST", UNDERLAYS, BODY).status_code == 201
    assert create(talk).status_code == 503


def test_of_two_faults_the_older_strikes_first() -> None:
    """Orders are a queue for each call that fits them."""
    faults = Faults()
    faults.add(Fault(target=DPD, kind="status", times=1))
    faults.add(Fault(target=DPD, kind="refuse", times=1))
    taken = [faults.take(DPD, "GET", "/") for _ in range(3)]
    assert [fault and fault.kind for fault in taken] == ["status", "refuse", None]


def test_every_kind_has_somebody_who_plays_it() -> None:
    """Kinds that strike a call are played over HTTP."""
    assert {name for name, kind in FAULT_KINDS.items() if kind.strikes & Strikes.CALL} == set(SPOILS)


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"target": "switch7 dpd", "kind": "refuse"}, 404),
        ({"target": DPD, "kind": "melt"}, 400),
        ({"target": DPD, "kind": "refuse", "times": 0}, 400),
        ({"target": DPD, "kind": "refuse", "times": "2"}, 400),
        ({"target": DPD, "kind": "status", "status": 99}, 400),
        ({"target": SLED, "kind": "nic_join", "path": "/networking"}, 400),
        ({"target": "dns", "kind": "slow_body"}, 400),
        ({"target": "dns", "kind": "status", "status": 503}, 400),
        ({"kind": "refuse"}, 400),
    ],
)
def test_orders_that_make_no_sense_are_refused(talk: Talk, order: Json, status: int) -> None:
    """Unknown targets are 404, everything else that cannot be is 400."""
    assert talk.control("POST", "/faults", order).status_code == status
    assert talk.control("GET", "/faults").json() == []


def test_calls_are_on_record_in_order(talk: Talk) -> None:
    """Target, method, path with its query, body and status; control calls are not among them."""
    create(talk)
    talk.dpd("PUT", f"{UNDERLAYS}/{U4}?tag=wrong", {"members": []})
    talk.sled(SLEDS[0], "GET", "/networking/mcast-m2p")
    talk.state()
    told = [(row["target"], row["method"], row["path"], row["body"], row["status"]) for row in talk.calls()]
    assert told == [
        (DPD, "POST", UNDERLAYS, BODY, 201),
        (DPD, "PUT", f"{UNDERLAYS}/{U4}?tag=wrong", {"members": []}, 400),
        (SLED, "GET", "/networking/mcast-m2p", None, 200),
    ]
    ok(talk.control("DELETE", "/calls"))
    assert talk.calls() == []


def test_spoilt_calls_are_on_record_too(talk: Talk) -> None:
    """With the fault, and without a status where the client got none."""
    talk.fault(DPD, "timeout_after")
    talk.fault(DPD, "status")
    with pytest.raises(httpx.ReadTimeout):
        impatient(talk)
    create(talk)
    assert [(row["status"], row["fault"]) for row in talk.calls()] == [(None, "timeout_after"), (503, "status")]


def test_a_body_that_is_no_json_is_on_record_as_text(talk: Talk) -> None:
    """Whatever came is shown."""
    url = talk.rack.url(DPD) + UNDERLAYS
    talk.client.post(url, content=b"{oops", headers={"api-version": "13.0.0"})
    assert [row["body"] for row in talk.calls()] == ["{oops"]


def test_a_restart_can_be_had_at_once(talk: Talk) -> None:
    """Without waiting for a call; targets are checked."""
    create(talk)
    talk.restart(DPD, keep_state=False)
    assert not exists(talk)
    for target in ("switch7 dpd", "dns"):
        body = {"target": target, "keep_state": True}
        assert talk.control("POST", "/restarts", body).status_code == 404
