"""The safe order: tiers, barriers between them, and the stages that follow.

Nodes are (tier, target), so the graph grows with the rack and not with the work. Edges are barriers: what has to
be finished, well or badly, before the next may start. Whether it went well is asked by `executor.gates`.

The read-back between widening and narrowing is where the schedule is cut in two.

Source: the order is the one whose every intermediate state was searched for lost, leaked and doubled packets.
This file does not know changes, calls or how long anything takes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import pairwise
from types import MappingProxyType

from attrs import frozen

from executor.actions import Tier
from executor.targets import Daemon, Target

Node = tuple[Tier, Target | None]
"""A tier of one target; with None, the barrier that waits for a tier of all targets."""

Stage = tuple[tuple[Tier, Target], ...]
"""What may run at the same time."""

_T = Tier

DAEMONS: Mapping[Tier, Daemon] = MappingProxyType(
    {
        _T.REBUILD_EXTERNAL: Daemon.DPD,
        _T.REBUILD_UNDERLAY: Daemon.DPD,
        _T.UNDERLAY: Daemon.DPD,
        _T.EXTERNAL: Daemon.DPD,
        _T.DRAIN: Daemon.SLED_AGENT,
        _T.REFILTER: Daemon.DPD,
        _T.FORWARDING: Daemon.SLED_AGENT,
        _T.MOVE_LEAVE: Daemon.SLED_AGENT,
        _T.M2P: Daemon.SLED_AGENT,
        _T.JOIN: Daemon.SLED_AGENT,
        _T.ROUTES: Daemon.MGD,
        _T.WITHDRAW: Daemon.MGD,
        _T.LEAVE: Daemon.SLED_AGENT,
        _T.FORWARDING_CLEAR: Daemon.SLED_AGENT,
        _T.M2P_CLEAR: Daemon.SLED_AGENT,
        _T.EXTERNAL_DELETE: Daemon.DPD,
        _T.NARROW: Daemon.DPD,
    }
)
"""Which daemon each tier is sent to."""

BARRIERS: tuple[tuple[Tier, Tier, bool], ...] = (
    # earlier, later, and whether the later one waits for all targets or only for its own
    (_T.REBUILD_EXTERNAL, _T.REBUILD_UNDERLAY, False),  # dpd refuses to delete what an external group refers to
    (_T.REBUILD_UNDERLAY, _T.UNDERLAY, False),
    (_T.UNDERLAY, _T.EXTERNAL, False),  # dpd refuses an external group whose underlay group is not there
    (_T.EXTERNAL, _T.DRAIN, True),  # a sled may send only to a switch that holds the group
    (_T.DRAIN, _T.REFILTER, True),  # a filter is rewritten where nobody sends
    (_T.REFILTER, _T.FORWARDING, True),  # and stands before anybody sends there again
    (_T.FORWARDING, _T.MOVE_LEAVE, False),
    (_T.MOVE_LEAVE, _T.M2P, False),  # a subscription leaves under the mapping it joined under
    (_T.M2P, _T.JOIN, False),  # a join needs the mapping
    (_T.JOIN, _T.ROUTES, True),  # routes attract traffic: everything behind them comes first
    (_T.ROUTES, _T.WITHDRAW, True),  # the read-back stands here
    (_T.WITHDRAW, _T.LEAVE, True),
    (_T.LEAVE, _T.FORWARDING_CLEAR, True),
    (_T.FORWARDING_CLEAR, _T.M2P_CLEAR, True),  # clearing the forwarding is what stops senders
    (_T.M2P_CLEAR, _T.EXTERNAL_DELETE, True),
    (_T.EXTERNAL_DELETE, _T.NARROW, False),
)


@frozen(kw_only=True)
class Schedule:
    """The stages of one run."""

    widening: tuple[Stage, ...]
    narrowing: tuple[Stage, ...]


def schedule(targets: Iterable[Target], work: Collection[tuple[Tier, Target]]) -> Schedule:
    """Return the stages in which *work* is done on *targets*, each sorted; stages without work are left out."""
    graph = _graph(sorted(targets, key=lambda target: target.sort_key), rebuilding=_rebuilds(work))
    stages = []
    for generation in _generations(graph):
        nodes = [(tier, target) for tier, target in generation if target is not None and (tier, target) in work]
        stages.append(tuple(sorted(nodes, key=lambda node: (node[0], node[1].sort_key))))
    return Schedule(
        widening=tuple(stage for stage in stages if stage and not stage[0][0].narrows),
        narrowing=tuple(stage for stage in stages if stage and stage[0][0].narrows),
    )


def _generations(graph: "TopologicalSorter[Node]") -> Iterator[tuple[Node, ...]]:
    """Yield what may run at the same time, each node as early as what comes before it allows."""
    graph.prepare()
    while graph.is_active():
        ready = graph.get_ready()
        yield ready
        graph.done(*ready)


def _rebuilds(work: Collection[tuple[Tier, Target]]) -> bool:
    return any(tier in (_T.REBUILD_EXTERNAL, _T.REBUILD_UNDERLAY) for tier, _ in work)


def _graph(targets: list[Target], *, rebuilding: bool) -> "TopologicalSorter[Node]":
    graph: TopologicalSorter[Node] = TopologicalSorter()
    for tier, daemon in DAEMONS.items():
        graph.add((tier, None), *[(tier, target) for target in targets if target.daemon is daemon])
    for earlier, later, everywhere in BARRIERS:
        for target in targets:
            if target.daemon is DAEMONS[later]:
                graph.add((later, target), (earlier, None if everywhere else target))
        graph.add((later, None), (earlier, None))
    _one_switch_after_another(graph, targets, _T.REBUILD_EXTERNAL if rebuilding else _T.EXTERNAL)
    return graph


def _one_switch_after_another(graph: "TopologicalSorter[Node]", targets: list[Target], first: Tier) -> None:
    """Let a switch start on *first* once the one before has its external groups: the other keeps forwarding.

    Rewriting a source filter, or a whole group, drops its packets on that switch for a moment.
    """
    switches = [target for target in targets if target.daemon is Daemon.DPD]
    for before, after in pairwise(switches):
        graph.add((first, after), (_T.EXTERNAL, before))
