"""Answers that may be unknown, and how they are put together.

What is not known stays unknown unless another answer decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Answer: TypeAlias = bool | None
"""Yes, no, or not known."""


def any_of(answers: Iterable[Answer]) -> Answer:
    """Whether some answer is yes."""
    found: Answer = False
    for answer in answers:
        if answer:
            return True
        if answer is None:
            found = None
    return found


def all_of(answers: Iterable[Answer]) -> Answer:
    """Whether every answer is yes."""
    found: Answer = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            found = None
    return found


def negated(answer: Answer) -> Answer:
    """The opposite."""
    return None if answer is None else not answer
