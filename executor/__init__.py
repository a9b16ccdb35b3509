"""The executor: compares a blueprint with a rack and carries the difference out, in an order that loses nothing.

It decides nothing: every address, port, tag and next hop is the blueprint's.
"""
