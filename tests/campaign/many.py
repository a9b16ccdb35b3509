"""Many seeds, in processes beside this one. This file does not know what a scenario is made of."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from attrs import evolve

from tests.campaign.play import Verdict, play
from tests.campaign.scenario import scenario


def judge(seed: int) -> Verdict:
    """Return what became of *seed*; without its trace if all was right."""
    verdict = play(scenario(seed))
    return verdict if verdict.wrong else evolve(verdict, trace=())


def pool(jobs: int) -> ProcessPoolExecutor:
    """Return processes that share nothing with this one."""
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def judged(seeds: Iterable[int], jobs: int) -> Iterator[Verdict]:
    """Yield what became of each of *seeds*, in their order; with one job in this process."""
    if jobs == 1:
        yield from map(judge, seeds)
        return
    with pool(jobs) as workers:
        yield from workers.map(judge, seeds, chunksize=5)
