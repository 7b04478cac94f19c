"""Whether a history of concurrent operations on one resource can be put in an order that a single copy would give.

The search of Wing and Gong with Lowe's memory of what has been tried: a set of operations that are done and the state
they leave is looked at once. An operation whose answer never came may have taken effect at any time after it began,
or not at all.
Source: J. Wing, C. Gong, Testing and Verifying Concurrent Objects (1993); G. Lowe, Testing for Linearizability (2017)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)

NEVER = math.inf
"""When an operation ended whose answer never came."""


@dataclass(frozen=True)
class Operation(Generic[S]):
    """One operation between two moments of the same clock. `step` is the state after it, or None where the answer that
    was seen cannot come from that state.
    """

    begun: float
    ended: float
    step: Callable[[S], S | None]
    told: str = ""


def linearizable(history: Sequence[Operation[S]], initial: S) -> bool:
    """Whether some order that respects real time explains every answer of the history."""
    operations = sorted(history, key=lambda operation: operation.begun)
    answered = sum(1 << n for n, operation in enumerate(operations) if operation.ended != NEVER)
    seen: set[tuple[int, S]] = {(0, initial)}
    waiting = [(0, initial)]
    while waiting:
        done, state = waiting.pop()
        if done & answered == answered:
            return True
        left = [n for n in range(len(operations)) if not done >> n & 1]
        first_end = min(operations[n].ended for n in left)
        for n in left:
            if operations[n].begun > first_end:
                break
            after = operations[n].step(state)
            if after is not None and (done | 1 << n, after) not in seen:
                seen.add((done | 1 << n, after))
                waiting.append((done | 1 << n, after))
    return False


@dataclass(frozen=True)
class Version:
    """The state of one resource: the number of its version and the value in it; 0 where there is none."""

    number: int
    value: str


def read(seen: Version) -> Callable[[Version], Version | None]:
    """A read that was answered with `seen`."""
    return lambda state: state if state == seen else None


def updated(match: int, value: str) -> Callable[[Version], Version | None]:
    """An update with If-Match that was, or may have been, made."""
    return lambda state: Version(match + 1, value) if state.number == match else None


def refused(match: int) -> Callable[[Version], Version | None]:
    """An update with If-Match that was answered 412."""
    return lambda state: state if state.number != match else None


NOTHING, SOMETHING = "", "?"
"""What is there of a conditional create: nothing yet, or one whose id nobody has been told."""


def created(id_: str) -> Callable[[str], str | None]:
    """A conditional create that was answered 201 with this id."""
    return lambda state: id_ if state == NOTHING else None


def found(id_: str) -> Callable[[str], str | None]:
    """A conditional create that was answered 200 with the id of what was there."""
    return lambda state: id_ if state in (id_, SOMETHING) else None


def perhaps_created() -> Callable[[str], str | None]:
    """A conditional create without an answer, where it has made something."""
    return lambda state: SOMETHING if state == NOTHING else None
