"""Carrying a blueprint out: read, compare, widen, read back, narrow, read back, report.

This file does not know what is right for a rack; it decides nothing that the blueprint leaves open, because the
blueprint leaves nothing open.
"""

from collections.abc import Callable
from contextlib import ExitStack

from blueprints.blueprint import Blueprint
from blueprints.endpoints import Endpoints
from blueprints.errors import InputRejectedError
from blueprints.run_report import CarriedOut, Outcome
from executor.changeset import Difference
from executor.extent import losses
from executor.fence import Fence
from executor.http import never
from executor.intents import with_leaves
from executor.limits import Limits
from executor.memory import Memory
from executor.observe import Mounts, Rack
from executor.owed import Owed
from executor.preflight import refusals
from executor.progress import Observed, Progress, nobody
from executor.report import Report
from executor.reporting import asked, carried_out, rehearsed, unaccepted, withheld
from executor.run import Run
from executor.safeguards import Safeguards
from executor.targets import Target, targets_of


async def execute(  # noqa: PLR0913  # two things, and five ways to do otherwise than usual
    blueprint: Blueprint,
    endpoints: Endpoints,
    *,
    dry_run: bool = False,
    safeguards: Safeguards | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
    mounts: Mounts | None = None,
) -> Report:
    """Carry *blueprint* out on the rack behind *endpoints*, as far as it goes, and return what became of it.

    A daemon that is silent or refuses becomes a debt in the report, and everything that does not depend on it is
    done. Run again at any time: what is in effect is not written again.

    Args:
        blueprint: what the rack shall hold.
        endpoints: where its daemons listen.
        dry_run: read and compare, and send nothing that writes.
        safeguards: what keeps the run from doing harm, and what of it was accepted; the defaults if left out.
        progress: who is told of stages and calls.
        limits: how much at once, how long and how large.
        mounts: ways to daemons by base address, where they are not reached by plain connections.
    """
    guards = safeguards or Safeguards()
    reasons = refusals(blueprint)
    if reasons:
        return _not_begun(blueprint, Outcome.REFUSED, *reasons, dry_run=dry_run)
    with ExitStack() as held:
        try:
            fence, memory = _safely(blueprint, guards, held, dry_run=dry_run)
        except InputRejectedError as error:
            mistakes = (f"{error.source}: {mistake}" for mistake in error.mistakes)
            return _not_begun(blueprint, Outcome.REFUSED, *mistakes, dry_run=dry_run)
        except OSError as error:
            return _not_begun(blueprint, Outcome.PARTIAL, f"the journal cannot be kept: {error}", dry_run=dry_run)
        because = fence()
        if because is not None:
            return _not_begun(blueprint, Outcome.FENCED, because, dry_run=dry_run)
        rack = Rack(
            endpoints=endpoints,
            rack_id=blueprint.rack_id,
            limits=limits or Limits(),
            forbidden=fence,
            mounts=mounts or {},
            listener=None if progress is nobody else progress,
        )
        async with rack:
            run = await _looked(memory, rack, guards, progress or nobody)
            return await _ended(run, dry_run=dry_run)


def _safely(
    blueprint: Blueprint, guards: Safeguards, held: ExitStack, *, dry_run: bool
) -> tuple[Callable[[], str | None], Memory]:
    """Return what is asked before every write, and what the journal adds; its lock is *held* unless in a dry run.

    Raises:
        InputRejectedError: the target store or the journal cannot be gone by.
        OSError: the journal cannot be locked.
    """
    forbidden: Callable[[], str | None] = never
    if guards.target_store is not None:
        fence = Fence(store=guards.target_store, blueprint=blueprint)
        fence.check_store()
        forbidden = fence.closed
    if guards.journal is None:
        return forbidden, Memory(blueprint=blueprint)
    if not dry_run:
        held.enter_context(guards.journal.locked())
    kept = guards.journal.read(blueprint.rack_id)
    return forbidden, Memory(blueprint=with_leaves(blueprint, kept.leaves), file=guards.journal, on_disk=kept)


def _not_begun(blueprint: Blueprint, outcome: Outcome, *reasons: str, dry_run: bool) -> Report:
    """Return the report of a run that may not even begin."""
    refused = outcome is Outcome.REFUSED
    return Report(
        blueprint=CarriedOut.naming(blueprint),
        outcome=outcome,
        dry_run=dry_run,
        counts={},
        refusals=reasons if refused else (),
        owed=() if refused else tuple(Owed(target="rack", because=because) for because in reasons),
    )


async def _looked(memory: Memory, rack: Rack, guards: Safeguards, progress: Progress) -> Run:
    """Return the run, once the rack was read."""
    targets = targets_of(memory.blueprint)
    seen = await rack.observe(targets)
    return Run(
        blueprint=memory.blueprint,
        rack=rack,
        targets=targets,
        subscriptions=rack.endpoints.subscriptions,
        guards=guards,
        progress=progress,
        begin=seen,
        seen=seen,
        memory=memory,
        losses=losses(memory.blueprint, seen, guards.allowances),
    )


async def _ended(run: Run, *, dry_run: bool) -> Report:
    """Return the report of *run*, which is carried out unless something forbids or defers it."""
    difference = run.compared()
    run.progress(Observed(targets=len(run.targets), silent=len(difference.unknown)))
    if _no_sled_answers(run.blueprint, difference):
        return withheld(run, difference, dry_run=dry_run)
    if dry_run:
        return rehearsed(run, difference)
    return asked(run, difference) if unaccepted(run) else await carried_out(run, difference)


def _no_sled_answers(blueprint: Blueprint, difference: Difference) -> bool:
    """Return whether not one sled of *blueprint* was found: then this may be another rack, whoever else answers."""
    unknown = {silence.target for silence in difference.unknown}
    return bool(blueprint.sleds) and all(str(Target.sled(sled)) in unknown for sled in blueprint.sleds)
