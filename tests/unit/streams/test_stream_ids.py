"""Ids: version, variant, order, time, and one spelling."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.streams.ids import id_bytes, id_bytes_at, id_text, id_time_ms, new_id_bytes


def test_new_ids_are_version_7_and_carry_the_time() -> None:
    """A new id is a UUIDv7 of now."""
    before = time.time_ns() // 1_000_000
    subject = new_id_bytes()
    after = time.time_ns() // 1_000_000
    parsed = uuid.UUID(bytes=subject)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= id_time_ms(subject) <= after


def test_new_ids_ascend() -> None:
    """Ids of one process sort in the order in which they were minted."""
    minted = [new_id_bytes() for _ in range(10_000)]
    assert minted == sorted(set(minted))


@given(st.integers(0, (1 << 48) - 1))
def test_an_id_of_a_given_time_carries_it(at_ms: int) -> None:
    """Time in, time out, and still a UUIDv7."""
    subject = id_bytes_at(at_ms)
    parsed = uuid.UUID(bytes=subject)
    assert id_time_ms(subject) == at_ms
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


@pytest.mark.parametrize("at_ms", [-1, 1 << 48])
def test_a_time_that_does_not_fit_is_refused(at_ms: int) -> None:
    """48 bits are all there is."""
    with pytest.raises(ValueError, match="UUIDv7"):
        id_bytes_at(at_ms)


@given(st.binary(min_size=16, max_size=16))
def test_text_and_bytes_are_one_id(value: bytes) -> None:
    """Writing and reading is the identity, and the text is the standard library's."""
    assert id_text(value) == str(uuid.UUID(bytes=value))
    assert id_bytes(id_text(value)) == value
    assert id_bytes(id_text(value).upper()) == value


@given(
    st.text() | st.sampled_from(["{%s}", "urn:uuid:%s", "%s\n", " %s"]).map(lambda form: form % uuid.uuid4())
)
def test_other_spellings_raise_value_error(text: str) -> None:
    """Only the canonical form is an id."""
    with pytest.raises(ValueError, match="canonical"):
        id_bytes(text)


def test_bytes_of_another_length_have_no_text() -> None:
    """A short id is a mistake, not a short text."""
    with pytest.raises(ValueError, match="16 bytes"):
        id_text(b"short")
