"""How tests speak to a simulated rack: by target, over HTTP, as any client would."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
from attrs import define

from blueprints.identifiers import SwitchSlot
from simrack.rack import SimulatedRack
from simrack.web.versions import NEWEST, show_version
from tests.simrack.contract import answer_problems, kind_of
from tests.simrack.rows import G4, S4

Json = Any


def packet_body(origin: Mapping[str, object], group: str = G4, source: str = S4) -> Json:
    return {"group": group, "source": source, "from": {key: str(value) for key, value in origin.items()}}


@define
class Talk:
    """Calls to the daemons and the control interface of one rack."""

    rack: SimulatedRack
    client: httpx.Client
    moved_on: bool = False
    """Whether snapshot, cables or unicast routes are others than at first."""

    def call(
        self, target: str, method: str, path: str, body: Json = None, *, version: str | None = None
    ) -> httpx.Response:
        """Whatever is answered, it is as the daemon's own document has it."""
        kind = kind_of(target)
        version = version or show_version(NEWEST[kind])
        headers = {"api-version": version}
        response = self.client.request(method, self.rack.url(target) + path, json=body, headers=headers)
        problems = answer_problems(kind, version, response)
        assert problems == [], problems
        return response

    def dpd(self, method: str, path: str, body: Json = None, slot: SwitchSlot = SwitchSlot.SWITCH0) -> httpx.Response:
        return self.call(f"{slot} dpd", method, path, body)

    def mgd(self, method: str, path: str, body: Json = None, slot: SwitchSlot = SwitchSlot.SWITCH0) -> httpx.Response:
        return self.call(f"{slot} mgd", method, path, body)

    def sled(self, sled_id: UUID, method: str, path: str, body: Json = None) -> httpx.Response:
        return self.call(f"sled {sled_id}", method, path, body)

    def control(self, method: str, path: str, body: Json = None) -> httpx.Response:
        self.moved_on = self.moved_on or method == "PUT"
        return self.client.request(method, self.rack.control_url + path, json=body)

    def state(self) -> Json:
        return self.control("GET", "/state").json()

    def calls(self) -> list[Json]:
        calls: list[Json] = self.control("GET", "/calls").json()
        return calls

    def fault(self, target: str, kind: str, **options: Json) -> Json:
        response = self.control("POST", "/faults", {"target": target, "kind": kind, **options})
        assert response.status_code == 201, response.text
        return response.json()

    def restart(self, target: str, *, keep_state: bool) -> None:
        response = self.control("POST", "/restarts", {"target": target, "keep_state": keep_state})
        assert response.status_code == 204, response.text

    def advance(self, seconds: float) -> None:
        """Move the rack's clock on."""
        response = self.control("POST", "/time", {"seconds": seconds})
        assert response.status_code == 200, response.text

    def watch(self, *packets: Json) -> None:
        """Send these packets after each step of a chip from now on."""
        assert self.control("PUT", "/watch", list(packets)).status_code == 204

    def watched(self) -> list[tuple[str, dict[str, int]]]:
        """After which step the first of the watched packets was heard by whom."""
        return [(row["after"], row["heard"][0]) for row in self.control("GET", "/watch").json()]

    def packet(
        self, origin: Mapping[str, object], group: str = G4, source: str = S4, *, steady: bool = False
    ) -> Json:
        body = packet_body(origin, group, source) | {"steady": steady}
        response = self.control("POST", "/packets", body)
        assert response.status_code == 200, response.text
        return response.json()

    def heard(
        self, origin: Mapping[str, object], group: str = G4, source: str = S4, *, steady: bool = False
    ) -> dict[str, int]:
        """Instance to the copies it got; a migrating one is there once for each of its VMMs."""
        delivered = self.packet(origin, group, source, steady=steady)["delivered"]
        return {row["propolis_id"]: row["copies"] for row in delivered}
