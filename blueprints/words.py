"""Words: the base of enumerations whose members are texts of files and devices.

This file does not know which words there are.
"""

from enum import StrEnum


class Word(StrEnum):
    """A word of a fixed list. Its hash is its text's, which takes no Python code."""

    __hash__ = str.__hash__
