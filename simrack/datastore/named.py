"""What makers of rows hand over.

This file does not know tables.
"""

from collections.abc import Mapping
from typing import Any

Named = Mapping[str, Any]
"""The values of a row by column, those of every schema version: UUID, datetime, int, bool, text or None.

Addresses and arrays are text.
"""
