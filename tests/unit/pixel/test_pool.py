"""Processes for pixels: what one piece of work does to its process hits nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from dicomweb.pixel import pool
from dicomweb.pixel.image import broken
from healix_fhir.kernel.errors import Category, HealixError


def die() -> None:
    """End the process as a crashing codec does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse() -> None:
    """Refuse."""
    raise broken("no", "because")


@pytest.mark.parametrize(
    ("call", "args", "message"),
    [
        (die, (), "the pixels cannot be processed"),
        (refuse, (), "no"),
        (bytearray, (8 << 30,), "the pixels need too much memory"),
        (int, ("x",), "the pixels cannot be processed"),
    ],
)
def test_work_that_fails_is_refused_and_the_next_is_done(call: object, args: tuple[object, ...], message: str) -> None:
    """A crash, a refusal, too much memory and an error of the code are all told as refusals; work goes on."""
    for _ in range(2 * pool.WORKERS):
        with pytest.raises(HealixError) as caught:
            pool.work_now(call, *args)  # type: ignore[arg-type]
        assert (caught.value.category, caught.value.message) == (Category.UNPROCESSABLE, message)
    assert [pool.work_now(abs, -n) for n in range(2 * pool.WORKERS)] == list(range(2 * pool.WORKERS))


def test_work_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a piece of work is refused and its process is gone."""
    monkeypatch.setattr(pool, "SECONDS", 0.2)
    with pytest.raises(HealixError, match="too long"):
        pool.work_now(time.sleep, 60)
    monkeypatch.undo()
    assert pool.work_now(abs, -1) == 1


def test_pieces_of_work_run_beside_each_other() -> None:
    """Several pieces are done by several processes at once."""

    async def main() -> set[int]:
        return set(await asyncio.gather(*[pool.work(_slow) for _ in range(pool.WORKERS)]))

    assert len(asyncio.run(main())) == pool.WORKERS


def _slow() -> int:
    time.sleep(1)
    return os.getpid()
