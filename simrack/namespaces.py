"""A network namespace for each sled, with NICs of its own: what the system shows of them is the sled's NIC filter.

Rules:
    S1  A namespace is called simrack-<run>-<sled id>; `ip -n <name> maddr show` shows what its NICs let in.
    S2  A NIC is one end of a veth pair. The other end, wire<n>, is in the namespace too: nothing gets out.
    S3  An underlay group has one UDP socket, which joins on every NIC, as on a real sled.
    S4  While a rack runs it holds a lock on the files of its namespaces. One without a lock was left behind by a rack
        that was killed, and goes when the next one starts.
    S5  One thread enters namespaces and does nothing else, so that it never has to come back.

It takes Linux, pyroute2 and the rights of root. This file does not know when a group is joined.
"""

import ctypes
import fcntl
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from errno import EIO
from functools import partial
from itertools import count
from pathlib import Path
from threading import get_native_id
from typing import TypeVar
from uuid import UUID, uuid4

from attrs import define, field
from pyroute2 import IPRoute, NetlinkError, netns  # type: ignore[import-untyped]

from blueprints.addresses import Address
from blueprints.errors import InputRejectedError, Mistake
from blueprints.snapshot import Snapshot
from simrack.nics import FilterKind, check_files, join_request
from simrack.sledagent.filters import Membership
from simrack.wiring import nics_of

T = TypeVar("T")

FOLDER = Path(netns.NETNS_RUN_DIR)
"""Where namespaces have their names."""

