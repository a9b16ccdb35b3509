"""The seeded campaign: 300 histories, each with its own faults and deaths, all of which must end well.

`python -m tests.campaign --seed N --trace` plays one of them again; see docs/testing.md.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.campaign.many import judge, pool
from tests.campaign.play import Verdict, play
from tests.campaign.scenario import scenario

SEEDS = 300
CHUNK = 10


@pytest.fixture(scope="module")
def verdicts() -> Iterator[list["Future[Verdict]"]]:
    """What becomes of every seed, worked out by as many processes as there are processors."""
    workers = pool(os.cpu_count() or 1)
    yield [workers.submit(judge, seed) for seed in range(SEEDS)]
    workers.shutdown(cancel_futures=True)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_packet_is_lost_or_leaked_and_the_rack_converges(verdicts: list["Future[Verdict]"], first: int) -> None:
    """Nobody who stays misses a packet, no stranger hears one, what is foreign stays, and three runs are enough."""
    failed = [verdict for each in verdicts[first : first + CHUNK] if (verdict := each.result()).wrong]
    assert {verdict.seed: verdict.wrong[:5] for verdict in failed} == {}


def test_a_seed_is_one_history() -> None:
    """Played twice, and by another process with other hashes, a seed gives the same calls in the same order."""
    command = [sys.executable, "-m", "tests.campaign", "--seed", "8", "--trace"]
    told = {
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True).stdout
        for seed in ("1", "2")
    }
    assert play(scenario(8)).trace == play(scenario(8)).trace
    assert len(told) == 1
    assert play(scenario(8)).trace == tuple(told.pop().decode().splitlines()[:-1])


def test_the_campaign_has_seen_what_it_is_about() -> None:
    """A few seeds have runs that were killed, ended half way, asked or were overtaken, and calls without answer."""
    lines = [line for seed in range(12) for line in play(scenario(seed)).trace]
    signs = {"--- killed", "--- partial", "--- consent", "--- fenced", "--- converged", "-> no answer"}
    assert {sign for sign in signs if any(sign in line for line in lines)} == signs
