"""rackcast: the command that ties planner, executor and simulated rack together.

The only package that looks at the clock. It decides nothing about the rack.
"""

__version__ = "0.1.0"
