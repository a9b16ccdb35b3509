"""Whether who answers is who was meant: a switch names its slot, a sled its id and its rack.

An endpoints file can be of another rack, and DNS can be stale; then nothing may be written, and above all nothing
removed. A daemon that cannot say who it is (no such call, or not known yet) is believed.

This file does not know what the daemons hold.
"""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from blueprints import strict
from blueprints.errors import BadAnswerError
from blueprints.identifiers import SwitchSlot
from executor.answers import Json
from executor.http import Client
from executor.targets import Daemon, Target

PATHS: Mapping[Daemon, str] = MappingProxyType(
    {
        Daemon.DPD: "/switch/identifiers",
        Daemon.MGD: "/switch/identifiers",
        Daemon.SLED_AGENT: "/sled-identifiers",
    }
)
"""What each kind of daemon is asked."""


class StrangerError(BadAnswerError):
    """Somebody else answers: another switch, another sled, or another rack."""


async def identify(client: Client, target: Target, rack_id: UUID | None) -> None:
    """Return if *client* leads to *target*, or to somebody who does not say who it is.

    Args:
        client: the way to whoever answers.
        target: who was meant.
        rack_id: the rack that a sled must be of; None where any will do.

    Raises:
        StrangerError: somebody else answers.
        BadAnswerError: what came cannot be understood.
        SilentError: nobody answers.
    """
    answer = await client.call("GET", PATHS[target.daemon])
    if answer.status != 200:
        return
    said = strict.obj(answer.body, "identifiers")
    for key, wanted in _facts(target, rack_id).items():
        if said.get(key) not in (None, wanted):
            raise StrangerError(f"somebody else answers: its {key} is {said[key]!r:.60}, not {wanted!r}")


def _facts(target: Target, rack_id: UUID | None) -> dict[str, Json]:
    if target.daemon is not Daemon.SLED_AGENT:
        return {"slot": SwitchSlot(target.place).number}
    return {"sled_id": target.place} | ({"rack_id": str(rack_id)} if rack_id else {})
