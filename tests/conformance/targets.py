"""The daemons of a run: where they are, which version they are spoken to in, and what is known of their rack.

This file does not know cases.
"""

from collections.abc import Mapping
from typing import Any

import httpx
from attrs import field, frozen

Json = Any

PROBES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dpd": ("/multicast/groups?limit=1", ("13.0.0", "12.0.0")),
    "mgd": ("/static/mroute", ("13.0.0",)),
    "ddmd": ("/peers", ("3.0.0",)),
    "sled_agent": ("/networking/mcast-m2p", ("50.0.0", "49.0.0", "48.0.0", "47.0.0", "45.0.0")),
    "mgs": ("/local/switch-id", ("3.0.0", "2.0.0", "1.0.0")),
}
"""Daemon to a call that reads, and the versions that are tried, newest first."""

NEEDS: Mapping[str, tuple[str, str]] = {
    "ports": ("other_port", "two ports with links"),
    "vmm": ("vmm", "a VMM of this sled: --vmm PROPOLIS_ID"),
    "instance": ("instance", "an instance of this sled, on a sled-agent that knows them: --instance INSTANCE_ID"),
}
"""What a case may need of a rack: the name that stands for it, and how to say what is missing."""

_TOO_NEW = "does not support this API version"


@frozen(kw_only=True)
class Target:
    """A daemon that answers."""

    url: str
    version: str
    names: Mapping[str, Json] = field(factory=dict)
    """What of its rack stands for which name."""


class UnreachableError(Exception):
    """Nobody answers, or nobody who speaks HTTP."""


def send(client: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
    """Return an answer of whatever status.

    Raises:
        UnreachableError: none came.
    """
    try:
        return client.request(method, url, **options)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise UnreachableError(f"{method} {url}: {type(error).__name__} {error}".rstrip()) from error


def target_of(client: httpx.Client, daemon: str, url: str, version: str | None, names: Mapping[str, Json]) -> Target:
    """Return the daemon at *url*, spoken to in *version* or the newest that it takes.

    Raises:
        UnreachableError: it does not answer, or takes none of the versions known here.
    """
    path, versions = PROBES[daemon]
    for asked in (version,) if version else versions:
        answer = send(client, "GET", f"{url}{path}", headers={"api-version": asked})
        if answer.status_code != 400 or _TOO_NEW not in answer.text:
            found = ports_of(client, url, asked) if daemon == "dpd" else {}
            return Target(url=url, version=asked, names={**found, **names})
    raise UnreachableError(f"{url} takes none of the versions {', '.join((version,) if version else versions)}")


def ports_of(client: httpx.Client, url: str, version: str) -> dict[str, Json]:
    """Return two ports of the switch that have links, backplane first, as ``$port`` and ``$other_port``.

    Raises:
        UnreachableError: no answer.
    """
    answer = send(client, "GET", f"{url}/links", headers={"api-version": version})
    links = answer.json() if answer.status_code == 200 else []
    found = [(link["port_id"], link["link_id"]) for link in links if link["port_id"] != "int0"]
    ports = sorted(found, key=lambda link: (not link[0].startswith("rear"), link[0], link[1]))[:2]
    if len(ports) < 2:
        return {}
    names = ("port", "other_port")
    return {
        name: {"port_id": port, "link_id": link, "direction": "Underlay"}
        for name, (port, link) in zip(names, ports, strict=True)
    }
