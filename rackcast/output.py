"""What programs see: JSON, and texts in general, on standard output. Needs none of what a terminal takes.

This file does not know what is printed.
"""

from collections.abc import Iterable
from typing import Any

import click

from blueprints.text import dumps


def print_json(document: dict[str, Any], *, error: bool = False) -> None:
    """Print *document* as JSON, one entry a line, on standard output (or error)."""
    click.echo(dumps(document).encode(), nl=False, err=error)


def print_pieces(texts: Iterable[str]) -> None:
    """Print *texts* one after the other on standard output, always UTF-8."""
    for text in texts:
        click.echo(text.encode(), nl=False)
