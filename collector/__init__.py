"""What passes between a rack's datastore, its switches and a snapshot.

Readers of the datastore and of live switches, the assembly of a snapshot and the report on it, the scrubber, and the
way back: telling the datastore what is in effect. Readers of switches speak no HTTP; they are handed in.

This package may use the vocabulary of ``blueprints`` and nothing else of ours: it neither plans nor carries out.
"""
