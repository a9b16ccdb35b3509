"""The simulated rack: a world, its daemons, and the sockets they listen on.

This file does not know what daemons answer.
"""

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol
from uuid import UUID

import httpx

from blueprints.endpoints import Endpoints, SubscriptionForm, SwitchEndpoints
from blueprints.errors import InvariantError
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from simrack.control.interface import Control
from simrack.daemons import SWITCH_DAEMONS, daemons_of, targets_of
from simrack.inprocess import InProcessTransport
from simrack.life.player import Entry, Player
from simrack.nameserver import NameServer
from simrack.naming import RackNames, Zone, scrimlets_of, switch_zone_name
from simrack.nics import COUNTED, SOCKETS, Nics
from simrack.plot import Plot, keep_time
from simrack.populated import PopulatedPeers
from simrack.sweep import settle
from simrack.web.application import Application
from simrack.web.calls import CallLog
from simrack.web.daemon import Daemon, control
from simrack.web.fault_kinds import DNS
from simrack.web.faults import Faults
from simrack.web.listeners import LOOPBACK, Listeners, listening_socket, port_of, raise_file_limit, url_of
from simrack.web.versions import NEWEST, DaemonKind, Version
from simrack.world import sled_target, switch_target, world_of

_CONTROL = "control"

_NOWHERE = "2001:db8::1"
"""Host of a rack without sockets: an address for documents, which leads nowhere (RFC 3849)."""


class Datastore(Protocol):
    """A database beside the rack, which moves on with it."""

    @property
    def dsn(self) -> str:
        """Where it is reached."""

    def hold(self, snapshot: Snapshot) -> None:
        """Replace all rows by those of *snapshot*.

        Raises:
            InputRejectedError: it cannot hold some of *snapshot*.
            SilentError: it does not answer.
        """

    def sleds_in_service(self) -> frozenset[UUID]:
        """Return the sleds that its rows, whoever wrote them, count on.

        Raises:
            SilentError: it does not answer.
        """


