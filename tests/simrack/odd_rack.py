"""A rack with everything that is easily lost between a snapshot and a table."""

from datetime import datetime, timedelta, timezone

from attrs import evolve

from blueprints.addresses import Address
from blueprints.snapshot import (
    GroupState,
    InstanceState,
    MemberState,
    SledPolicy,
    SledState,
    Snapshot,
    UnderlayRow,
    VmmState,
)
from tests.simrack.rows import (
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    SLEDS,
    SPEAKER,
    group,
    instance,
    inventory,
    member,
    sled,
    small_rack,
    uid,
    vmm,
)


def odd_rack() -> Snapshot:
    """Return it."""
    moment = datetime(2026, 8, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    kept = member(GROUP4, SPEAKER, state=MemberState.LEFT, sled_id=SLEDS[1], time_deleted=moment)
    moved = member(GROUP4, SPEAKER, id=uid(7, 7), state=MemberState.JOINING, sled_id=SLEDS[2])
    ended = group(uid(3, 7), "233.252.0.1", state=GroupState.DELETING, time_deleted=moment)
    return small_rack(
        sleds=(
            sled(0, policy=SledPolicy.NO_PROVISION),
            sled(1, policy=SledPolicy.EXPUNGED, state=SledState.DECOMMISSIONED),
            # The board of a sled that is gone may come back in another.
            sled(2, serial=sled(1).serial, part="ünd 'quoted'\\\t\n"),
        ),
        inventory=evolve(inventory(14, 15, 16), errors=3, completed_at=moment),
        groups=(
            group(GROUP4, "233.252.0.1", underlay_salt=None, time_created=moment),
            group(GROUP6, "ff3e::8000:1", tag=None, underlay_group_id=None, state=GroupState.CREATING, vni=78),
            # Groups that ended may share address and name with live ones.
            evolve(ended, name="group-4"),
            evolve(group(uid(3, 8), "239.255.255.255", underlay_salt=255), name="a" * 63),
        ),
        underlay_groups=(UnderlayRow(id=uid(4, 9), multicast_ip=Address.parse("ff04:1::9"), tag=None),),
        members=(
            member(GROUP4, LISTENER, "10.20.0.9", "fd00::1", "::ffff:10.20.0.8", "10.20.0.8"),
            member(GROUP6, READER, "fd00:99::5", state=MemberState.LEFT),
            member(uid(3, 99), PICKER, multicast_ip=Address.parse("233.252.0.9")),
            kept,
            moved,
        ),
        instances=(
            instance(LISTENER, 0, active_vmm=vmm(LISTENER, 0, VmmState.FAILED)),
            instance(READER, None, state=InstanceState.VMM),
            instance(PICKER, 1, active_vmm=evolve(vmm(PICKER, 1), sled_id=uid(2, 99))),
            instance(MOVER, 1, 2),
            instance(SPEAKER, None, state=InstanceState.DESTROYED, migration_id=uid(9, 9)),
        ),
    )
