"""What is written together is sent together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest

from healix_fhir.server.joined_writes import AT_ONCE, JoinedWrites

LARGE = bytes(AT_ONCE + 1)


class Recorder:
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[list[bytes] | str] = []

    def write(self, data: bytes) -> None:
        """One system call."""
        self.calls.append([data])

    def writelines(self, data: Iterable[bytes]) -> None:
        """One system call too."""
        self.calls.append(list(data))

    def close(self) -> None:
        """The end."""
        self.calls.append("close")

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return "close" in self.calls


def written(*pieces: bytes, close: bool = False) -> tuple[list[list[bytes] | str], list[list[bytes] | str]]:
    """What a transport is told at once when `pieces` are written, and after a turn of the loop."""

    async def go() -> tuple[list[list[bytes] | str], list[list[bytes] | str]]:
        recorder = Recorder()
        transport = JoinedWrites(cast("asyncio.Transport", recorder), asyncio.get_running_loop())
        for piece in pieces:
            transport.write(piece)
        if close:
            transport.close()
        at_once = list(recorder.calls)
        await asyncio.sleep(0)
        return at_once, recorder.calls

    return asyncio.run(go())


def test_pieces_of_one_turn_are_one_call() -> None:
    """Head and body of an answer go out together, in order."""
    assert written(b"head", b"body") == ([], [[b"head", b"body"]])


def test_much_is_sent_at_once() -> None:
    """What is large does not wait, so that the transport can slow its writer down; nothing is sent twice."""
    large = bytes(AT_ONCE)
    assert written(b"head", large, b"tail") == ([[b"head", large]], [[b"head", large], [b"tail"]])


def test_closing_sends_what_is_held() -> None:
    """Nothing written is lost by closing."""
    assert written(b"last", close=True) == ([[b"last"], "close"], [[b"last"], "close"])


def test_all_else_is_the_transports() -> None:
    """Questions about the connection reach the transport itself."""

    async def go() -> bool:
        transport = JoinedWrites(cast("asyncio.Transport", Recorder()), asyncio.get_running_loop())
        return bool(transport.is_closing())

    assert asyncio.run(go()) is False


@pytest.mark.parametrize(
    ("held", "body", "told"),
    [
        (b"", b"body", [[b"headbody"]]),
        (b"", LARGE, [[b"head", LARGE]]),
        (b"before", b"body", [[b"before", b"head", b"body"]]),
        (b"before", LARGE, [[b"before", b"head", LARGE]]),
    ],
)
def test_an_answer_goes_out_at_once(held: bytes, body: bytes, told: list[list[bytes]]) -> None:
    """Head and body are one system call after what was held before; a large body is not copied to stand behind."""

    async def go() -> list[list[bytes] | str]:
        recorder = Recorder()
        transport = JoinedWrites(cast("asyncio.Transport", recorder), asyncio.get_running_loop())
        if held:
            transport.write(held)
        transport.write_now(b"head", body)
        await asyncio.sleep(0)
        return recorder.calls

    assert asyncio.run(go()) == told
