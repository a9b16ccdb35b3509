"""Runs a simulated rack in the foreground until it is told to stop.

This file does not know command lines.
"""

import asyncio
import signal
from collections.abc import Callable

from blueprints.snapshot import Snapshot
from simrack.rack import SimulatedRack

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def run(snapshot: Snapshot, *, control_port: int | None, ready: Callable[[SimulatedRack], None]) -> None:
    """Serve the rack of *snapshot* until SIGTERM or SIGINT; call *ready* once every server listens.

    Raises:
        OSError: the control port is taken, or there is no IPv6 loopback.
    """
    asyncio.run(_serve(SimulatedRack(snapshot, control_port=control_port), ready))


async def _serve(rack: SimulatedRack, ready: Callable[[SimulatedRack], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stopping.set)
    try:
        await rack.start()
        ready(rack)
        await stopping.wait()
    finally:
        await rack.stop()
