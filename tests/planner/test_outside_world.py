"""A plan asks nobody: neither clock nor chance, neither disk nor network, neither locale nor time zone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve

from blueprints.documents import snapshot_document
from blueprints.files import read_snapshot, write_snapshot
from blueprints.text import dumps
from planner.plan import PASSES, plan
from tests.planner.big_rack import big_rack

ROOT = Path(__file__).parents[2]

BEFORE = big_rack(groups=12, instances=20)
AFTER = evolve(
    big_rack(groups=13, instances=22, sleds=31, seed=2),
    switches={slot: evolve(switch, peers=None) for slot, switch in BEFORE.switches.items()},
)
"""What becomes of it: members come and go, a sled has lost its row, and nobody says where the others are."""

POISONED = """
import builtins, io, locale, os, random, secrets, socket, sys, time, uuid
from blueprints.files import read_snapshot
from planner.plan import plan

before, after = (read_snapshot(path) for path in sys.argv[1:])

def poison(event, arguments):
    if event.split(".")[0] in ("open", "socket", "os", "subprocess", "time", "shutil", "tempfile"):
        raise RuntimeError(f"a plan asks for {event} {arguments}")

def refuse(*_, **__):
    raise RuntimeError("a plan asks the outside world")

for module in (time, random, secrets, socket, locale):
    for name, value in vars(module).copy().items():
        if callable(value) and not name.startswith("__") and not isinstance(value, type):
            setattr(module, name, refuse)
DOORS = {os: ("urandom", "getenv", "stat", "listdir"), uuid: ("uuid1", "uuid4"), io: ("open",), builtins: ("open",)}
for module, names in DOORS.items():
    for name in names:
        setattr(module, name, refuse)
sys.addaudithook(poison)
POISON_CHECK
print(plan(after, plan(before)).digest)
"""


ASKED = (
    "time.time()",
    "random.random()",
    "open('/dev/null')",
    "socket.socket()",
    "os.urandom(1)",
    "uuid.uuid4()",
    "secrets.token_hex()",
    "os.open('/dev/null', 0)",
)


Stored = tuple[Path, Path]
"""The files of a snapshot and of what the rack is afterwards."""


def planned() -> str:
    """Return the digest of what is planned here, second after first."""
    return plan(AFTER, plan(BEFORE)).digest


def run(program: str, paths: Stored, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run *program* on the snapshots in *paths*, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Two snapshots in files."""
    folder = tmp_path_factory.mktemp("poisoned")
    before, after = folder / "before.json", folder / "after.json"
    write_snapshot(str(before), BEFORE)
    write_snapshot(str(after), AFTER)
    return before, after


def test_a_plan_is_made_without_the_outside_world(stored: Stored) -> None:
    """With clock, chance, files, sockets and environment poisoned, plans are made, with a parent too, as ever."""
    done = run(POISONED.replace("POISON_CHECK", ""), stored)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == planned()


@pytest.mark.parametrize("asked", ASKED)
def test_the_poison_works(stored: Stored, asked: str) -> None:
    """Whoever asks the poisoned process for the outside world is refused."""
    done = run(POISONED.replace("POISON_CHECK", asked), stored)
    assert done.returncode == 1
    assert "RuntimeError: a plan asks" in done.stderr


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns"])
@pytest.mark.parametrize("language", ["C", "C.UTF-8", "tr_TR.UTF-8"])
def test_neither_time_zone_nor_locale_nor_hash_seed_matters(stored: Stored, zone: str, language: str) -> None:
    """In every time zone and locale, and under other hash seeds, a plan after another has the same digest."""
    seed = str(len(zone) * len(language))
    program = (
        "import locale, sys\n"
        "try:\n    locale.setlocale(locale.LC_ALL, '')\nexcept locale.Error:\n    pass\n"
        "from blueprints.files import read_snapshot\nfrom planner.plan import plan\n"
        "before, after = (read_snapshot(path) for path in sys.argv[1:])\n"
        "print(plan(after, plan(before)).digest)\n"
    )
    done = run(program, stored, TZ=zone, LC_ALL=language, PYTHONHASHSEED=seed)
    assert done.stdout.strip() == planned(), done.stderr


def disordered(value: Any, random: Random) -> Any:
    """Return *value* with the rows of every list, and the keys of every object, in another order."""
    if isinstance(value, dict):
        return {key: disordered(value[key], random) for key in random.sample(list(value), len(value))}
    if isinstance(value, list):
        return [disordered(row, random) for row in random.sample(value, len(value))]
    return value


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layout", [json.dumps, dumps], ids=["one line", "one line a row"])
def test_how_a_file_is_written_decides_nothing(tmp_path: Path, layout: Callable[[Any], str], seed: int) -> None:
    """Rows and keys of a snapshot's file may stand in any order, ids in capitals and times with any offset."""
    document = disordered(json.loads(json.dumps(snapshot_document(BEFORE))), Random(seed))
    text = layout(document).replace('Z"', '+00:00"')
    path = tmp_path / "snapshot.json"
    path.write_text(
        re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', lambda found: found[0].upper(), text), "utf-8"
    )
    assert plan(read_snapshot(str(path))).digest == plan(BEFORE).digest


def test_every_pass_is_on_the_page() -> None:
    """The page on the planner has every pass in its order, with the promises at its head."""
    page = (ROOT / "docs" / "planner.md").read_text("utf-8")
    assert re.findall(r"^## \d+\. `(\w+)`", page, re.MULTILINE) == [step.__name__ for step in PASSES]
    words = " ".join(page.replace("* ", "").split())
    for number, step in enumerate(PASSES, 1):
        head = sys.modules[step.__module__].__doc__ or ""
        assert head.startswith(f"Pass {number}: "), step.__module__
        promised = re.search(r"^Promises\s+(.*?)(?:\n\n|\Z)", head, re.DOTALL | re.MULTILINE)
        assert promised, step.__module__
        assert " ".join(promised[1].split()) in words, step.__module__
