"""Runs a simulated rack beside its caller, in a thread with an event loop of its own; for tests and demonstrations.

This file does not know what a rack is made of.
"""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

from blueprints.errors import InputRejectedError, SilentError
from blueprints.snapshot import Snapshot
from simrack.nics import SOCKETS, Nics
from simrack.rack import Datastore, SimulatedRack
from simrack.web.versions import NEWEST, DaemonKind, Version


@contextmanager
def running(
    snapshot: Snapshot,
    *,
    control_port: int | None = None,
    newest: Mapping[DaemonKind, Version] = NEWEST,
    datastore: Datastore | None = None,
    nics: Nics = SOCKETS,
) -> Iterator[SimulatedRack]:
    """Serve the rack of *snapshot* while the context lasts.

    *newest* plays older daemons; *datastore* holds the rack's rows, if given; *nics* hold its NIC filters. Speak to
    the rack by HTTP and DNS: its objects belong to the other thread.

    Raises:
        OSError: the control port is taken, or there is no IPv6 loopback.
        InputRejectedError: the datastore or the NICs cannot hold *snapshot*.
        SilentError: the datastore does not answer.
    """
    rack = SimulatedRack(snapshot, control_port=control_port, newest=newest, datastore=datastore, nics=nics)
    loop = asyncio.new_event_loop()
    started: Future[None] = Future()
    stopping = asyncio.Event()
    thread = Thread(target=loop.run_until_complete, args=(_serve(rack, started, stopping),), name="simrack")
    thread.start()
    try:
        started.result()
        yield rack
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


async def _serve(rack: SimulatedRack, started: "Future[None]", stopping: asyncio.Event) -> None:
    try:
        try:
            await rack.start()
        except (OSError, InputRejectedError, SilentError) as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await stopping.wait()
    finally:
        await rack.stop()
