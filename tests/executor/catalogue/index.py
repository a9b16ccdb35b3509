"""The rows of the failure catalogue that concern the executor, by their ids, and where those without a test here are.

Tables: ``T`` transport and answers, ``D`` switches (dpd), ``MD`` mgd and DDM, ``S`` sleds and their packet engines,
``C`` concurrency, crashes and time, ``N`` names and topology. This file does not know how a row is tested.
"""

from attrs import frozen

COUNTS = {"T": 21, "D": 19, "MD": 12, "S": 20, "C": 10, "N": 7}
"""Table to how many rows it has."""

_FIRST = {
    "T": (1, 2, 3, 4, 5, 6, 8, 11, 12, 15, 16, 17, 18, 19),
    "D": (1, 3, 4, 5, 6, 7, 9, 12, 13, 15, 16, 17, 18),
    "MD": (3, 6, 7, 8, 9, 10, 12),
    "S": (2, 3, 4, 5, 6, 10, 11, 12, 13, 15, 18, 20),
    "C": (1, 2, 3, 4, 5, 9),
    "N": (2, 4, 5, 7),
}

FIRST_WAVE = tuple(f"{table}{number}" for table, numbers in _FIRST.items() for number in numbers)
"""What had to be covered first."""

ROWS = tuple(f"{table}{number}" for table, count in COUNTS.items() for number in range(1, count + 1))


@frozen
class Elsewhere:
    """A row that tests of other folders cover."""

    what: str
    """What goes wrong, and what is expected then."""

    tests: tuple[str, ...]
    """File and function, as ``executor/test_faults.py::test_x``."""


ELSEWHERE: dict[str, Elsewhere] = {
    "S11": Elsewhere(
        "an address that is reused while ports of the former group may still listen waits for every sled",
        (
            "executor/test_hand_over.py::test_an_address_waits_for_a_sled_that_does_not_answer",
            "executor/test_hand_over.py::test_an_address_is_handed_over_in_one_run_and_nobody_of_before_hears_it",
            "executor/test_hand_over.py::test_a_hand_over_that_is_killed_after_any_call_is_made_good",
        ),
    ),
    "N1": Elsewhere(
        "records that repeat each other are one daemon",
        ("executor/test_discovery.py::test_a_name_with_two_ports_is_an_error",),
    ),
    "S9": Elsewhere(
        "an entry with a replication that nobody knows is only read",
        ("executor/test_opaque.py::test_a_forwarding_entry_that_cannot_be_read_is_not_overwritten",),
    ),
}

NOT_CARRIED_OUT: dict[str, str] = {}
"""Row to why it has no test."""
