"""The checks of the house can fail: each is given source that breaks its rule."""

from pathlib import Path

import pytest

from tests.house_rules import (
    Module,
    Offence,
    bare_excepts,
    cycles,
    hidden_imports,
    imports_of,
    is_or_is_in,
    missing_head,
    texts_in,
    uses_of,
    wordless_tests,
)
from tests.test_house import CLOCK, UNSAFE, folders_of_this_machine


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "import httpx.foo",
        "from httpx import get",
        "def f():\n    import httpx",
        "import a, httpx as h",
    ],
)
def test_forbidden_imports_are_found(source: str) -> None:
    """An import is found in every spelling and at every depth."""
    assert len(imports_of(Module.parse("planner/bad.py", source), forbidden={"httpx"})) == 1


def test_similar_names_are_no_offence() -> None:
    """A module whose name only begins like a forbidden one may be imported."""
    assert imports_of(Module.parse("planner/good.py", "import timeit, os_like"), forbidden={"time", "os"}) == []


@pytest.mark.parametrize(
    "source",
    [
        "import datetime\ndatetime.datetime.now()",
        "import datetime as d\nd.datetime.now(d.UTC)",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime as moment\nx = field(factory=moment.now)",
    ],
)
def test_the_clock_is_found_under_any_name(source: str) -> None:
    """Reading the clock is found through aliases, and when it is handed over instead of called."""
    found = uses_of(Module.parse("planner/bad.py", source), forbidden=CLOCK)
    assert found == [Offence("planner/bad.py", 2, "uses datetime.datetime.now")]


@pytest.mark.parametrize("name", sorted(UNSAFE | {"open"}))
def test_builtins_are_found(name: str) -> None:
    """A forbidden builtin is found by its bare name, and a method of that name is not."""
    module = Module.parse("planner/bad.py", f"{name}('x')\nthing.{name}('x')")
    assert uses_of(module, forbidden={name}) == [Offence("planner/bad.py", 1, f"uses {name}")]


@pytest.mark.parametrize(
    "source", ["from typing import TYPE_CHECKING\nTYPE_CHECKING", "import typing\ntyping.TYPE_CHECKING"]
)
def test_type_checking_blocks_are_found(source: str) -> None:
    """TYPE_CHECKING is found in both spellings."""
    assert len(uses_of(Module.parse("planner/bad.py", source), forbidden={"typing.TYPE_CHECKING"})) == 1


def test_hidden_imports_are_found_once() -> None:
    """An import in a nested function is reported once, and an allowed one not at all."""
    source = "import os\ndef f():\n    def g():\n        import rich.table\n        import yaml"
    found = hidden_imports(Module.parse("rackcast/bad.py", source), allowed={"rich"})
    assert found == [Offence("rackcast/bad.py", 5, "imports yaml inside a function")]


@pytest.mark.hashseed
def test_cycles_are_found_whatever_the_hash_order() -> None:
    """Loops of two, of three and of one are found, and named in the same order under every hash seed."""
    sources = {
        "p/__init__.py": "",
        "p/a.py": "from p import b",
        "p/b.py": "import p.a",
        "p/c.py": "from p.d import thing",
        "p/d.py": "from p.e import thing",
        "p/e.py": "def f():\n    from p.c import thing",
        "p/f.py": "import p.f",
        "p/g.py": "from p import a",
    }
    modules = [Module.parse(path, source) for path, source in sources.items()]
    assert cycles(modules) == ["p.a <-> p.b", "p.c <-> p.d <-> p.e", "p.f"]


def test_bare_excepts_are_found() -> None:
    """An except clause without a name is found, one with a name is not."""
    source = "try:\n    f()\nexcept OSError:\n    g()\nexcept:\n    h()"
    assert bare_excepts(Module.parse("a/bad.py", source)) == [Offence("a/bad.py", 5, "catches everything")]


def test_missing_docstrings_are_found() -> None:
    """A module without a head and a test without a sentence are found."""
    module = Module.parse("tests/bad.py", "def test_a():\n    pass\ndef test_b():\n    '''Is true.'''")
    assert len(missing_head(module)) == 1
    assert [offence.line for offence in wordless_tests(module)] == [1]


def test_machine_paths_are_found_as_whole_words() -> None:
    """A folder is found at the start of a path and not inside a longer name."""
    found = texts_in("a.md", b"see /srv/menu\nsee /srv/menu and '/srv/me/x'\n", forbidden={b"/srv/me"})
    assert found == [Offence("a.md", 2, "holds /srv/me")]


def test_folders_that_every_machine_has_are_not_forbidden() -> None:
    """A checkout right below a folder like /tmp does not forbid to mention that folder."""
    assert folders_of_this_machine(Path("/tmp/rackcast")) == {Path("/tmp/rackcast")}
    assert folders_of_this_machine(Path("/data/me/rackcast")) == {Path("/data/me/rackcast"), Path("/data/me")}


def test_lists_of_modules_cover_what_lies_below_them() -> None:
    """A dotted name is covered by itself and by its parents, not by its neighbours."""
    assert is_or_is_in("urllib.parse", {"urllib"})
    assert not is_or_is_in("urllib3", {"urllib"})
