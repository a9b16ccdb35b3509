"""Every folder of ``cases``: what goes in, and what shall come out. ``case_files`` says how they are read."""

from pathlib import Path

import pytest

from blueprints.checks import check
from planner.plan import plan
from tests.planner.case_files import CASES, differences, read_case

FOLDERS = sorted(path for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    """The blueprint of the case holds what the case expects, keeps the structural rules, and is its own successor."""
    case = read_case(folder)
    assert differences(case) == []
    assert check(case.blueprint) == ()
    assert plan(case.snapshot, case.blueprint) is case.blueprint
