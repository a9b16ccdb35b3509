"""Ids shortened as far as they stay apart, and found by their beginning."""

from pathlib import Path
from uuid import UUID

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.files import read_snapshot
from rackcast.naming import SHORTEST, apart, the_one
from tests.rackcast.conftest import Run

FEW = st.sets(
    st.integers(0, 15).map(lambda number: UUID(int=0x1A2B3C4D << 96 | number << 80)) | st.uuids(), max_size=9
)
"""Ids, some of which begin alike."""


@given(FEW)
def test_what_ids_are_called_tells_them_apart(ids: set[UUID]) -> None:
    """No two are called the same, each begins as it is called, and that leads back to it."""
    called = apart(ids)
    names = {called(each): each for each in ids}
    assert len(names) == len(ids)
    assert all(str(each).startswith(name) and len(name) >= SHORTEST for name, each in names.items())
    assert all(the_one(name.upper(), ids, "sled") == each for name, each in names.items())


@given(FEW)
def test_nothing_is_called_by_more_than_it_takes(ids: set[UUID]) -> None:
    """One character less, beyond the first eight, would not tell them apart."""
    called = apart(ids)
    lengths = {len(called(each)) for each in ids}
    assert len(lengths) <= 1
    for length in lengths - {SHORTEST}:
        assert len({str(each)[: length - 1] for each in ids}) < len(ids)


def test_a_beginning_of_several_is_refused_with_their_names() -> None:
    """What could be meant is said, of many the first few."""
    ids = [UUID(int=0x1A2B3C4D << 96 | number) for number in range(5)]
    with pytest.raises(click.BadParameter, match=f"^5 sleds begin with '1a2b': {ids[0]}, .*{ids[3]}, …$"):
        the_one("1a2b", ids, "sled")
    with pytest.raises(click.BadParameter, match="no sled is called 'f'"):
        the_one("f", ids, "sled")


@pytest.fixture
def alike(run: Run, one_group: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return two blueprints, the first with two sleds that begin alike of which one hears no longer in the second."""
    text = one_group.read_text()
    sleds = [str(sled.id) for sled in read_snapshot(str(one_group)).sleds]
    for place, sled in enumerate(sleds[:2]):
        text = text.replace(sled, f"1a2b3c4d-000{place}-4000-8000-000000000000")
    gone = text.replace("source_ips: [10.20.0.5]", "source_ips: [10.20.0.5]\n    time_deleted: 2026-08-01T11:59:59Z")
    assert gone != text
    for name, said in (("before", text), ("after", gone)):
        (tmp_path / f"{name}.yaml").write_text(said)
        assert run("plan", tmp_path / f"{name}.yaml", "-o", tmp_path / f"{name}.json").code == 0
    return tmp_path / "before.json", tmp_path / "after.json"


def test_sleds_that_begin_alike_are_shown_apart(run: Run, alike: tuple[Path, Path]) -> None:
    """Where eight characters would name two sleds, more are shown, and what is shown selects the one."""
    said = run("diff", *alike).out
    (name,) = {f"1a2b3c4d-000{place}" for place in range(2)} & set(said.replace("│", " ").split())
    shown = run("show", alike[0], "--sled", name)
    assert (shown.code, f"Sled {name}" in shown.out) == (0, True)
    assert run("explain", alike[0], "m2p", "--sled", name).code == 0


@pytest.mark.parametrize("words", [("show",), ("explain", "m2p"), ("explain", "held", "--why-not")])
def test_a_beginning_of_two_sleds_is_refused(run: Run, alike: tuple[Path, Path], words: tuple[str, ...]) -> None:
    """A word that could be either of two sleds is wrong usage, and both are named."""
    ending = run(words[0], alike[0], *words[1:], "--sled", "1a2b3c4d")
    assert ending.code == 2
    assert "2 sleds begin with '1a2b3c4d': 1a2b3c4d-0000-4000-8000-000000000000, 1a2b3c4d-0001" in ending.err
