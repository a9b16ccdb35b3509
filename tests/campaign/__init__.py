"""Seeded histories of a rack: random snapshots, faults and deaths, and what must be true after every visible step."""
