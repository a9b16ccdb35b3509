"""A small rack by hand: three sleds, two switches, an IPv4 any-source and an IPv6 source-specific group.

sled 0, cubby 14: listener (233.252.0.1, any source), reader (ff3e::8000:1 from fd00:99::5)
sled 1, cubby 15: picker (233.252.0.1 from 10.20.0.5 alone), mover (migrating to sled 2)
sled 2, cubby 16: speaker (hears nothing), mover's target
"""

from datetime import UTC, datetime
from uuid import UUID

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import (
    Group,
    GroupState,
    Instance,
    InstanceState,
    Inventory,
    Member,
    MemberState,
    ServiceProcessor,
    Sled,
    SledPolicy,
    SledState,
    Snapshot,
    SpType,
    Switch,
    UnderlayRow,
    Vmm,
    VmmState,
)

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)

G4, G6 = "233.252.0.1", "ff3e::8000:1"
U4, U6 = "ff04::e9fc:1", "ff04::ff3e:0:8000:1"
S4, S6 = "10.20.0.5", "fd00:99::5"
OTHER4 = "10.20.0.6"


def uid(kind: int, number: int) -> UUID:
    return UUID(int=kind << 64 | number)


RACK = uid(1, 0)
SLEDS = tuple(uid(2, number) for number in range(3))
GROUP4, GROUP6 = uid(3, 4), uid(3, 6)
LISTENER, READER, PICKER, MOVER, SPEAKER = (uid(5, number) for number in range(5))
TAG4, TAG6 = f"{GROUP4}:{G4}", f"{GROUP6}:{G6}"
SWITCH0, SWITCH1 = SwitchSlot
ZONES = {SWITCH0: "fd00:1122:3344:101::2", SWITCH1: "fd00:1122:3344:102::2"}


def propolis(instance: UUID, generation: int = 0) -> UUID:
    return uid(6 + generation, instance.int & 0xFF)


def sled(number: int, **changes: object) -> Sled:
    fields: dict[str, object] = {
        "id": SLEDS[number],
        "serial": f"BRM4222000{number}",
        "part": "913-0000019",
        "underlay_address": UnderlayUnicast.parse(f"fd00:1122:3344:10{number + 1}::1"),
        "policy": SledPolicy.IN_SERVICE,
        "state": SledState.ACTIVE,
        "underlay_nics": ("cxgbe0", "cxgbe1"),
    }
    return Sled(**(fields | changes))  # type: ignore[arg-type]


def switch(slot: SwitchSlot, **changes: object) -> Switch:
    fields: dict[str, object] = {
        "underlay_address": UnderlayUnicast.parse(ZONES[slot]),
        "backplane": tuple(PortId("rear", number) for number in range(32)),
    }
    return Switch(**(fields | changes))  # type: ignore[arg-type]


def vmm(instance: UUID, on: int, state: VmmState = VmmState.RUNNING, generation: int = 0) -> Vmm:
    return Vmm(id=propolis(instance, generation), sled_id=SLEDS[on], state=state)


def instance(name: UUID, on: int | None, to: int | None = None, **changes: object) -> Instance:
    fields: dict[str, object] = {
        "id": name,
        "state": InstanceState.NO_VMM if on is None else InstanceState.VMM,
        "migration_id": None if to is None else uid(9, name.int & 0xFF),
        "active_vmm": None if on is None else vmm(name, on),
        "target_vmm": None if to is None else vmm(name, to, generation=1),
    }
    return Instance(**(fields | changes))  # type: ignore[arg-type]


def member(of: UUID, who: UUID, *sources: str, **changes: object) -> Member:
    fields: dict[str, object] = {
        "id": uid(of.int & 0xFF | 0x100, who.int & 0xFF),
        "group_id": of,
        "instance_id": who,
        "state": MemberState.JOINED,
        "multicast_ip": Address.parse(G4 if of == GROUP4 else G6),
        "source_ips": tuple(Address.parse(source) for source in sources),
    }
    return Member(**(fields | changes))  # type: ignore[arg-type]


def group(name: UUID, address: str, **changes: object) -> Group:
    fields: dict[str, object] = {
        "id": name,
        "name": f"group-{name.int & 0xFF}",
        "multicast_ip": Address.parse(address),
        "state": GroupState.ACTIVE,
        "tag": f"{name}:{address}",
        "underlay_group_id": uid(4, name.int & 0xFF),
        "underlay_salt": 0,
        "time_created": NOON,
    }
    return Group(**(fields | changes))  # type: ignore[arg-type]


def inventory(*cubbies: int) -> Inventory:
    boards = [
        ServiceProcessor(type=SpType.SLED, slot=cubby, serial=f"BRM4222000{number}", part="913-0000019")
        for number, cubby in enumerate(cubbies)
    ]
    boards += [
        ServiceProcessor(type=SpType.SWITCH, slot=slot.number, serial=f"BRM1111000{slot.number}", part="913-6")
        for slot in SwitchSlot
    ]
    return Inventory(collection_id=uid(8, 0), completed_at=NOON, errors=0, service_processors=tuple(boards))


def small_rack(**changes: object) -> Snapshot:
    fields: dict[str, object] = {
        "rack_id": RACK,
        "evaluated_at": NOON,
        "switches": {slot: switch(slot) for slot in SwitchSlot},
        "sleds": tuple(sled(number) for number in range(3)),
        "inventory": inventory(14, 15, 16),
        "groups": (group(GROUP4, G4), group(GROUP6, G6)),
        "underlay_groups": (
            UnderlayRow(id=uid(4, 4), multicast_ip=Address.parse(U4), tag=TAG4),
            UnderlayRow(id=uid(4, 6), multicast_ip=Address.parse(U6), tag=TAG6),
        ),
        "members": (
            member(GROUP4, LISTENER),
            member(GROUP4, PICKER, S4),
            member(GROUP4, MOVER),
            member(GROUP6, READER, S6),
        ),
        "instances": (
            instance(LISTENER, 0),
            instance(READER, 0),
            instance(PICKER, 1),
            instance(MOVER, 1, 2),
            instance(SPEAKER, 2),
        ),
    }
    return Snapshot(**(fields | changes))  # type: ignore[arg-type]
