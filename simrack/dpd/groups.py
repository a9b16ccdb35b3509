"""dpd's machine: soft state, the chip beneath it, and every operation on multicast groups.

Rules:
    D1  One namespace: an address is an underlay group or an external group or neither.
    D2  POST creates and refuses what exists; PUT replaces and refuses what does not exist.
    D3  A tag never changes; PUT and DELETE name it.
    D4  POST of an external group needs its underlay group; PUT does not look (the check is of the form alone) unless
        it changes the VLAN, which makes the translation anew.
    D5  An underlay group that is the target of an external group cannot be deleted. The back-reference is one
        per underlay group: the last external group to name it holds it, and that one's deletion frees it.
    D6  A member change that fails leaves the chip where it got to and the soft state as it was.
    D7  A tag is looked at after the tables are filled, and a bad one leaves them so. Whoever creates the group next
        is refused because its rows are there, and that refusal's own roll-back sweeps them: the one after succeeds.
    D8  A chip that misses an entry which a change or deletion needs makes dpd forget the group; its rows stay. A real
        chip misses the bitmap of a group that was created empty and never had an external member, once the group is
        emptied or deleted; the stub does not mind.
    D9  The main revision tells the old sources after an update that names none at all, while its chip lets everybody
        in. The end-to-end revision does not.

Source: dendrite, dpd/src/mcast/mod.rs; API documents 12.0.0 and 13.0.0. This file does not know HTTP encodings.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from attrs import define, evolve, field

from blueprints.addresses import Address
from simrack.dpd.chip import Chip, Entry
from simrack.dpd.ids import GroupIds
from simrack.dpd.model import External, ExternalGroup, Port, UnderlayGroup
from simrack.dpd.rules import TAG_MISMATCH, check_external, check_group, check_tag, check_underlay
from simrack.web.answers import HttpError, bad_request, refused

STUB, TOFINO = "tofino_stub", "tofino_asic"
"""What dpd calls a chip that is played and one that is real (rule D8)."""


def _never() -> bool:
    return False


@define
class Dpd:
    """Multicast of one switch."""

    chip: Chip
    underlay: dict[Address, UnderlayGroup] = field(factory=dict)
    external: dict[Address, ExternalGroup] = field(factory=dict)
    _referrers: dict[Address, Address] = field(factory=dict)
    """Underlay group to the external group that guards it (rule D5)."""

    ids: GroupIds = field(factory=GroupIds)

    backend: str = STUB
    main: bool = False
    """Whether it is the main revision (rule D9)."""

    misses_entry: Callable[[], bool] = _never
    """Asked before each change and deletion of an underlay group (rule D8)."""

    started: datetime | None = None
    """When it was first asked since it started."""

    _generated_tags: int = 0

    def restart(self) -> None:
        """Forget everything, chip included: nothing survives a restart of dpd."""
        self.reset()
        self.started = None

    def reset(self) -> None:
        """Delete every group of whatever owner, and all that the chip has of groups."""
        fresh = Dpd(Chip(self.chip.links, self.chip.refuses_port, self.chip.stepped))
        self.chip, self.underlay, self.external = fresh.chip, fresh.underlay, fresh.external
        self._referrers, self.ids = fresh._referrers, fresh.ids

    def create_underlay(self, group: Address, members: tuple[Port, ...], tag: str | None) -> UnderlayGroup:
        """Create an underlay group.

        Raises:
            HttpError: 400 not an underlay address or a bad tag, 409 exists, 404 no such port, 503 no ids left,
                500 a port twice, 507 a table is full.
        """
        check_underlay(group)
        self._refuse_existing(group)
        if self.ids.left < 2:
            raise refused(503)
        external_id, underlay_id = self.ids.take(), self.ids.take()
        try:
            with self._sweeping(self.chip.drop_group, group):
                self.chip.create_group(group, underlay_id, members)
            tag = self._tag(tag, group)
        except HttpError:
            self.ids.free(underlay_id, external_id)
            raise
        created = UnderlayGroup(group, tag, members, external_id, underlay_id)
        self.underlay[group] = created
        return created

    def replace_members(self, group: Address, members: tuple[Port, ...], tag: str) -> UnderlayGroup:
        """Replace the whole member list (rule D6).

        Raises:
            HttpError: 404 no such group, port or chip entry; 400 tag mismatch or the chip disagrees; 500; 507.
        """
        known = self._underlay(group)
        self._check_owner(known.tag, tag)
        old, new = set(known.members), set(members)
        self._need_entry(known, emptied=bool(old) and not new)
        self.chip.change_ports(group, sorted(old - new), sorted(new - old))
        known.members = members
        return known

    def create_external(self, group: Address, external: External, tag: str | None) -> ExternalGroup:
        """Create an external group.

        Raises:
            HttpError: 400 refused by the rules, or the underlay group is not there; 409 exists; 507 full.
        """
        check_group(group)
        check_external(group, external, main=self.main)
        self._refuse_existing(group)
        target = self.underlay.get(external.nat.internal_ip)
        if target is None:
            raise bad_request(f"underlay group {external.nat.internal_ip} does not exist")
        with self._sweeping(self.chip.drop_entry, group):
            self.chip.create_entry(group, Entry(external, target.underlay_group_id))
        tag = self._tag(tag, group)
        self._referrers[target.group_ip] = group
        created = ExternalGroup(group, tag, external, target.external_group_id)
        self.external[group] = created
        return created

    def replace_external(
        self, group: Address, external: External, tag: str, *, silent: bool = False
    ) -> ExternalGroup:
        """Replace the attributes of an external group (rule D4); *silent*: no sources were named, not even none.

        Raises:
            HttpError: 404 no such group, 400 tag mismatch or refused by the rules, 507 full.
        """
        known = self.external.get(group)
        if known is None:
            raise refused(404, f"no external group {group}")
        self._check_owner(known.tag, tag)
        check_external(group, external, main=self.main)
        target = self.underlay.get(external.nat.internal_ip)
        if target is None and external.vlan_id != known.external.vlan_id:
            raise bad_request(f"underlay group {external.nat.internal_ip} does not exist")
        group_id = 0 if target is None else target.underlay_group_id
        self.chip.change_entry(group, Entry(external, group_id))
        self._release(known)
        if target is not None:
            known.external_group_id = target.external_group_id
        self._referrers[external.nat.internal_ip] = group
        stale = self.main and silent
        known.external = evolve(external, sources=known.external.sources) if stale else external
        return known

    def delete(self, group: Address, tag: str) -> None:
        """Delete one group; the guard of rule D5 is asked first, then existence, then the tag.

        Raises:
            HttpError: 400 still referenced or tag mismatch, 404 no such group.
        """
        self._check_unreferenced(group)
        known = self.find(group)
        self._check_owner(known.tag, tag)
        self._delete(known)

    def delete_tagged(self, tag: str) -> None:
        """Delete every group of *tag*, external ones first; the first refusal ends it, earlier deletions stay.

        Raises:
            HttpError: 400 bad tag, or an underlay group is referenced by an external group of another tag.
        """
        check_tag(tag)
        for external in [group for group in self.external.values() if group.tag == tag]:
            self._delete(external)
        for underlay in [group for group in self.underlay.values() if group.tag == tag]:
            self._check_unreferenced(underlay.group_ip)
            self._delete(underlay)

    def groups(self) -> list[UnderlayGroup | ExternalGroup]:
        """Return all groups of both kinds, in no order."""
        return [*self.external.values(), *self.underlay.values()]

    def find(self, group: Address) -> UnderlayGroup | ExternalGroup:
        """Return the group of either kind.

        Raises:
            HttpError: 404.
        """
        known = self.underlay.get(group) or self.external.get(group)
        if known is None:
            raise refused(404, f"no multicast group {group}")
        return known

    def underlay_group(self, group: Address) -> UnderlayGroup:
        """Return the underlay group.

        Raises:
            HttpError: 400 not an underlay address, 404.
        """
        check_underlay(group)
        return self._underlay(group)

    def _underlay(self, group: Address) -> UnderlayGroup:
        known = self.underlay.get(group)
        if known is None:
            raise refused(404, f"no underlay group {group}")
        return known

    def _delete(self, known: UnderlayGroup | ExternalGroup) -> None:
        if isinstance(known, UnderlayGroup):
            self._need_entry(known, emptied=True)
            self.chip.drop_group(known.group_ip)
            self._forget(known)
            return
        self.chip.drop_entry(known.group_ip)
        del self.external[known.group_ip]
        self._release(known)

    def _forget(self, known: UnderlayGroup) -> None:
        del self.underlay[known.group_ip]
        self.ids.free(known.underlay_group_id, known.external_group_id)

    def _need_entry(self, known: UnderlayGroup, *, emptied: bool) -> None:
        """Rule D8."""
        without = emptied and self.backend == TOFINO and not self.chip.replication[known.group_ip].bitmap
        if without or self.misses_entry():
            self._forget(known)
            raise refused(404, f"an entry of {known.group_ip} is missing")

    @contextmanager
    def _sweeping(self, drop: Callable[[Address], None], group: Address) -> Iterator[None]:
        """Rule D7: what fails because rows are there already rolls them back."""
        try:
            yield
        except HttpError as error:
            if error.status == 409:
                drop(group)
            raise

    def _release(self, known: ExternalGroup) -> None:
        if self._referrers.get(known.external.nat.internal_ip) == known.group_ip:
            del self._referrers[known.external.nat.internal_ip]

    def _refuse_existing(self, group: Address) -> None:
        if group in self.underlay or group in self.external:
            raise refused(409, f"multicast group for IP address {group} already exists")

    def _check_unreferenced(self, group: Address) -> None:
        referrer = self._referrers.get(group)
        if referrer is not None:
            raise bad_request(f"underlay group {group} is still referenced by external group {referrer}")

    def _check_owner(self, stored: str, given: str) -> None:
        check_tag(given)
        if stored != given:
            raise bad_request(TAG_MISMATCH)

    def _tag(self, given: str | None, group: Address) -> str:
        if given is not None:
            check_tag(given)
            return given
        self._generated_tags += 1
        return f"{UUID(int=self._generated_tags, version=4)}:{group}"
