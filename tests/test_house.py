"""Who may import what, and what no file of ours does. The checks themselves are in ``house_rules.py``."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.house_rules import (
    Module,
    Offence,
    bare_excepts,
    cycles,
    hidden_imports,
    imports_of,
    missing_head,
    read_modules,
    texts_in,
    uses_of,
    wordless_tests,
)

ROOT = Path(__file__).parent.parent

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "blueprints": frozenset(),
    "planner": frozenset({"blueprints"}),
    "executor": frozenset({"blueprints"}),
    "collector": frozenset({"blueprints"}),
    "simrack": frozenset({"blueprints"}),
    "rackcast": frozenset({"blueprints", "planner", "executor", "collector", "simrack"}),
}
"""Package -> the packages of ours that it may import besides itself."""

WITH_FILES = "blueprints/disk.py"
"""The one module of blueprints that reads and writes; the others take values and return values."""

OUTSIDE_WORLD = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"}
    | {"http", "httpx", "select", "selectors", "socket", "ssl", "urllib"}
    | {"os", "shutil", "tempfile"}
    | {"random", "secrets", "time"}
)
"""Modules that reach a network, a disk, a clock, chance or another process."""

CLOCK = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.time",
        "time.time_ns",
    }
)
"""The time of day. Clocks that only measure how long something took are not meant."""

NEW_IDS = frozenset({"uuid.uuid1", "uuid.uuid4"})

CLOCK_AND_NEW_IDS: Mapping[str, frozenset[str]] = {
    "rackcast": CLOCK | NEW_IDS,  # the command: from here time and ids are handed on as arguments
    "simrack": NEW_IDS,  # the daemons that it stands for give every answer a request id
}
"""Package -> what it may use of CLOCK and NEW_IDS. Packages that are not listed may use none."""

EXECUTOR_EDGE = frozenset(
    f"executor/{name}.py"
    for name in (
        "answers",
        "compare",
        "discovery",
        "execute",
        "http",
        "names",
        "observe",
        "requests",
        "run",
        "sending",
        "slots",
        "together",
        "transport",
    )
)
"""The modules of the executor that speak to devices; all others take values and return values."""

EXECUTOR_DISK = "executor/durable.py"
"""The one module of the executor that reads and writes files."""

DISK_LIBRARIES = frozenset({"fcntl", "mmap", "os", "shutil", "tempfile"})

EDGE_LIBRARIES = frozenset({"asyncio", "dns", "httptools", "httpx", "socket"})

LATE_IMPORTS: Mapping[str, frozenset[str]] = {
    # The command answers `--help` and `show` without waiting for libraries that only other sub-commands need.
    "rackcast": frozenset({"click", "dns", "httpx", "networkx", "rich", "structlog", "uvicorn", "yaml"})
    | MAY_IMPORT["rackcast"]
    | {"rackcast"},
    # JSON is read without YAML, and a run without a journal or a target store is one without cattrs: a process that
    # executes has an eighth of its memory to spare for libraries.
    "blueprints/notation.py": frozenset({"blueprints"}),
    "executor/fence.py": frozenset({"blueprints"}),
    "executor/journal.py": frozenset({"blueprints"}),
}
"""File or package -> the modules that it may import inside functions."""

UNSAFE = frozenset({"eval", "exec", "__import__"})


@pytest.fixture(scope="module")
def ours() -> list[Module]:
    """Every module of every package that exists."""
    return read_modules(ROOT, MAY_IMPORT)


@pytest.fixture(scope="module")
def everything() -> list[Module]:
    """Every module of the packages, the tests, the benchmarks and the examples."""
    return read_modules(ROOT, [*MAY_IMPORT, "tests", "benchmarks", "examples"])


def assert_none(rule: str, offences: Iterable[Offence]) -> None:
    """Fail with *rule* and the places that break it, unless there are none."""
    found = sorted(offences)
    assert not found, "\n".join([rule, *map(str, found)])


def test_packages_import_only_what_the_map_allows(ours: list[Module]) -> None:
    """Each package imports of ours only what MAY_IMPORT grants it."""
    assert_none(
        "The packages above blueprints do not know each other; rackcast ties them together:",
        (
            offence
            for module in ours
            for offence in imports_of(
                module,
                forbidden={*MAY_IMPORT, "tests", "benchmarks"} - MAY_IMPORT[module.package] - {module.package},
            )
        ),
    )


def test_planner_and_blueprints_do_not_touch_the_outside_world(ours: list[Module]) -> None:
    """The planner and the pure part of blueprints import no network, disk, clock, chance or process."""
    pure = [module for module in ours if is_pure(module)]
    assert_none("Take it as an argument instead:", (o for m in pure for o in imports_of(m, forbidden=OUTSIDE_WORLD)))


def test_planner_and_blueprints_open_no_file(ours: list[Module]) -> None:
    """The planner and the pure part of blueprints open no file, and the planner knows no paths."""
    pure = [module for module in ours if is_pure(module)]
    planner = [module for module in ours if module.package == "planner"]
    offences = [o for m in pure for o in uses_of(m, forbidden={"open", "io.open"})]
    offences += [o for m in planner for o in imports_of(m, forbidden={"pathlib"})]
    assert_none(f"Files are read and written in {WITH_FILES}:", offences)


def test_only_the_command_asks_for_the_time_or_new_ids(ours: list[Module]) -> None:
    """The time of day and fresh ids come from rackcast and reach everything else as arguments."""
    clock_and_new_ids = CLOCK | NEW_IDS
    assert_none(
        "Take it as an argument instead:",
        (
            offence
            for module in ours
            for offence in uses_of(
                module, forbidden=clock_and_new_ids - CLOCK_AND_NEW_IDS.get(module.package, frozenset())
            )
        ),
    )


def test_what_the_executor_decides_is_decided_without_the_network(ours: list[Module]) -> None:
    """Differences, actions and their order are worked out by modules that cannot reach a device."""
    pure = [module for module in ours if module.package == "executor" and module.path not in EXECUTOR_EDGE]
    assert_none("This belongs to the edge:", (o for m in pure for o in imports_of(m, forbidden=EDGE_LIBRARIES)))


def test_the_executor_touches_the_disk_in_one_place(ours: list[Module]) -> None:
    """Files of the executor are read, written and locked by one module."""
    others = [module for module in ours if module.package == "executor" and module.path != EXECUTOR_DISK]
    offences = [o for m in others for o in imports_of(m, forbidden=DISK_LIBRARIES)]
    offences += [o for m in others for o in uses_of(m, forbidden={"open", "io.open"})]
    assert_none(f"Files are read and written in {EXECUTOR_DISK}:", offences)


def test_imports_stand_at_the_head(ours: list[Module]) -> None:
    """No import hides inside a function, except those that LATE_IMPORTS lists with their reason."""
    assert_none(
        "Move it to the head, or give the reason in LATE_IMPORTS:",
        (o for m in ours for o in hidden_imports(m, allowed=late_imports(m))),
    )


def test_nothing_is_imported_for_types_alone(everything: list[Module]) -> None:
    """No module needs TYPE_CHECKING, which would hide a cycle of imports."""
    forbidden = {"typing.TYPE_CHECKING", "TYPE_CHECKING"}
    assert_none("Break the cycle instead:", (o for m in everything for o in uses_of(m, forbidden=forbidden)))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_have_no_import_cycles(package: str) -> None:
    """No two modules of a package import each other, directly or through others."""
    assert cycles(read_modules(ROOT, [package])) == []


def test_no_error_is_caught_without_its_name(everything: list[Module]) -> None:
    """Every except clause names what it catches."""
    assert_none("Name the errors that are expected:", (o for m in everything for o in bare_excepts(m)))


def test_no_text_is_run_as_code(everything: list[Module]) -> None:
    """Nothing evaluates text or loads pickles."""
    offences = [o for m in everything for o in uses_of(m, forbidden=UNSAFE)]
    offences += [o for m in everything for o in imports_of(m, forbidden={"pickle", "marshal", "shelve"})]
    assert_none("Input is data, never code:", offences)


def test_every_module_says_what_lives_in_it(ours: list[Module]) -> None:
    """Each module of the packages starts with a docstring."""
    assert_none("Say what lives here, and what this file does not know:", (o for m in ours for o in missing_head(m)))


def test_every_test_says_what_is_true() -> None:
    """Each test has a docstring that is a sentence."""
    modules = read_modules(ROOT, ["tests", "examples"])
    assert_none("Say what is true when it passes:", (o for m in modules for o in wordless_tests(m)))


def test_tracked_files_do_not_depend_on_a_machine() -> None:
    """No tracked file names a package index, its hosts or the folder that this checkout lies in."""
    forbidden = package_index_texts() | {bytes(folder) for folder in folders_of_this_machine(ROOT)}
    assert_none(
        "This would be wrong on another machine:",
        (o for path in tracked_files() for o in texts_in(path, (ROOT / path).read_bytes(), forbidden=forbidden)),
    )


def is_pure(module: Module) -> bool:
    """Return whether *module* may only take values and return values."""
    return module.package in {"planner", "blueprints"} and module.path != WITH_FILES


def late_imports(module: Module) -> frozenset[str]:
    """Return what *module* may import inside functions."""
    return LATE_IMPORTS.get(module.path, frozenset()) | LATE_IMPORTS.get(module.package, frozenset())


def package_index_texts() -> set[bytes]:
    """Return what names a package index; put together here, so that this file does not hold it."""
    options = {
        b"--" + name for name in (b"index-" + b"url", b"extra-index-" + b"url", b"find-links", b"trusted-host")
    }
    return options | {b"pypi" + b".org", b"python" + b"hosted.org"}


def folders_of_this_machine(root: Path) -> set[Path]:
    """Return *root* and the folder around it, unless that is one that every machine has."""
    everywhere = {Path(name) for name in ("/", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp")}
    return {root, root.parent} - everywhere


def tracked_files() -> list[str]:
    """Return the files that git knows and that still exist; skip the test where there is no repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]
