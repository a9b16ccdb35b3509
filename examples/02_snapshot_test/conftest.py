"""Gives every test of this folder the fixture ``blueprint_snapshot``."""

from rackcast.testing import blueprint_snapshot

__all__ = ["blueprint_snapshot"]
