"""Snapshot to delivered packets, through everything there is."""
