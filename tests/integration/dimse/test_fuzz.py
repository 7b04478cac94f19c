"""Conversations that somebody spoiled: each is ended by rules, and none leaves anything behind."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil
import pytest

from dicomweb.dimse import association
from dicomweb.dimse.limits import Limits
from tests.integration.dimse.conftest import serving
from tests.support.dimse import ABORT, ECHO, RELEASE, Peer, p_data, pdu, pdv, request, role, store
from tests.support.serve import wait_until

SEED = 20261129
CONVERSATIONS = int(os.environ.get("HEALIX_FUZZ_CASES", "2000"))
AT_ONCE = 12
BATCH = 1000
MEMORY = 64 << 20
LIMITS = Limits(
    associations=500, per_address=500, artim=2, progress=2, idle=2, drain=1, data_set=1 << 20, waiting_bytes=4 << 20
)
ANSWERS = {2, 3, 4, 6, 7}
"""The PDUs that an acceptor sends: A-ASSOCIATE-AC and -RJ, P-DATA-TF, A-RELEASE-RP, A-ABORT."""
LAST = {3, 6, 7}
OPENING = [request(user=role("1.2.840.10008.5.1.4.1.1.2", scu=1, scp=0)), p_data(1, 3, ECHO)]
STORING = [p_data(3, 3, store("1.2.3")), p_data(3, 0, bytes(range(256))), pdu(4, pdv(3, 0, b"ab") + pdv(3, 2, b"cd"))]
HONEST = [*OPENING, *STORING, p_data(1, 3, ECHO), RELEASE]
STRAY = [
    *HONEST,
    ABORT,
    pdu(2, bytes(68)),
    pdu(3, bytes(4)),
    pdu(6, bytes(4)),
    pdu(0x16, b"\x03\x01"),
    p_data(3, 2, b"x"),
]


def flipped(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """Some bits are others."""
    data = bytearray(b"".join(parts))
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def cut(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """It ends early."""
    data = b"".join(parts)
    return data[: dice.randrange(len(data))]


def shuffled(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """The PDUs after the request come in another order, some twice, some not."""
    return parts[0] + b"".join(dice.choices(STRAY, k=dice.randint(0, 9)))


def stretched(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """Lengths are others: of a PDU, an item, a value or an element."""
    data = bytearray(b"".join(parts))
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) - 4)
        data[at : at + 4] = dice.choice((0, 1, 0xFFFF, 0xFFFFFFFF, 0x80000000, dice.randrange(1 << 32))).to_bytes(
            4, "big"
        )
    return bytes(data)


def spliced(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """Something of somewhere else is within."""
    data = b"".join(parts)
    at, start = dice.randrange(len(data)), dice.randrange(len(data))
    return data[:at] + dice.choice((dice.randbytes(dice.randint(1, 300)), data[start : start + 100])) + data[at:]


def aborted(parts: Sequence[bytes], dice: random.Random) -> bytes:
    """The peer thinks better of it."""
    return b"".join(parts[: dice.randint(0, len(parts))]) + ABORT


SPOILED: Sequence[Callable[[Sequence[bytes], random.Random], bytes]] = (
    flipped, cut, shuffled, stretched, spliced, aborted,
)  # fmt: skip


def spoken(port: int, data: bytes) -> list[int]:
    """The types of the PDUs that are answered to this, up to the end of the connection."""
    with Peer(port) as peer:
        try:
            peer.send(data)
            peer.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has hung up already
        return [answer[0] for answer in iter(peer.read, None)]


@pytest.mark.timeout(0 if "HEALIX_FUZZ_CASES" in os.environ else 300)
@pytest.mark.spec("PS3.8 9.2 (2024d)")
def test_spoiled_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an acceptor's PDUs are answered, and nothing after the last; nothing fails within the server, no thread or
    object stays, memory is bounded, and good peers verify meanwhile and afterwards.
    """
    failures: list[str] = []

    class Log:
        def exception(self, event: str, **_: Any) -> None:
            failures.append(event)

        def info(self, *_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(association, "log", Log())
    dice = random.Random(SEED)
    conversations = [SPOILED[n % len(SPOILED)](HONEST, dice) for n in range(CONVERSATIONS)]
    before, threads = psutil.Process().memory_info().rss, threading.active_count()
    seen: Counter[int] = Counter()
    with serving(LIMITS) as server:
        with ThreadPoolExecutor(AT_ONCE) as peers:
            for start in range(0, CONVERSATIONS, BATCH):  # what waits for its turn takes memory, too
                answered = peers.map(partial(spoken, server.port), conversations[start : start + BATCH])
                echo(server.port)
                for types in answered:
                    seen.update(types)
                    assert set(types) <= ANSWERS
                    assert not LAST & set(types[:-1])
        echo(server.port)
        wait_until(lambda: threading.active_count() <= threads + 1, "the end of its threads")
        assert server.kept.begun == len(server.kept.whole) + len(server.kept.cancelled)
    assert failures == []
    assert psutil.Process().memory_info().rss - before < MEMORY
    assert seen[2] > CONVERSATIONS / 3  # they get far enough to spoil something
    assert len(server.kept.whole) > CONVERSATIONS / 20
    assert seen[7] > CONVERSATIONS / 10


def echo(port: int) -> None:
    """Associate and verify."""
    with Peer(port) as peer:
        peer.associate()
        peer.send(p_data(1, 3, ECHO))
        assert peer.status() == 0
