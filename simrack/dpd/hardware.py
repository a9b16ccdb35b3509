"""What a switch and its dpd say about themselves. This file does not know HTTP or groups."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from attrs import frozen

from blueprints.identifiers import SwitchSlot

VERSION = "0.2.0"

BUILD: Mapping[str, object] = MappingProxyType(
    {
        "version": VERSION,
        "git_sha": "0" * 40,
        "git_commit_timestamp": "2026-01-01T00:00:00Z",
        "git_branch": "simulated",
        "rustc_semver": "1.0.0",
        "rustc_channel": "stable",
        "rustc_host_triple": "x86_64-unknown-illumos",
        "rustc_commit_sha": "0" * 40,
        "cargo_triple": "x86_64-unknown-illumos",
        "debug": False,
        "opt_level": 3,
        "sde_commit_sha": "0" * 40,
    }
)
"""Required by the API document, type BuildInfo; none of it is a fact."""


@frozen
class SwitchHardware:
    """What a switch says about itself."""

    slot: SwitchSlot
    serial: str
    model: str

    def identifiers(self, backend: str) -> dict[str, Any]:
        """Return the body of ``GET /switch/identifiers``; *backend* says what kind of chip it is."""
        return {
            "sidecar_id": str(uuid5(NAMESPACE_OID, f"sidecar {self.serial}")),
            "asic_backend": backend,
            "fab": None,
            "fuse": None,
            "lot": None,
            "lotnum": None,
            "model": self.model,
            "revision": 6,
            "serial": self.serial,
            "slot": self.slot.number,
            "wafer": None,
            "wafer_loc": None,
        }
