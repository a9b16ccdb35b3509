"""Vocabulary and artifact of rackcast: what a snapshot, a blueprint, an observation and an endpoint are.

Imports none of the other packages. Everything here takes values and returns values, but for `blueprints.files`.
"""