class SimulatedRack:
    """The daemons of a snapshot, listening on loopback between `start` and `stop`, or mounted without sockets.

    Start and stop it once, in one event loop; or mount it once, for one event loop at a time.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        control_port: int | None = None,
        newest: Mapping[DaemonKind, Version] = NEWEST,
        datastore: Datastore | None = None,
        nics: Nics = SOCKETS,
    ) -> None:
        """Make the rack of *snapshot* with empty tables; it listens once it is started.

        Args:
            snapshot: switches, sleds, cables and VMMs of the rack.
            control_port: where the control interface listens; None picks a free port.
            newest: the newest version of some kinds of daemon, to play older ones.
            datastore: holds the rows of whatever snapshot the rack lives in.
            nics: where NIC filters are held.
        """
        self._faults, self._calls, self._zone = Faults(), CallLog(), Zone()
        self._nics = nics
        self.world = world_of(snapshot, self._faults, nics)
        self._daemons = daemons_of(self.world, newest)
        self._datastore = datastore
        self.world.ask_datastore = None if datastore is None else datastore.sleds_in_service
        self._player = Player(self.world, self._faults, self._restart, self.enter, _tell_refused)
        self._faults.reached = self._reach
        self._plot = Plot()
        self._clockwork: asyncio.Task[None] | None = None
        self._control_port = control_port or 0
        self._sockets: list[socket.socket] = []
        self._ports: dict[str, int] = {}
        self._host = LOOPBACK
        self._application: Application | None = None
        self._listeners: Listeners | None = None
        self._mounted: dict[str, InProcessTransport] = {}
        self._nameserver: NameServer | None = None

    def prepare(self, plot: Plot) -> None:
        """Let *plot* take place once the rack is started."""
        self._plot = plot

    async def start(self) -> None:
        """Return once every server listens.

        Raises:
            OSError: the control port is taken, or there is no IPv6 loopback.
            InputRejectedError: the datastore cannot hold the snapshot, or the NICs not its filters: for the limit of
                open files mostly.
            SilentError: the datastore does not answer.
        """
        raise_file_limit()
        self._nics.check(self.world.snapshot)
        if self._datastore is not None:
            self._datastore.hold(self.world.snapshot)
        self._sockets = [listening_socket(self._control_port)]
        self._sockets += [listening_socket() for _ in self._daemons]
        self._ports = dict(zip((_CONTROL, *self._daemons), map(port_of, self._sockets), strict=True))
        self._zone.publish(self._names().records())
        self._nameserver = NameServer(self._zone, lambda kind, name: self._faults.take(DNS, kind, name))
        await self._nameserver.start()
        self._application = self._applied(self._fronts())
        self._listeners = Listeners(self._application, self._sockets)
        await self._listeners.start()
        await self._begin(self._plot)

    async def _begin(self, plot: Plot) -> None:
        """What happens at the start has happened when this returns."""
        self._faults.orders = plot.faults
        if plot.populate_peers:
            self.world.populated = PopulatedPeers()
        if plot.clock is not None:
            self.world.outside = plot.clock
            self.world.clock.run(plot.clock)
            self._clockwork = asyncio.create_task(keep_time(self.world))
        for event in plot.events:
            self._player.schedule(event)
        await self.world.clock.advance(0)

    def mount(self) -> dict[str, httpx.AsyncBaseTransport]:
        """Return the ways to all daemons, by made-up base address: instead of `start`, without sockets and names.

        They take place in the event loop of whoever calls. Joins on NICs are counted in a table. Nothing is prepared:
        faults and events are ordered through the control interface.

        Raises:
            InputRejectedError: the datastore cannot hold the snapshot.
            SilentError: the datastore does not answer.
            InvariantError: something was prepared.
        """
        if self._plot != Plot():
            raise InvariantError("mount", "what was prepared would not take place")
        if self._datastore is not None:
            self._datastore.hold(self.world.snapshot)
        self._nics = COUNTED
        for sled_id, agent in self.world.agents.items():
            agent.filters.membership = partial(COUNTED.membership, sled_id)
        fronts = self._fronts()
        self._host, self._ports = _NOWHERE, {target: number for number, target in enumerate(fronts, 1)}
        application = self._applied(fronts)
        self._mounted = {target: InProcessTransport(application, daemon) for target, daemon in fronts.items()}
        return {self.url(target): way for target, way in self._mounted.items()}

    def _fronts(self) -> dict[str, Daemon]:
        return {_CONTROL: control(self._control().routes()), **self._daemons}

    def _applied(self, fronts: Mapping[str, Daemon]) -> Application:
        daemons = {self._ports[target]: daemon for target, daemon in fronts.items()}
        return Application(daemons, self._faults, self._calls, partial(settle, self.world))

    async def stop(self) -> None:
        """Close every socket, NIC filters included."""
        if self._clockwork is not None:
            self._clockwork.cancel()
            with suppress(asyncio.CancelledError):
                await self._clockwork
        if self._application is not None:
            self._application.drop_held()
        if self._listeners is not None:
            await self._listeners.stop()
        for sock in self._sockets:
            sock.close()
        if self._nameserver is not None:
            await self._nameserver.stop()
        for agent in self.world.agents.values():
            agent.filters.close_all()

    @property
    def endpoints(self) -> Endpoints:
        """Where the daemons listen, and where a real rack would have its switch zones."""
        scrimlets = scrimlets_of(self.world.snapshot)
        switches = {
            slot: SwitchEndpoints(
                dpd=self.url(switch_target(slot, DaemonKind.DPD)),
                mgd=self.url(switch_target(slot, DaemonKind.MGD)),
                ddmd=self.url(switch_target(slot, DaemonKind.DDMD)),
                zone=switch_zone_name(scrimlets[slot]).rstrip("."),
                underlay_address=self.world.snapshot.switches[slot].underlay_address,
            )
            for slot in self.world.dpds
        }
        sleds = {sled_id: self.url(sled_target(sled_id)) for sled_id in self.world.agents}
        return Endpoints(switches=switches, sleds=sleds, subscriptions=SubscriptionForm.INSTANCE)

    @property
    def control_url(self) -> str:
        """Base address of the control interface."""
        return self.url(_CONTROL)

    @property
    def dns(self) -> str:
        """Address and port of the name server."""
        port = 0 if self._nameserver is None else self._nameserver.port
        return f"[{LOOPBACK}]:{port}"

    @property
    def dsn(self) -> str | None:
        """Where the datastore is reached, None where there is none."""
        return None if self._datastore is None else self._datastore.dsn

    @property
    def namespaces(self) -> Mapping[UUID, str]:
        """The network namespaces by sled; empty where its NICs are in none."""
        return self._nics.namespaces

    def url(self, target: str) -> str:
        """Return where *target*, such as ``switch0 mgs``, listens."""
        return url_of(self._ports[target], self._host)

    async def enter(self, snapshot: Snapshot) -> None:
        """Let the world move on to *snapshot*, datastore and all; what is programmed stays.

        Raises:
            InputRejectedError: switches or sleds appear or disappear, or the datastore or the NICs cannot hold
                *snapshot*.
            SilentError: the datastore does not answer; nothing has moved on.
        """
        self.world.check(snapshot)
        self._nics.check(snapshot)
        if self._datastore is not None:
            self._datastore.hold(snapshot)
        self._nics.wire(snapshot)
        await self.world.enter(snapshot)

    def _restart(self, target: str, keep: bool) -> None:
        self._daemons[target].restart(keep)

    def _reach(self, target: str, kind: str | None) -> None:
        """Refuse connections to a daemon that is down in that way, and accept them again."""
        if self._listeners is not None:
            self._listeners.set_accepting(self._ports[target], accepting=kind != "refuse")
        if target in self._mounted:
            self._mounted[target].accepting = kind != "refuse"

    def _names(self) -> RackNames:
        scrimlets = scrimlets_of(self.world.snapshot)
        return RackNames(scrimlets=scrimlets, switches=self._switch_ports(), sleds=self._sled_ports())

    def _switch_ports(self) -> dict[tuple[SwitchSlot, DaemonKind], int]:
        return {
            (slot, kind): self._ports[switch_target(slot, kind)]
            for slot in self.world.dpds
            for kind in SWITCH_DAEMONS
        }

    def _sled_ports(self) -> dict[UUID, int]:
        return {sled_id: self._ports[sled_target(sled_id)] for sled_id in self.world.agents}

    def _control(self) -> Control:
        return Control(
            world=self.world,
            faults=self._faults,
            calls=self._calls,
            targets=targets_of(self.world.snapshot),
            filters=lambda: self._nics.kind,
            restart=self._restart,
            enter=self.enter,
            player=self._player,
            zone=self._zone,
            names=self._names,
        )


def _tell_refused(entry: Entry) -> None:
    sys.stderr.write(f"simrack: at {entry.played_at:g} s an event could not be: {entry.refused}\n")
