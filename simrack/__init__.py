"""A rack made of software: the daemons of a snapshot as real servers on loopback.

They answer as the real daemons do, keep the same hidden state, and fail on request. Packets can be walked through
what was programmed. Imports the vocabulary of `blueprints` and nothing else of ours.
"""
