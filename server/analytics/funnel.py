"""The use case of the funnel: how far sessions came on their way to a purchase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from server.analytics.asking import Question, Questions, RangeAsked
from server.analytics.figures import percent
from server.analytics.ranges import Period
from server.analytics.repository import reading
from server.db.engine import Sessions

STEPS = ("product_view", "add_to_cart", "purchase")


@dataclass(frozen=True, slots=True)
class Step:
    """A step, with the sessions that came so far, also in percent."""

    name: str
    sessions: int
    percent_of_previous: float
    percent_of_first: float


@dataclass(frozen=True, slots=True)
class Funnel:
    """Every step within a range."""

    question: Question
    steps: Sequence[Step]


class FunnelService:
    """Constructor: the session factory, and what reads ranges."""

    def __init__(self, sessions: Sessions, *, questions: Questions) -> None:
        self._sessions = sessions
        self._questions = questions

    async def read(self, asked: RangeAsked) -> Funnel:
        """The funnel of the sessions that began within the range; raises InvalidArgument."""
        question = await self._questions.read(asked)
        async with reading(self._sessions) as rollups:
            reached = await rollups.funnel(Period(question.range.start, question.range.end))
        return Funnel(question, steps_of(reached))


def steps_of(reached: Sequence[int]) -> list[Step]:
    """The steps, given how many sessions reached each."""
    before = (reached[0], *reached)
    return [
        Step(name, sessions, percent(sessions, previous), percent(sessions, reached[0]))
        for name, (previous, sessions) in zip(STEPS, pairwise(before), strict=True)
    ]
