"""The caches of links and of misses: freshness, staleness, bounds, and nothing for the garbage collector."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.streams.link_cache import LinkCache, MissCache


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, seconds: float = 1_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def subject(clock: Clock) -> LinkCache:
    return LinkCache(max_entries=1_000, ttl=5.0, now=clock)


@pytest.fixture
def misses(clock: Clock) -> MissCache:
    return MissCache(max_entries=1_000, ttl=5.0, now=clock)


def test_a_link_is_fresh_for_less_than_its_time_to_live(subject: LinkCache, clock: Clock) -> None:
    """An entry is never served as fresh once five seconds have passed."""
    subject.put("abc", b"packed")
    clock.seconds += 4.98
    assert subject.get("abc") == b"packed"
    clock.seconds += 0.02
    assert subject.get("abc") is None


def test_an_entry_put_late_in_a_tick_does_not_live_longer(clock: Clock, subject: LinkCache) -> None:
    """Rounding shortens a life, it never lengthens it."""
    clock.seconds = 1_000.0099
    subject.put("abc", b"packed")
    clock.seconds += 5.0
    assert subject.get("abc") is None


def test_a_stale_link_is_still_there_for_emergencies(subject: LinkCache, clock: Clock) -> None:
    """When nobody else answers, an old answer is better than none."""
    subject.put("abc", b"packed")
    clock.seconds += 86_400
    assert subject.get_stale("abc") == b"packed"


def test_a_link_put_again_is_fresh_again(subject: LinkCache, clock: Clock) -> None:
    """The later answer counts, with its own time."""
    subject.put("abc", b"old")
    clock.seconds += 60
    subject.put("abc", b"new")
    assert subject.get("abc") == b"new"
    assert len(subject) == 1


def test_a_discarded_link_is_gone_even_for_emergencies(subject: LinkCache) -> None:
    """What is known not to exist is not served."""
    subject.put("abc", b"packed")
    subject.discard("abc")
    subject.discard("abc")
    assert subject.get_stale("abc") is None


def test_an_unknown_code_is_neither_fresh_nor_stale(subject: LinkCache) -> None:
    """Nothing is made up."""
    assert subject.get("abc") is None
    assert subject.get_stale("abc") is None


@pytest.mark.parametrize("max_entries", [1, 10, 1_000])
def test_the_cache_is_bounded_and_keeps_the_latest(max_entries: int, clock: Clock) -> None:
    """However many links pass through, the bound holds and the newest is there."""
    subject = LinkCache(max_entries, now=clock)
    for number in range(max_entries * 3 + 7):
        subject.put(f"code{number}", b"packed")
        assert len(subject) <= max_entries
        assert subject.get(f"code{number}") == b"packed"


def test_replacing_an_entry_of_a_full_cache_evicts_nobody(clock: Clock) -> None:
    """A refresh needs no room."""
    subject = LinkCache(2, now=clock)
    subject.put("a", b"1")
    subject.put("b", b"1")
    subject.put("b", b"2")
    assert subject.get("a") == b"1"


@given(st.lists(st.tuples(st.sampled_from(["put", "put", "put", "discard"]), st.text(max_size=2))))
def test_whatever_is_still_there_is_what_was_put_last(steps: list[tuple[str, str]]) -> None:
    """Entries that share a page never run into each other, through refreshes, evictions and removals."""
    subject = LinkCache(max_entries=20)
    latest: dict[str, bytes] = {}
    for number, (step, code) in enumerate(steps):
        if step == "put":
            latest[code] = b"packed %d" % number * (number % 7)
            subject.put(code, latest[code])
            assert subject.get(code) == latest[code]
        else:
            subject.discard(code)
            latest.pop(code, None)
            assert subject.get_stale(code) is None
        held = {each: subject.get_stale(each) for each in latest}
        assert all(packed in (None, latest[each]) for each, packed in held.items())
        assert len(subject) == sum(packed is not None for packed in held.values()) <= 20


def test_a_cache_with_room_evicts_nobody(clock: Clock) -> None:
    """However unevenly links fall on pages, all of them are kept up to the bound."""
    subject = LinkCache(5_000, now=clock)
    for number in range(5_000):
        subject.put(f"code{number}", b"packed %d" % number)
    assert all(subject.get(f"code{number}") == b"packed %d" % number for number in range(5_000))


def test_a_code_that_is_no_text_is_no_error(subject: LinkCache) -> None:
    """What a hostile path decodes to is looked up like any other code."""
    assert subject.get("\ud800") is None


def test_time_that_wraps_does_not_revive_or_kill_entries(clock: Clock) -> None:
    """The four-byte stamp wraps; ages across the wrap stay right."""
    clock.seconds = (1 << 32) / 100 - 1
    subject = LinkCache(10, ttl=5.0, now=clock)
    subject.put("abc", b"packed")
    clock.seconds += 3
    assert subject.get("abc") == b"packed"
    clock.seconds += 3
    assert subject.get("abc") is None


def test_entries_are_not_tracked_by_the_garbage_collector(subject: LinkCache) -> None:
    """A million links must not lengthen a collection."""
    subject.put("abc", b"packed")
    before = len(gc.get_objects())
    for number in range(900):
        subject.put(f"code{number}", b"packed")
    assert len(gc.get_objects()) - before < 50


def test_a_cached_link_costs_less_than_220_bytes(clock: Clock) -> None:
    """With a snapshot of a hundred bytes, everything Python allocates for it counted."""
    subject = LinkCache(20_000, now=clock)
    packed = bytes(100)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(20_000):
        subject.put(f"{number:08d}", packed)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(subject) < 220


def test_a_miss_is_remembered_for_a_while(misses: MissCache, clock: Clock) -> None:
    """A code that was no link is not asked for again at once, and not for ever."""
    misses.add("abc")
    clock.seconds += 4.9
    assert "abc" in misses
    clock.seconds += 0.2
    assert "abc" not in misses


def test_a_miss_that_became_a_link_is_forgotten(misses: MissCache) -> None:
    """A new link works at once where it is known to be new."""
    misses.add("abc")
    misses.discard("abc")
    misses.discard("abc")
    assert "abc" not in misses


def test_guessed_codes_do_not_fill_memory(misses: MissCache) -> None:
    """Misses are bounded, whatever is asked for."""
    for number in range(10_000):
        misses.add(f"guess{number}")
    assert len(misses) <= 1_000
    assert "guess9999" in misses


@pytest.mark.parametrize("make", [LinkCache, MissCache])
def test_a_cache_for_nothing_is_refused(make: type[LinkCache] | type[MissCache]) -> None:
    """A bound below one is a mistake in the settings."""
    with pytest.raises(ValueError, match="at least one"):
        make(0)
