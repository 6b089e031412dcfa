"""The parts of the live demo that need no stack."""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from pathlib import Path

import pytest

from edge.classification import visit_by_user_agent
from workers.demo.browsers import BOTS, PEOPLE, some_bot, some_person
from workers.demo.stack import NothingToPlay, read_endpoints
from workers.demo.tally import Tally


@pytest.mark.parametrize("device", PEOPLE)
def test_browsers_are_what_they_say(device: str) -> None:
    """The edge takes every one of them for a person's, on the device that it stands for."""
    for user_agent in PEOPLE[device]:
        visit = visit_by_user_agent(user_agent)
        assert visit.human, user_agent
        assert visit.device == device


def test_bots_are_recognised() -> None:
    """The edge takes none of the crawlers for a person."""
    assert not any(visit_by_user_agent(user_agent).human for user_agent in BOTS)


def test_visitors_differ() -> None:
    """Each has an address of its own, of those that nobody real has; both ways of sending are played."""
    chance = random.Random(1)  # noqa: S311 - nobody guards anything with it
    people = [some_person(chance) for _ in range(300)] + [some_bot(chance)]
    assert len({each.address for each in people}) == len(people)
    assert all(ipaddress.ip_address(each.address) in ipaddress.ip_network("100.64.0.0/10") for each in people)
    ways = Counter(each.gathers for each in people)
    assert min(ways.values()) > 100
    assert 0 < sum(each.clock_ms != 0 for each in people) < 40


def test_without_a_stack_it_says_what_to_do(tmp_path: Path) -> None:
    """The message names the missing file and the command that makes it."""
    with pytest.raises(NothingToPlay, match=r"endpoints\.json.*make run"):
        read_endpoints(tmp_path)


def test_the_line_adds_up_what_happened() -> None:
    """Refusals and missing verdicts are told only where there are any."""
    tally = Tally(visits=2, clicks=1, sent=1_200, accepted=1_190, duplicates=8, rejected=2)
    assert tally.line(3.4) == (
        "2 visits in 3 s, 1 clicks, 1,200 events sent, 1,190 accepted, 8 duplicate, 2 rejected"
    )
    tally.unanswered = 4
    tally.refusals[503] = 4
    assert tally.line(3.4).endswith("2 rejected, 4 without a verdict, 4 answers 503")
