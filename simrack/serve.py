"""Runs a simulated rack in the foreground until it is told to stop.

This file does not know command lines.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from blueprints.snapshot import Snapshot
from simrack.nics import SOCKETS, Nics
from simrack.plot import Plot
from simrack.rack import Datastore, SimulatedRack

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Sent by Ctrl-C, a supervisor, and a terminal that is closed."""

WITHOUT_DATASTORE: AbstractContextManager[Datastore | None] = nullcontext()
NOTHING_HAPPENS = Plot()
ON_SOCKETS: AbstractContextManager[Nics] = nullcontext(SOCKETS)


def run(
    snapshot: Snapshot,
    *,
    control_port: int | None,
    ready: Callable[[SimulatedRack], None],
    beside: AbstractContextManager[Datastore | None] = WITHOUT_DATASTORE,
    on: AbstractContextManager[Nics] = ON_SOCKETS,
    plot: Plot = NOTHING_HAPPENS,
) -> None:
    """Serve the rack of *snapshot* until it is told to stop; call *ready* once every server listens.

    The contexts *beside*, which starts a datastore, and *on*, which makes NICs, last as long as the rack: what they
    started is ended whatever happens. *plot* is what takes place meanwhile.

    Raises:
        OSError: the control port is taken, or there is no IPv6 loopback.
        InputRejectedError: the datastore or the NICs refuse some of *snapshot*.
        SilentError: the datastore does not answer.
    """
    asyncio.run(_serve(snapshot, control_port, ready, beside, on, plot))


async def _serve(
    snapshot: Snapshot,
    control_port: int | None,
    ready: Callable[[SimulatedRack], None],
    beside: AbstractContextManager[Datastore | None],
    on: AbstractContextManager[Nics],
    plot: Plot,
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # such as under nohup
            loop.add_signal_handler(number, stopping.set)
    with on as nics, beside as datastore:
        rack = SimulatedRack(snapshot, control_port=control_port, datastore=datastore, nics=nics)
        rack.prepare(plot)
        try:
            await rack.start()
            ready(rack)
            await stopping.wait()
        finally:
            await rack.stop()
