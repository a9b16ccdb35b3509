"""Values: the base of what is written as one text and checked when it is made.

They are no attrs classes, because msgspec would take those for objects with fields. This file does not know which
values there are.
"""

from typing import Any, NoReturn


class Value:
    """Something that cannot be changed; a subclass names its ``__slots__`` and fills them by `_keep`."""

    __slots__ = ()

    def _keep(self, **parts: Any) -> None:
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def __setattr__(self, name: str, _: object) -> NoReturn:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
