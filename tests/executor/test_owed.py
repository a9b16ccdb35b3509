"""What many debts have in common is said once, and every debt is counted."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from blueprints.run_report import CarriedOut, Outcome, TargetState
from executor.changes import Kind
from executor.owed import Owed, in_order, reasons
from executor.report import Report
from rackcast.reports import print_report
from tests.executor.builders import G, blueprint, group_ip

PLAN = blueprint(G(number=1))


def waiting(number: int, target: str) -> Owed:
    """Return a debt that names its own group."""
    ip = group_ip(number)
    return Owed(
        target=target, kind=Kind.JOIN.value, groups=(ip,), because=f"waits for m2p_set of {ip} on the same target"
    )


DEBTS = st.builds(
    Owed,
    target=st.sampled_from(["sled 1", "sled 2", "switch0 dpd"]),
    because=st.sampled_from(["no answer", "refused"]),
    kind=st.sampled_from([None, "join", "m2p_set"]),
    groups=st.lists(st.integers(1, 3).map(group_ip), max_size=2, unique=True).map(tuple),
    consent=st.booleans(),
    wedged=st.booleans(),
)


@given(st.lists(DEBTS, max_size=12))
def test_every_debt_has_one_reason(debts: list[Owed]) -> None:
    """Reasons share out what is owed: each debt stands under its own words and state, the weightiest first."""
    owed = in_order(debts)
    found = reasons(owed)
    assert sorted((d for reason in found for d in reason.debts), key=lambda d: d.sort_key) == list(owed)
    assert all(d.because == reason.because and d.state is reason.state for reason in found for d in reason.debts)
    assert len({(reason.because, reason.state) for reason in found}) == len(found)
    weights = [list(TargetState).index(reason.state) for reason in found]
    assert weights == sorted(weights, reverse=True)


def test_a_reason_that_names_the_group_is_one_reason() -> None:
    """Debts that differ by the group that they name share their reason; another address in it stays."""
    other = Owed(
        target="sled 1", groups=(group_ip(1),), because=f"{group_ip(12)} leads there, and so does {group_ip(1)}"
    )
    first, second = reasons([*(waiting(number, f"sled {number}") for number in (1, 2, 12)), other])
    assert first.as_json() == {
        "because": "waits for m2p_set of {group} on the same target",
        "state": "owed",
        "debts": 3,
        "kinds": ["join"],
        "targets": ["sled 1", "sled 12", "sled 2"],
        "groups": [group_ip(number).text for number in (1, 2, 12)],
    }
    assert second.because == f"{group_ip(12)} leads there, and so does {{group}}"


def test_a_report_says_each_reason_once() -> None:
    """The document has all debts and each reason once; people are told the reason, and how often."""
    owed = in_order(waiting(number, "sled 1") for number in range(1, 101))
    report = Report(blueprint=CarriedOut.naming(PLAN), outcome=Outcome.PARTIAL, owed=owed, counts={})
    document = report.as_json()
    assert (len(document["owed"]), [each["debts"] for each in document["reasons"]]) == (100, [100])
    out = StringIO()
    print_report(Console(file=out, width=200), report)
    told = [line.split() for line in out.getvalue().splitlines() if "waits for m2p_set of {group}" in line]
    assert [words[0] for words in told] == ["100"]
    assert "100 groups" in out.getvalue()
