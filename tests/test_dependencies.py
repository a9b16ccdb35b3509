"""pyproject.toml, requirements.lock and docs/dependencies.md tell the same story."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent

LOCK_LINE = re.compile(r"( *#.*)?|[a-z0-9.-]+==[a-z0-9.]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
"""A comment or nothing, a pinned version, or one of its hashes."""

ROW = re.compile(r"\| (?P<name>[][\w-]+) \| (?P<bound>[\d.]+) \|.*")
"""A line of the page's tables: package, lower bound, and the reasons."""


def test_the_page_lists_every_dependency_with_its_bound() -> None:
    """Each requirement is explained once, in the order and with the bound of pyproject.toml."""
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8").splitlines()
    explained = [f"{row['name']}>={row['bound']}" for row in map(ROW.fullmatch, page) if row]
    assert explained == requirements()


def test_every_dependency_is_locked() -> None:
    """Each requirement, and what the build needs, has a pinned version in the lock."""
    lock = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    locked = {line.partition("==")[0] for line in lock if "==" in line}
    assert {name_of(requirement) for requirement in [*requirements(), *build_requirements()]} - locked == set()


def test_the_lock_says_what_and_not_whence() -> None:
    """The lock holds pinned versions, their hashes and comments, and no address to fetch them from."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    strange = [line for line in lines if not LOCK_LINE.fullmatch(line) or "://" in line]
    assert strange == []


def requirements() -> list[str]:
    """Return what pyproject.toml asks for: at run time, then for each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]


def build_requirements() -> list[str]:
    """Return what pyproject.toml asks for to build a distribution."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return list(settings["build-system"]["requires"])


def name_of(requirement: str) -> str:
    """Return the name as the lock spells it: lower case, with dashes."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
