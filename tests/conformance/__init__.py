"""Calls with expected answers, as data: how the daemons behave, held against the simulated rack or real ones.

    python -m tests.conformance --dpd URL --mgd URL --ddmd URL --sled-agent URL --mgs URL

See README.md for the language of cases and for the names and addresses that they keep to.
"""
