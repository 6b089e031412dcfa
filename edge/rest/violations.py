"""A value that a message cannot take. Whoever catches it on the way up adds the name it stood under."""

from __future__ import annotations


class InvalidValueError(Exception):
    """Refused input; `field` is its path from the outermost message, as the caller spells it."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def under(self, name: str) -> InvalidValueError:
        """The same refusal seen from the message (or list, by a bracketed index) one level up."""
        separator = "." if self.field and not self.field.startswith("[") else ""
        self.field = f"{name}{separator}{self.field}"
        return self
