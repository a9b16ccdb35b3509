"""Where a connection string leads, told without what opens the door.

A connection string may hold a password, and so may the environment. `Destination` keeps them out of every text: it is
asked for the place, and it strikes out each secret, however it is written, in what others say of the connection.

This file opens no connection.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import psycopg
from attrs import evolve, field, frozen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from blueprints.errors import InputRejectedError, Mistake

SOURCE = "--dsn"
"""What the connection string is called when it is rejected."""

_REJECTED = (
    "not a connection string; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE with @ / : ? # and % of a user "
    "name or password percent-encoded, or host=HOST port=PORT dbname=DATABASE user=USER"
)
_STRUCK = "***"
_PORTS = re.compile(r"[0-9]{1,5}(,[0-9]{1,5})*", re.ASCII)
_URL = re.compile(r"postgres(ql)?://(?P<rest>.*)", re.DOTALL)


@frozen(kw_only=True)
class Destination:
    """A connection string that could be read; neither it nor its secrets are in the representation."""

    dsn: str = field(repr=False)

    place: str
    """Host, port and database, for messages."""

    secrets: tuple[str, ...] = field(repr=False)
    """Every way in which a secret may be written, longest first."""

    def keeping(self, secrets: Iterable[str]) -> "Destination":
        """Return it with more *secrets*."""
        return evolve(self, secrets=_longest_first({*self.secrets, *_forms(secrets)}))

    def scrubbed(self, text: str) -> str:
        """Return *text* on one line, each secret in it struck out."""
        for secret in self.secrets:
            text = text.replace(secret, _STRUCK)
        return " ".join(text.split())

    def told(self, what: str) -> str:
        """Return the message that *what* happened at the place."""
        return self.scrubbed(f"{self.place}: {what}")


def destination(dsn: str) -> Destination:
    """Return where *dsn* leads; what it leaves open comes from the environment, as libpq has it.

    Raises:
        InputRejectedError: no connection string. Nothing of it is repeated, for a password may be anywhere in it.
    """
    named = _parsed(dsn)
    if named is None:
        raise InputRejectedError(SOURCE, [Mistake("", _REJECTED)])
    options = {option.keyword.decode(): option for option in Conninfo.get_defaults()}
    values = {name: option.val.decode(errors="replace") for name, option in options.items() if option.val} | named
    hidden = [values[name] for name, option in options.items() if option.dispchar == b"*" and values.get(name)]
    host = values.get("host") or values.get("hostaddr") or "the local socket"
    database = values.get("dbname") or values.get("user") or "the user's own"
    place = f"datastore at {host} port {values.get('port')}, database {database}"
    return Destination(
        dsn=dsn,
        place=place,
        secrets=_longest_first(_forms([dsn, *hidden] if dsn.strip() else hidden)),
    )


def _parsed(dsn: str) -> dict[str, str] | None:
    """Return the parameters that *dsn* names, or None if it cannot be what its writer meant.

    A password whose @ or / is not encoded splits in the wrong place: a part of it becomes host, port or database.
    """
    url = _URL.fullmatch(dsn)
    if url is not None and not _is_one_way_to_split(url["rest"]):
        return None
    if any(not character.isprintable() for character in dsn):
        return None
    try:
        named = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except (psycopg.Error, UnicodeError):
        return None
    return named if _PORTS.fullmatch(named.get("port") or "5432") else None


def _is_one_way_to_split(rest: str) -> bool:
    head, at, tail = rest.partition("@")
    return not at or ("@" not in tail and "/" not in head)


def _forms(secrets: Iterable[str]) -> set[str]:
    """Return the ways in which each of *secrets* may be written."""
    forms: set[str] = set()
    for secret in secrets:
        encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
        lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in encoded}
        escaped = secret.replace("\\", "\\\\").replace("'", "\\'")
        forms |= {secret, escaped, repr(secret)[1:-1], *encoded, *lower}
    return forms


def _longest_first(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
