"""Work of several callers is done stage by stage, and each gets its own result."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.in_step import Stages, in_step, whole


def work(name: str, stages: int, done: list[str], *, fails_at: int | None = None) -> Stages[str]:
    """Tell `done` of so many stages, one of which may fail."""
    for stage in range(stages):
        if stage == fails_at:
            raise ValueError(name)
        done.append(f"{name}{stage}")
        yield
    return name


def test_each_stage_is_done_for_all() -> None:
    """No work goes on to its next stage before the others are there; one with fewer ends before them."""
    done: list[str] = []
    assert in_step([work("a", 3, done), work("b", 1, done), work("c", 2, done)]) == ["a", "b", "c"]
    assert done == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_what_one_raises_is_its_own_result() -> None:
    """The others do all of their stages."""
    done: list[str] = []
    first, failed, last = in_step([work("a", 2, done), work("b", 2, done, fails_at=1), work("c", 2, done)])
    assert (first, last) == ("a", "c")
    assert isinstance(failed, ValueError)
    assert done == ["a0", "b0", "c0", "a1", "c1"]


def test_work_by_itself() -> None:
    """All stages one after the other give what was made, or raise."""
    done: list[str] = []
    assert whole(work("a", 2, done)) == "a"
    assert done == ["a0", "a1"]
    with pytest.raises(ValueError, match="b"):
        whole(work("b", 2, done, fails_at=1))
    assert in_step([]) == []
