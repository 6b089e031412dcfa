"""What free text from outside may hold before it is stored or searched for."""

import unicodedata

# Controls (NUL among them, which PostgreSQL cannot store), surrogates, and line separators.
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})


class RefusedText(ValueError):  # noqa: N818 - named for what is so
    """Text that cannot be kept as one line; the message says why."""


def check_line(text: str) -> str:
    """The text without outer spaces; raises RefusedText when it is not one visible line."""
    line = text.strip()
    if any(unicodedata.category(character) in _REFUSED for character in line):
        raise RefusedText("must not contain control characters or line breaks")
    return line


def email_key(email: str) -> str:
    """The form in which addresses are compared: no outer spaces, one case."""
    return unicodedata.normalize("NFC", email.strip()).casefold()
