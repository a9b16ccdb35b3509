"""Carrying a blueprint out: read, compare, widen, read back, narrow, read back, report.

This file does not know what is right for a rack; it decides nothing that the blueprint leaves open, because the
blueprint leaves nothing open.
"""

from blueprints.blueprint import Blueprint
from blueprints.endpoints import Endpoints
from blueprints.errors import InputRejectedError
from blueprints.run_report import CarriedOut, Outcome
from executor.changes import Difference
from executor.differences import differences
from executor.extent import losses
from executor.fence import Fence
from executor.http import never
from executor.limits import Limits
from executor.observe import Rack
from executor.preflight import refusals
from executor.progress import Observed, Progress, nobody
from executor.report import Owed, Report
from executor.run import Run
from executor.safeguards import Safeguards
from executor.targets import Target, targets_of


async def execute(
    blueprint: Blueprint,
    endpoints: Endpoints,
    *,
    dry_run: bool = False,
    safeguards: Safeguards | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
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
    """
    guards = safeguards or Safeguards()
    fence = None if guards.target_store is None else Fence(store=guards.target_store, blueprint=blueprint)
    report = _refused(blueprint, fence, dry_run=dry_run)
    if report is not None:
        return report
    targets = targets_of(blueprint)
    async with Rack(
        endpoints=endpoints,
        rack_id=blueprint.rack_id,
        limits=limits or Limits(),
        forbidden=never if fence is None else fence.closed,
    ) as rack:
        seen = await rack.observe(targets)
        run = Run(
            blueprint=blueprint,
            rack=rack,
            targets=targets,
            subscriptions=endpoints.subscriptions,
            guards=guards,
            progress=progress or nobody,
            begin=seen,
            seen=seen,
            losses=losses(blueprint, seen, guards.allowances),
        )
        difference = differences(blueprint, seen)
        run.progress(Observed(targets=len(targets), silent=len(difference.unknown)))
        if _no_sled_answers(blueprint, difference):
            return run.withheld(difference, dry_run=dry_run)
        if dry_run:
            return run.rehearsed(difference)
        return run.asked(difference) if run.unaccepted else await run.carried_out(difference)


def _refused(blueprint: Blueprint, fence: Fence | None, *, dry_run: bool) -> Report | None:
    """Return the report of a run that may not even begin, or None."""
    about = CarriedOut.naming(blueprint)
    reasons = refusals(blueprint)
    try:
        if fence is not None:
            fence.check_store()
    except InputRejectedError as error:
        reasons = (*reasons, str(error))
    if reasons:
        return Report(blueprint=about, outcome=Outcome.REFUSED, dry_run=dry_run, counts={}, refusals=reasons)
    because = None if fence is None else fence.closed()
    if because is None:
        return None
    owed = Owed(target="rack", because=because)
    return Report(blueprint=about, outcome=Outcome.FENCED, dry_run=dry_run, counts={}, owed=(owed,))


def _no_sled_answers(blueprint: Blueprint, difference: Difference) -> bool:
    """Return whether not one sled of *blueprint* was found: then this may be another rack, whoever else answers."""
    unknown = {silence.target for silence in difference.unknown}
    return bool(blueprint.sleds) and all(str(Target.sled(sled)) in unknown for sled in blueprint.sleds)
