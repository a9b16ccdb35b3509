"""Plays many seeds, or one with its trace: `python -m tests.campaign --seeds 0-1999`, `--seed 1234 --trace`."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext

from tests.campaign.many import judged
from tests.campaign.play import Verdict, play
from tests.campaign.scenario import scenario
from tests.campaign.twins import TWINS, seeded


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _told(verdict: Verdict) -> str:
    """Return what is printed of a seed that failed: what was wrong, and the runs in brief."""
    runs = [line[:160] for line in verdict.trace if line.startswith("---")]
    return "\n  ".join([f"seed {verdict.seed} failed", *(line[:400] for line in verdict.wrong), *runs])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    """Return 0 if every seed was right."""
    parser = argparse.ArgumentParser(prog="tests.campaign", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", type=_span, help="such as 0-1999")
    what.add_argument("--seed", type=int, help="one alone, in this process")
    parser.add_argument("--trace", action="store_true", help="print every call and every run of the seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--twin", choices=TWINS, help="with this mistake in the executor; for one seed")
    options = parser.parse_args(words)
    if options.seed is not None:
        with seeded(options.twin) if options.twin else nullcontext():
            verdict = play(scenario(options.seed))
        if options.trace:
            _say("\n".join(verdict.trace))
        _say(_told(verdict) if verdict.wrong else f"seed {verdict.seed}: right after {verdict.passes} runs")
        return bool(verdict.wrong)
    passes: Counter[int] = Counter()
    calls = steps = failed = 0
    for verdict in judged(options.seeds, options.jobs):
        passes[verdict.passes] += 1
        calls, steps = calls + verdict.calls, steps + verdict.steps
        if verdict.wrong:
            failed += 1
            _say(_told(verdict))
    counted = ", ".join(f"{count} after {number}" for number, count in sorted(passes.items()) if number)
    _say(
        f"{len(options.seeds)} seeds, {failed} failed; converged: {counted}; {calls:,} calls, {steps:,} states judged"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
