"""Rules of short codes: how they are drawn, which custom ones are allowed, when they grow longer.

Whether a code is taken is the database's to say; nothing here reads or writes.
"""

import re
import secrets
from dataclasses import dataclass

# Typed from paper and read out over the phone: nothing that looks like something else (0 o, 1 i l).
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
SHORTEST = 6
LONGEST = 64
TRIES_PER_LENGTH = 5

# One clash in fifty draws means the space at this length is about 2 % full.
CLASH_RATE_LIMIT = 0.02
# A draw weighs 1/200 in the moving rate, so a single unlucky clash (0.5 %) lengthens nothing.
CLASH_WEIGHT = 1 / 200

_CUSTOM = re.compile(r"[a-z0-9-]{3,64}")

# Paths and names that a shop, a proxy or a support agent would take for something else than a link.
_RESERVED_WORDS = """
    .well-known about account admin administrator api app apple-app-site-association assets auth billing
    cart checkout crossdomain css dashboard docs edit favicon favicon-ico graphql health healthz help img
    internal js l legal link links livez login logout metrics millrace new null oauth openapi order orders
    partner partners payout payouts ping privacy product products public readyz register robots robots-txt
    root search security settings shop signin signout signup sitemap static status support system terms
    test undefined unsubscribe user users well-known www
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


class RefusedCode(ValueError):  # noqa: N818 - named for what is so
    """A custom code that breaks a rule; the text says which, in words for the partner."""


def normalise_code(text: str) -> str:
    """The one spelling under which a code is stored and looked up: trimmed and in lower case.

    Text outside ASCII is left as it is: some of it lower-cases *into* ASCII (the Kelvin sign), and a
    code must never be reachable by a spelling that was not checked.
    """
    trimmed = text.strip()
    return trimmed.lower() if trimmed.isascii() else trimmed


def check_custom_code(text: str) -> str:
    """The normalised custom code; raises RefusedCode."""
    code = normalise_code(text)
    if code in RESERVED:
        raise RefusedCode("This code is reserved; choose another.")
    if not _CUSTOM.fullmatch(code):
        raise RefusedCode("A code has 3 to 64 of the characters a-z, 0-9 and '-'.")
    return code


def draw_code(length: int) -> str:
    """A code of `length` characters from the operating system's randomness; never a reserved word."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(length))
    return draw_code(length) if code in RESERVED else code


@dataclass(slots=True)
class CodeLength:
    """How long new codes are, learnt from how often drawn ones were taken.

    One lives in each server process. It starts at the shortest length and learns again after a
    restart, which costs a few more tries and nothing else.
    """

    length: int = SHORTEST
    clash_rate: float = 0.0

    def lengths(self) -> tuple[int, ...]:
        """The lengths to try in turn for one link: five draws, then five that are one longer."""
        longer = min(self.length + 1, LONGEST)
        return (self.length,) * TRIES_PER_LENGTH + (longer,) * TRIES_PER_LENGTH

    def learn(self, *, clashed: bool) -> None:
        """Counts one draw; a rate above the limit makes every later code one character longer."""
        self.clash_rate += CLASH_WEIGHT * (float(clashed) - self.clash_rate)
        if self.clash_rate > CLASH_RATE_LIMIT and self.length < LONGEST:
            self.length += 1
            self.clash_rate = 0.0
