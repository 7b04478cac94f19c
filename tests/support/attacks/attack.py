"""One attack: a request that names something, sent once about what is missing and once about what is hidden.

It fails to tell the two apart when both answers are equal: status, headers, body, and the number of statements behind
them; and when none holds a canary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from healix_fhir.kernel.placeholders import posed
from healix_fhir.model.json import encode
from smart_auth.store import FIND
from tests.support.attacks.names import canaries, emptied, filled
from tests.support.attacks.scene import CALLERS, FHIR, Scene

FOUND = posed(FIND, ([],))[0].decode()
"""The statement that looks up a token which the server does not remember, as it is run."""
PASSING = frozenset({"date", "x-request-id"})
MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""An id that the server makes."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|\+00:00)")
SEALED = re.compile(r"(_cursor=)[A-Za-z0-9_.%-]+")


@dataclass(frozen=True)
class Attack:
    """A request with `<name>`s in it. `changes`: it would change the measurement, or make something.

    `beside` tells why no planted flaw can open it: what it asks touches no rows. `callers` may not do it.
    """

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: bool = False
    beside: str = ""
    callers: tuple[str, ...] = CALLERS
    note: str = ""

    def __hash__(self) -> int:
        """By what people read."""
        return hash(str(self))

    def __str__(self) -> str:
        """The request, for people."""
        return f"{self.method} {self.path}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True)
class Answer:
    """What came back, with the names of the question taken out, and the moments and new ids in it."""

    status: int
    headers: Mapping[str, str]
    body: str
    statements: int
    canaries: tuple[str, ...]


def findings(scene: Scene, caller: httpx.Client, attack: Attack) -> list[str]:
    """What an attack tells its caller that it should not."""
    absent, present = scene.targets(changes=attack.changes)
    patients = (absent["patient"], present["patient"], "other")
    before = scene.record(*patients) if attack.changes else []
    first, second = _sent(scene, caller, attack, absent), _sent(scene, caller, attack, present)
    found = differences(first, second)
    if attack.changes and (after := scene.record(*patients)) != before:
        found.append(f"the record has changed from {before} to {after}")
    return found


def differences(first: Answer, second: Answer) -> list[str]:
    """How two answers differ, and which canaries they hold."""
    found = [f"the answer holds the canary as {form}" for form in (*first.canaries, *second.canaries)]
    if first.status != second.status:
        found.append(f"status {first.status} of the missing, {second.status} of the hidden")
    found += [
        f"header {name}: {first.headers.get(name)} / {second.headers.get(name)}"
        for name in sorted({*first.headers, *second.headers})
        if first.headers.get(name) != second.headers.get(name)
    ]
    if first.body != second.body:
        found.append(_bodies(first.body, second.body))
    if first.statements != second.statements:
        found.append(f"{first.statements} statements for the missing, {second.statements} for the hidden")
    return found


def _bodies(first: str, second: str) -> str:
    """Where two bodies differ."""
    same = next((n for n, pair in enumerate(zip(first, second, strict=False)) if len({*pair}) > 1), len(first))
    start = max(same - 80, 0)
    return f"body, from {same}: {first[start : same + 200]} / {second[start : same + 200]}"


def sent(scene: Scene, caller: httpx.Client, attack: Attack, target: Mapping[str, str] | None = None) -> Answer:
    """The answer to an attack without names, or with those of a target."""
    return _sent(scene, caller, attack, target or {})


def _sent(scene: Scene, caller: httpx.Client, attack: Attack, target: Mapping[str, str]) -> Answer:
    content = filled(attack.body, target)
    if content is not None and not isinstance(content, bytes):
        content = encode(content) if not isinstance(content, str) else content.encode()
    plain = {"accept-encoding": "identity"}  # packed, what is sealed would make answers longer or shorter at random
    headers = {**plain, **(FHIR if content is not None else {}), **filled(attack.headers, target)}
    begun = len(scene.statements)
    answer = caller.request(attack.method, filled(attack.path, target), content=content, headers=headers)
    statements = [text for text in scene.statements[begun:] if text != FOUND]
    held = canaries(answer.content) + canaries(repr(answer.headers.raw).encode() + answer.reason_phrase.encode())
    return Answer(
        answer.status_code,
        {
            name: "" if name == "last-modified" else comparable(value, target)
            for name, value in answer.headers.items()
            if name not in PASSING
        },
        comparable(answer.text, target),
        len(statements),
        tuple(held),
    )


def comparable(text: str, target: Mapping[str, str]) -> str:
    """`text` without what passes and without the names, in this order: a moment may hold the digits of a name."""
    return emptied(SEALED.sub(r"\1<sealed>", MOMENT.sub("<moment>", MADE.sub("<made>", text))), target)
