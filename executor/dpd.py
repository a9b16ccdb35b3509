"""Reading dpd, and settling what became of a request to it.

Source: dpd's API document, versions 8 to 13: lists come in pages, each re-reading live state; the page after the
last group is empty; creating is not idempotent, and an error does not say whether its cause is another owner.
This file does not know why a group is wanted.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from attrs import evolve

from blueprints import strict
from blueprints.addresses import Address
from blueprints.blueprint import ExternalEntryRow, MemberPort, UnderlayEntry
from blueprints.errors import BadAnswerError, RefusedError
from blueprints.observation import Opaque, SeenExternal, SeenUnderlay
from executor import decoding
from executor.changes import Change, Kind
from executor.http import Client

Group = SeenUnderlay | SeenExternal


_group = decoding.or_opaque(decoding.group, decoding.opaque_group)


async def read_groups(
    client: Client,
) -> tuple[tuple[SeenUnderlay, ...], tuple[SeenExternal, ...], tuple[Opaque, ...]]:
    """Return all groups of a switch, its own and other owners': underlay, external, and those that are only read.

    Raises:
        DeviceError: no complete list came: an error, a group twice, a page that repeats, too many pages or groups.
    """
    groups: list[Group] = []
    opaque: list[Opaque] = []
    ids: dict[Address, int | None] = {}
    token: str | None = None
    tokens: set[str] = set()
    first = f"/multicast/groups?limit={client.limits.page_size}"
    for _ in range(client.limits.pages):
        page = strict.obj(
            await client.read(first if token is None else f"{first}&page_token={quote(token, safe='')}"), "page"
        )
        entries = strict.items(strict.required(page, "items", "page"), "page.items")
        for index, entry in enumerate(entries):
            group = _group(entry, f"items[{index}]")
            if isinstance(group, Opaque):
                opaque.append(group)
                continue
            groups.append(group)
            ids[group.group_ip] = decoding.group_id(entry, f"items[{index}]")
        if len(groups) + len(opaque) > client.limits.rows:
            raise BadAnswerError(f"more than {client.limits.rows} groups")
        token = decoding.next_page(page, "page")
        if token is None or not entries:
            return (*_apart(groups, ids), tuple(opaque))
        if token in tokens:
            raise BadAnswerError("a page names a page that was read before")
        tokens.add(token)
    raise BadAnswerError(f"more than {client.limits.pages} pages")


def _apart(
    groups: Iterable[Group], ids: Mapping[Address, int | None]
) -> tuple[tuple[SeenUnderlay, ...], tuple[SeenExternal, ...]]:
    listed = list(groups)
    if len({group.group_ip for group in listed}) != len(listed):
        raise BadAnswerError("one group stands twice")
    return (
        tuple(group for group in listed if isinstance(group, SeenUnderlay)),
        tuple(evolve(group, astray=_astray(group, ids)) for group in listed if isinstance(group, SeenExternal)),
    )


def _astray(group: SeenExternal, ids: Mapping[Address, int | None]) -> bool:
    """Return whether *group* is translated into an underlay group that is not there, or not the one of then.

    dpd looks the underlay group up when the external one is written, and shows its id with both.
    """
    return group.internal_ip is not None and ids.get(group.group_ip) != ids.get(group.internal_ip)


async def read_group(client: Client, address: Address) -> Group | None:
    """Return one group, or None where there is none.

    Raises:
        DeviceError: no answer to trust.
    """
    try:
        group = decoding.group(await client.read(f"/multicast/groups/{address}"), "group")
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    if group.group_ip != address:
        raise BadAnswerError(f"asked for {address}, was told of {group.group_ip}")
    return group


def holds(change: Change, seen: Group) -> bool:
    """Return whether *seen* is what a creation wanted, or holds more members than that."""
    row = change.row
    if isinstance(row, UnderlayEntry) and isinstance(seen, SeenUnderlay):
        return seen.tag == row.tag.text and set(row.members) <= _ports(seen)
    if isinstance(row, ExternalEntryRow) and isinstance(seen, SeenExternal):
        return (seen.tag, seen.internal_ip, seen.inner_mac, seen.vni, seen.vlan_id, seen.sources) == (
            row.tag.text,
            row.internal_ip,
            row.inner_mac.text,
            row.vni,
            row.vlan_id,
            row.sources,
        )
    return False


def mended(change: Change, seen: Group) -> Change | None:
    """Return the update that turns *seen*, of the right tag, into what a creation wanted; None where none does.

    A translation into another underlay group is not mended here: that is a move, and needs consent.
    """
    row: Any = change.row
    if seen.tag != row.tag.text:
        return None
    if isinstance(row, UnderlayEntry) and isinstance(seen, SeenUnderlay):
        members = evolve(row, members=_ports(seen) | set(row.members))
        return evolve(change, kind=Kind.MEMBERS_ADD, row=members, seen=seen)
    if isinstance(row, ExternalEntryRow) and isinstance(seen, SeenExternal):
        same_target = seen.internal_ip in (None, row.internal_ip)
        return evolve(change, kind=Kind.EXTERNAL_UPDATE, seen=seen) if same_target else None
    return None


def _ports(seen: SeenUnderlay) -> set[MemberPort]:
    return {MemberPort(port_id=m.port_id, link_id=m.link_id, direction=m.direction) for m in seen.members}
