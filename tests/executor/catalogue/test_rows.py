"""That no row of the catalogue is without its test, and no row of the first wave without a twin that fails it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.executor.catalogue import test_concurrency, test_ddm, test_names, test_sleds, test_switches, test_transport
from tests.executor.catalogue.index import ELSEWHERE, FIRST_WAVE, NOT_CARRIED_OUT, ROWS

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
TABLES = (test_transport, test_switches, test_ddm, test_sleds, test_concurrency, test_names)

TWINS = {row for table in TABLES for row in table.TWINS}


@cache
def functions(path: Path) -> set[str]:
    """Return the names of the functions in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@cache
def named() -> set[str]:
    """Return the rows that tests of this folder are named after."""
    names = {name for path in HERE.glob("test_*.py") for name in functions(path)}
    return {match[1].upper() for name in names if (match := re.match(r"test_(md\d+|[tdscn]\d+)_", name))}


@pytest.mark.parametrize("row", FIRST_WAVE)
def test_a_row_of_the_first_wave_has_a_test_and_a_twin(row: str) -> None:
    """The test is named after its row, here or in the table of those elsewhere; the twin is in a table."""
    assert row in named() | ELSEWHERE.keys()
    assert row in TWINS


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test_or_a_reason(row: str) -> None:
    """What nobody has tested says why."""
    assert row in named() | ELSEWHERE.keys() | NOT_CARRIED_OUT.keys()


def test_no_row_is_made_up() -> None:
    """Tests, twins and tables speak of rows that exist, and of each in one place."""
    assert named() | ELSEWHERE.keys() | NOT_CARRIED_OUT.keys() | TWINS == set(ROWS)
    assert set(FIRST_WAVE) <= set(ROWS)
    assert not named() & NOT_CARRIED_OUT.keys()
    assert not named() & ELSEWHERE.keys()


@pytest.mark.parametrize("row", ELSEWHERE)
def test_a_row_that_is_tested_elsewhere_is_tested_there(row: str) -> None:
    """Every test that the table names is there under its name."""
    for place in ELSEWHERE[row].tests:
        path, _, name = place.partition("::")
        assert name in functions(TESTS / path), place
