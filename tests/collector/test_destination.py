"""Connection strings: what is rejected, and that no secret is ever repeated, whoever says it."""

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from blueprints.errors import DeviceError, InputRejectedError, RackcastError
from collector.destination import destination
from collector.session import Limits, reading, writing
from simrack.datastore.load import load
from tests.collector.wire import Wire, through
from tests.simrack.rows import small_rack

CANARY = "p@ss/w:örd 'can%ary\\"
ENCODED = quote(CANARY, safe="")
PARTS = ("p@ss", "ss/w", "w:ö", "örd", "can%ary", "anary", "%40ss", "%2Fw", "%2fw", "an%25ary")
"""What must not be seen: any part of the canary, as it is or encoded."""

Opened = Callable[..., AbstractContextManager[Any]]


def _all_that_is_said(error: BaseException) -> str:
    """Return every text that *error* and the errors behind it give."""
    said = ["".join(traceback.format_exception(error))]
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is not None:
            said += [str(link), repr(link), repr(link.args), repr(vars(link))]
            chain += [link.__cause__, link.__context__]
    return "\n".join(said)


def _refused(opened: Opened, dsn: str) -> RackcastError:
    with pytest.raises(RackcastError) as caught, opened(dsn, Limits(connect_seconds=2)):
        pass
    return caught.value


def _holds_no_secret(text: str) -> bool:
    return not any(part in text for part in PARTS)


UNREACHABLE = {
    "url": f"postgresql://root:{ENCODED}@127.0.0.1:1/omicron",
    "url in lower case": f"postgresql://root:{ENCODED.replace('%2F', '%2f')}@127.0.0.1:1/omicron",
    "url with a parameter": f"postgresql://root@127.0.0.1:1/omicron?password={ENCODED}",
    "keys": psycopg.conninfo.make_conninfo(host="127.0.0.1", port=1, user="root", password=CANARY),
    "host without an address": f"postgresql://root:{ENCODED}@nowhere.invalid:1/omicron",
    "several hosts": f"postgresql://root:{ENCODED}@127.0.0.1:1,127.0.0.1:2/omicron",
    "no such socket": psycopg.conninfo.make_conninfo(host="/nowhere/at/all", password=CANARY),
    "certificate's password": psycopg.conninfo.make_conninfo(host="127.0.0.1", port=1, sslpassword=CANARY),
    "wrong option": psycopg.conninfo.make_conninfo(host="127.0.0.1", port=1, sslmode="maybe", password=CANARY),
}


