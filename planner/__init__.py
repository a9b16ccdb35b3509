"""The planner: a pure function from a snapshot, and perhaps a parent, to a blueprint.

`plan` is the whole door. This package does not know time, disks, networks or devices.
"""

from planner.plan import plan

__all__ = ["plan"]
