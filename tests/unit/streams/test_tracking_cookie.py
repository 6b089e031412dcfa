"""The tracking cookie: short, signed, rotating, and never the cause of another exception."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from millrace.streams.ids import id_bytes_at
from millrace.streams.tracking_cookie import (
    MAX_SKEW_MS,
    CookieSigner,
    InvalidTracking,
    TrackingFault,
    TrackingTouch,
)

NOW_MS = 1_795_000_000_000
LINK_ID = id_bytes_at(NOW_MS - 86_400_000)
CLICK_ID = id_bytes_at(NOW_MS)
COOKIE_CHARACTERS = set(string.ascii_letters + string.digits + ".-_")

subject = CookieSigner([("k2", "a secret that is new" * 2), ("k1", "a secret that is old" * 2)])
VALUE = subject.sign(LINK_ID, CLICK_ID)


def fault_of(signer: CookieSigner, value: str, now_ms: int = NOW_MS) -> TrackingFault:
    """Why the signer does not believe the value."""
    with pytest.raises(InvalidTracking) as caught:
        signer.verify(value, now_ms=now_ms)
    return caught.value.reason


def test_a_signed_touch_is_believed() -> None:
    """What was signed is what is read, with the time of the click."""
    assert subject.verify(VALUE, now_ms=NOW_MS) == TrackingTouch(LINK_ID, CLICK_ID, NOW_MS)


@pytest.mark.parametrize("key_id", ["k", "a-twelve_chr"])
def test_the_value_is_short_and_needs_no_quoting(key_id: str) -> None:
    """Under 80 characters, all of them plain in a cookie."""
    value = CookieSigner([(key_id, "s" * 40)]).sign(LINK_ID, CLICK_ID)
    assert len(value) < 80
    assert set(value) <= COOKIE_CHARACTERS


def test_all_keys_verify_and_the_first_signs() -> None:
    """A cookie of the old key is believed after the rotation; new ones carry the new key."""
    old = CookieSigner([("k1", "a secret that is old" * 2)]).sign(LINK_ID, CLICK_ID)
    assert subject.verify(old, now_ms=NOW_MS).click_id == CLICK_ID
    assert VALUE.startswith("1.k2.")


def test_a_key_that_was_taken_away_is_unknown() -> None:
    """Removing a key ends its cookies."""
    assert fault_of(CookieSigner([("k3", "s" * 40)]), VALUE) is TrackingFault.UNKNOWN_KEY


def test_a_key_of_the_same_name_with_another_secret_is_not_believed() -> None:
    """The name of a key proves nothing."""
    assert fault_of(CookieSigner([("k2", "s" * 40)]), VALUE) is TrackingFault.BAD_SIGNATURE


def test_moving_a_signature_to_another_key_id_is_tampering() -> None:
    """The key id is part of what is signed, even when both keys share a secret."""
    twins = CookieSigner([("k1", "s" * 40), ("k2", "s" * 40)])
    value = twins.sign(LINK_ID, CLICK_ID)
    assert fault_of(twins, value.replace("1.k1.", "1.k2.")) is TrackingFault.BAD_SIGNATURE


def test_every_single_changed_character_is_noticed() -> None:
    """There is no bit in the value that does not matter."""
    for place in range(len(VALUE)):
        for character in "A.-_0z":
            if VALUE[place] != character:
                fault_of(subject, VALUE[:place] + character + VALUE[place + 1 :])


def test_an_unknown_version_is_told_apart() -> None:
    """A newer format is refused as such."""
    assert fault_of(subject, "2" + VALUE[1:]) is TrackingFault.UNKNOWN_VERSION


def test_a_click_from_the_future_is_refused_beyond_the_skew() -> None:
    """Clocks may differ by two minutes, not more."""
    assert subject.verify(VALUE, now_ms=NOW_MS - MAX_SKEW_MS).at_ms == NOW_MS
    assert fault_of(subject, VALUE, NOW_MS - MAX_SKEW_MS - 1) is TrackingFault.FROM_THE_FUTURE


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "1..",
        VALUE + "=",
        VALUE + "\n",
        " " + VALUE,
        VALUE[:-1],
        "1.k2." + "é" * 64,
        "\ud800",
        "\x00",
    ],
    ids=range(11),  # the values differ from run to run, the tests' names must not
)
def test_near_misses_are_malformed(value: str) -> None:
    """Padding, white space, other alphabets and cuts are not the one spelling."""
    assert fault_of(subject, value) is TrackingFault.MALFORMED


@given(st.text() | st.from_regex(r"[0-9]{1,3}\.[A-Za-z0-9_-]{1,12}\.[A-Za-z0-9_-]{64}", fullmatch=True))
def test_garbage_raises_nothing_but_invalid_tracking(value: str) -> None:
    """Whatever a browser sends, there is one exception to catch."""
    fault_of(subject, value)


@given(st.binary(min_size=48, max_size=48))
def test_a_well_formed_forgery_is_not_believed(payload: bytes) -> None:
    """The right shape under a known key is not enough."""
    from base64 import urlsafe_b64encode

    assume(payload[:32] != LINK_ID + CLICK_ID)
    forged = "1.k2." + urlsafe_b64encode(payload).decode()
    assert fault_of(subject, forged) is TrackingFault.BAD_SIGNATURE


def test_the_error_does_not_quote_the_value() -> None:
    """Cookies do not end up in logs."""
    with pytest.raises(InvalidTracking) as caught:
        subject.verify("secret-value", now_ms=NOW_MS)
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [[], [("", "s")], [("k", "")], [("k.", "s")], [("k" * 13, "s")], [("k", "s"), ("k", "t")]],
)
def test_unusable_keys_are_refused_at_start(keys: list[tuple[str, str]]) -> None:
    """A mistake in the configuration shows when the process starts."""
    with pytest.raises(ValueError, match="cookie"):
        CookieSigner(keys)


def test_ids_of_another_length_are_not_signed() -> None:
    """A text id in place of bytes is a mistake."""
    with pytest.raises(ValueError, match="16 bytes"):
        subject.sign(b"short", CLICK_ID)
