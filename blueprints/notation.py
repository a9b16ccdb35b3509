"""Notation: JSON or YAML to plain data, as people write them.

This file does not know what the data mean, nor files.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from blueprints.text import data_of, loads_json

BeforeYaml = Callable[[int], object]
"""Told how long the text is."""


def loads(text: str, source: str, *, before_yaml: BeforeYaml | None = None) -> Any:
    """Return the data written in *text*, as JSON or YAML.

    Args:
        text: the whole document.
        source: what to call it in mistakes; a name that ends in ``.json`` is never tried as YAML.
        before_yaml: called before the text is read as YAML, which takes long, with its length.

    Raises:
        InputRejectedError: neither JSON nor the YAML we read; says where.
    """
    if source.removesuffix(".gz").endswith(".json"):
        return loads_json(text, source)
    if text.lstrip()[:1] in ("{", "["):
        with suppress(json.JSONDecodeError):  # YAML may begin so as well
            return data_of(text, source)
    if before_yaml is not None:
        before_yaml(len(text))
    from blueprints.yaml_reader import YamlReader

    return YamlReader(source).read(text)
