"""Failures that a rack can have, row by row, each with a test on the simulated rack and a twin that fails it."""