@pytest.mark.parametrize("opened", [reading, writing])
@pytest.mark.parametrize("form", UNREACHABLE)
def test_who_cannot_be_reached_is_told_without_the_password(
    opened: Opened, form: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the error, nor what is behind it, nor any log holds the password or the connection string."""
    caplog.set_level(logging.DEBUG)
    error = _refused(opened, UNREACHABLE[form])
    assert isinstance(error, DeviceError)
    assert _holds_no_secret(_all_that_is_said(error) + caplog.text + "".join(capfd.readouterr()))
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "datastore at" in str(error)


MALFORMED = {
    "the @ of a password": f"postgresql://root:{CANARY}@127.0.0.1:1/omicron",
    "the @ alone": "postgresql://root:p@ss@127.0.0.1:1/omicron",
    "the / of a password": "postgresql://root:canary/p%40ss@127.0.0.1/omicron",
    "the / after what could be a port": "postgresql://root:12/anary@127.0.0.1/omicron",
    "a password as port": "postgresql://root:canary:5432/omicron",
    "a % that begins nothing": "postgresql://root:canary%zz@127.0.0.1/omicron",
    "a password with a space": "host=127.0.0.1 password=p@ss canary",
    "an unknown parameter": f"postgresql://root@127.0.0.1/omicron?passwort={ENCODED}",
    "an unknown key": "host=127.0.0.1 passwort=canary",
    "another scheme": "mysql://root:canary@127.0.0.1/omicron",
    "a password alone": "canary",
    "a line break": "host=127.0.0.1 password=canary\nx",
    "a NUL": "host=127.0.0.1 password=canary\0x",
    "no text": "host=127.0.0.1 password=canary\udc80",
}


@pytest.mark.parametrize("opened", [reading, writing])
@pytest.mark.parametrize("form", MALFORMED)
def test_what_is_no_connection_string_is_not_repeated(
    opened: Opened, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A password may be anywhere in a malformed string, so nothing of it is said."""
    caplog.set_level(logging.DEBUG)
    error = _refused(opened, MALFORMED[form])
    assert isinstance(error, InputRejectedError)
    assert error.source == "--dsn"
    said = _all_that_is_said(error) + caplog.text
    assert _holds_no_secret(said)
    assert "127.0.0.1" not in said
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_password_of_the_environment_is_struck_out(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    """A server that repeats the password does not make us repeat it, even if only the environment had it."""
    monkeypatch.setenv("PGPASSWORD", CANARY)
    with through(Wire(server=database, repeats_password=True)) as dsn:
        error = _refused(reading, dsn)
    assert "the password *** is wrong" in str(error)
    assert _holds_no_secret(_all_that_is_said(error))


def _password_file(folder: Path, _: pytest.MonkeyPatch) -> dict[str, str]:
    words = CANARY.replace("\\", "\\\\").replace(":", "\\:")
    file = folder / "passwords"
    file.write_text(f"*:*:*:*:{words}\n")
    file.chmod(0o600)
    return {"passfile": str(file)}


def _service_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    file = folder / "services"
    file.write_text(f"[rack]\npassword={CANARY}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    return {"service": "rack"}


Kept = Callable[[Path, pytest.MonkeyPatch], dict[str, str]]
"""Puts the canary into a file, and returns what a connection string says to have it read."""


@pytest.mark.parametrize("kept", [_password_file, _service_file])
@pytest.mark.parametrize("opened", [reading, writing])
def test_a_password_of_a_file_is_struck_out(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path, opened: Opened, kept: Kept
) -> None:
    """A server that repeats the password does not make us repeat it, even if libpq alone knows where it stands."""
    with through(Wire(server=database, repeats_password=True)) as dsn:
        error = _refused(opened, psycopg.conninfo.make_conninfo(dsn, **kept(tmp_path, monkeypatch)))
    assert "the password *** is wrong" in str(error)
    assert _holds_no_secret(_all_that_is_said(error))


@pytest.mark.parametrize("kept", [_password_file, _service_file])
def test_a_password_of_a_file_is_struck_out_of_what_statements_say(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path, kept: Kept
) -> None:
    """Once a session stands, it is kept out of the words of every error."""
    load(database, small_rack())
    with through(Wire(server=database)) as dsn:
        silently = psycopg.conninfo.make_conninfo(dsn, **kept(tmp_path, monkeypatch))
        with pytest.raises(DeviceError) as caught, reading(silently) as cut:
            cut.rows("SELECT ('x' || %s)::int", [CANARY])
    assert "invalid input syntax" in str(caught.value)
    assert _holds_no_secret(_all_that_is_said(caught.value))


@pytest.mark.parametrize("opened", [reading, writing])
def test_a_wrong_password_is_a_refusal_that_does_not_repeat_it(opened: Opened, database: str) -> None:
    """A server that repeats the password does not make us repeat it."""
    with through(Wire(server=database, repeats_password=True)) as dsn:
        error = _refused(opened, psycopg.conninfo.make_conninfo(dsn, password=CANARY))
    assert "no connection" in str(error)
    assert "the password *** is wrong" in str(error)
    assert _holds_no_secret(_all_that_is_said(error))


@pytest.mark.parametrize("opened", [reading, writing])
def test_a_statement_that_is_refused_does_not_lead_to_the_password(opened: Opened, database: str) -> None:
    """Errors of statements are not chained to those of the driver, which carry the connection."""
    load(database, small_rack())
    dsn = psycopg.conninfo.make_conninfo(database, password=CANARY)
    with pytest.raises(DeviceError) as caught, opened(dsn) as session:
        session.rows("SELECT no_such_column FROM sled")
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert _holds_no_secret(_all_that_is_said(error))


def test_representations_hold_no_secret(database: str) -> None:
    """Neither a destination nor a session shows the connection string."""
    load(database, small_rack())
    dsn = psycopg.conninfo.make_conninfo(database, password=CANARY)
    with reading(dsn) as cut, writing(dsn) as session:
        said = repr([destination(dsn), cut, cut.ask("SELECT 1"), session])
    assert _holds_no_secret(said)
    assert "dsn" not in said


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://u:p@[fd00::1]:26257/omicron", "datastore at fd00::1 port 26257, database omicron"),
        ("postgres://u@db.example/", "datastore at db.example port 5432, database u"),
        ("host=a,b port=1,2 dbname=d", "datastore at a,b port 1,2, database d"),
        ("host=/run/postgresql user=u", "datastore at /run/postgresql port 5432, database u"),
        ("hostaddr=192.0.2.1 user=u", "datastore at 192.0.2.1 port 5432, database u"),
        ("user=u", "datastore at the local socket port 5432, database u"),
    ],
)
def test_messages_name_the_place(dsn: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port and database are told, those that the string leaves open as libpq has them."""
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert destination(dsn).place == place


def test_the_environment_fills_what_the_string_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place named is the one that is connected to."""
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGPORT", "26257")
    assert destination("dbname=omicron").place == "datastore at db.example port 26257, database omicron"


def test_a_password_that_is_also_a_word_is_struck_out_everywhere() -> None:
    """A database named as the password is not named."""
    assert (
        destination("host=h dbname=secret password=secret").told("no") == "datastore at h port 5432, database ***: no"
    )
