"""Tests of the simulated rack: over real HTTP and DNS on loopback, and of its machines without either."""