_OURS = re.compile(r"simrack-[0-9a-f]{8}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_INTERFACE = re.compile(r"(?!(?:\.{1,2}|lo|wire[0-9]+)$)[^\s/:%\x00-\x20\x7f-\U0010ffff]{1,15}")
"""What Linux lets an interface be called (net/core/dev.c, dev_valid_name), but loopback, wires and patterns."""


@define
class _Namespace:
    """One sled's namespace."""

    name: str
    file: int
    """Open and locked (rule S4)."""

    nics: tuple[str, ...] = ()


@define
class _NamespacedMembership:
    """One socket in a sled's namespace (rule S3)."""

    underlay: Address
    enter: Callable[[Callable[[], None]], None]
    """Does something in the namespace."""

    sock: socket.socket | None = None

    def join(self, nic: str, /) -> None:
        self.enter(partial(self._join, nic))

    def _join(self, nic: str) -> None:
        if self.sock is None:
            self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        request = join_request(self.underlay, socket.if_nametoindex(nic))
        self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)

    def leave(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


@define
class NamespacedNics:
    """NICs in namespaces; see `simrack.nics.Nics`."""

    kind = FilterKind.NETNS
    _namespaces: dict[UUID, _Namespace] = field(factory=dict)
    _thread: ThreadPoolExecutor = field(factory=partial(ThreadPoolExecutor, 1, "simrack-netns"))

    @property
    def namespaces(self) -> dict[UUID, str]:
        """The names of the namespaces by sled."""
        return {sled_id: namespace.name for sled_id, namespace in self._namespaces.items()}

    def check(self, snapshot: Snapshot) -> None:
        """Make sure that the filters of *snapshot* can be held.

        Raises:
            InputRejectedError: they need too many open files, or the system would call no interface so.
        """
        mistakes = [
            Mistake(f"sleds[{place}].underlay_nics", f"{nic!r} cannot be the name of an interface")
            for place, sled in enumerate(snapshot.sleds)
            for nic in nics_of(sled)
            if not _INTERFACE.fullmatch(nic)
        ]
        if mistakes:
            raise InputRejectedError("snapshot", mistakes)
        check_files(snapshot, len(snapshot.sleds), "sleds")

    def make(self, sled_id: UUID, run: str) -> None:
        """Make the namespace of a sled, without NICs (rules S1 and S4).

        Raises:
            OSError: the system does not let us.
        """
        name = f"simrack-{run}-{sled_id}"
        self._namespaces[sled_id] = _Namespace(name, self._thread.submit(_make, name).result())

    def wire(self, snapshot: Snapshot) -> None:
        """Give every sled the NICs that it has in *snapshot* (rule S2).

        Raises:
            OSError: the system does not let a NIC be made.
        """
        for sled in snapshot.sleds:
            namespace, nics = self._namespaces[sled.id], nics_of(sled)
            self._enter(sled.id, partial(_wire, namespace.nics, nics))
            namespace.nics = nics

    def membership(self, sled_id: UUID, underlay: Address) -> Membership:
        """Return what is to hold *underlay* joined on NICs of the sled."""
        return _NamespacedMembership(underlay, partial(self._enter, sled_id))

    def close(self) -> None:
        """Remove all namespaces; sockets that are still open keep theirs alive without a name."""
        self._thread.shutdown()
        for namespace in self._namespaces.values():
            _remove(namespace.name)
            os.close(namespace.file)
        self._namespaces.clear()

    def _enter(self, sled_id: UUID, work: Callable[[], T]) -> T:
        return self._thread.submit(_inside, self._namespaces[sled_id].file, work).result()


@contextmanager
def namespaces(snapshot: Snapshot) -> Iterator[NamespacedNics]:
    """Give each sled of *snapshot* a network namespace with its NICs while the context lasts.

    Raises:
        InputRejectedError: they cannot be made, for want of rights mostly, or cannot hold the filters of *snapshot*.
    """
    nics, run = NamespacedNics(), uuid4().hex[:8]
    nics.check(snapshot)
    with ExitStack() as ending:
        ending.callback(nics.close)
        try:
            with _folder_locked():
                _sweep_up()
                for sled in snapshot.sleds:
                    nics.make(sled.id, run)
            nics.wire(snapshot)
        except OSError as error:
            rights = "; it takes the rights of root" if isinstance(error, PermissionError) else ""
            reason = f"cannot be made: {error.strerror or error}{rights}"
            raise InputRejectedError("network namespaces", [Mistake("", reason)]) from None
        yield nics


@contextmanager
def _folder_locked() -> Iterator[None]:
    """Keep others from making or sweeping up namespaces meanwhile; `ip netns add` takes this lock too."""
    FOLDER.mkdir(exist_ok=True)
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _sweep_up() -> None:
    """Remove what killed racks left behind (rule S4), and say so."""
    left = [name for name in sorted(netns.listnetns()) if _OURS.fullmatch(name) and not _is_held(name)]
    for name in left:
        _remove(name)
    if left:
        sys.stderr.write(f"simrack: removed {len(left)} network namespaces that a killed rack had left behind\n")


def _is_held(name: str) -> bool:
    file = os.open(FOLDER / name, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _make(name: str) -> int:
    """Move the thread into a new namespace called *name*, and return the namespace's file, open and locked."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(netns.CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        netns.attach(name, get_native_id())
        file = os.open(FOLDER / name, os.O_RDONLY)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _remove(name)
        raise
    return file


def _remove(name: str) -> None:
    with suppress(FileNotFoundError):
        netns.remove(name)


def _inside(file: int, work: Callable[[], T]) -> T:
    netns.setns(file)
    return work()


def _wire(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Remove NICs that are gone, and make those that are not there, with the other ends of their cables (rule S2)."""
    there = {name: index for index, name in socket.if_nameindex()}
    gone, new = (set(before) - set(after)) & there.keys(), set(after) - there.keys()
    if not gone and not new:
        return
    free = (name for name in map("wire{}".format, count()) if name not in there)
    try:
        with IPRoute() as route:
            for nic in sorted(gone):
                route.link("del", index=there[nic])
            for nic in sorted(new):
                route.link("add", ifname=nic, kind="veth", peer={"ifname": next(free)})
            for link in route.get_links():
                route.link("set", index=link["index"], state="up")
    except NetlinkError as error:
        raise OSError(error.code or EIO, str(error)) from None
