"""Random tokens, some of whose scopes have a query, with the naive meaning of each query beside it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.access.world import DOCTORS, PATIENTS, PROXIES, Bound, Json, Token, references, span, spans

SOME = 0.6
"""How many of the scopes of a type that has queries get one."""


def _coded(system: str | None, code: str) -> Callable[[Json], bool]:
    return lambda r: any(one["code"] == code and system in (None, one.get("system", "")) for one in r["code"]["coding"])


def _refers(path: str, *targets: str) -> Callable[[Json], bool]:
    return lambda r: bool(set(references(r, path)) & set(targets))


def _has(element: str) -> Callable[[Json], bool]:
    return lambda r: element in r


def _ends_after(day: str) -> Callable[[Json], bool]:
    def holds(resource: Json) -> bool:
        have, want = spans(resource), span(day)
        return have is not None and (have[1] > want[1] or (want[0] <= have[0] and have[1] <= want[1]))

    return holds


def _both(one: Bound, other: Bound) -> Bound:
    return Bound(f"{one.text}&{other.text}", lambda r: one.holds(r) and other.holds(r))


X, Y = Bound("code=x", _coded(None, "x")), Bound("code=http://b.test|y", _coded("http://b.test", "y"))
LATE = Bound("date=ge2021-03-04", _ends_after("2021-03-04"))
BOUNDS: dict[str, tuple[Bound, ...]] = {
    "Observation": (
        X,
        Y,
        LATE,
        _both(X, LATE),
        _both(X, Y),
        Bound("code=y,http://a.test|x", lambda r: _coded(None, "y")(r) or _coded("http://a.test", "x")(r)),
        Bound("code=|x", _coded("", "x")),
        Bound("code:not=y", lambda r: not _coded(None, "y")(r)),
        Bound("date:missing=true", lambda r: spans(r) is None),
        Bound("encounter=Encounter/r2", _refers("encounter", "Encounter/r2")),
        Bound("performer:Patient=p1", _refers("performer", "Patient/p1")),
        Bound("performer=d0,Patient/p0", _refers("performer", "Practitioner/d0", "Patient/p0")),
        Bound("status=preliminary", lambda _: False),
    ),
    "Encounter": (Bound("_id=r2", lambda r: r["id"] == "r2"), Bound("subject:missing=false", _has("subject"))),
    "Patient": (Bound("_id=p1,p2", lambda r: r["id"] in ("p1", "p2")), Bound("active=true", lambda _: False)),
    "Practitioner": (Bound("_id=d0", lambda r: r["id"] == "d0"),),
    "Device": (Bound("patient=p1", _refers("patient", "Patient/p1")),),
    "Communication": (Bound("recipient=Patient/p1", _refers("recipient", "Patient/p1")),),
}


def make_token(rng: Random) -> Token:
    """A random token; most open some search of Observations."""
    contexts = ("patient", "patient", "user", "user", "system")
    first = (rng.choice(contexts), rng.choice(("*", "Observation")), rng.choice(("rs", "s")))
    types = ("*", "Observation", "Observation", "Patient", "Encounter", "Practitioner", "Device", "Communication")
    more = [
        (rng.choice(contexts), rng.choice(types), rng.choice(("rs", "r", "s", "cud"))) for _ in range(rng.randint(0, 3))
    ]
    scopes = tuple((*one, _bound(rng, one[1])) for one in (first, *more))
    patient = rng.choice((*PATIENTS, None))
    if rng.random() < 0.3:
        own = rng.choice((*PATIENTS, patient, None))
        return Token(scopes, patient, None, own, tuple(rng.sample(PROXIES, rng.randint(0, 2))))
    return Token(scopes, patient, rng.choice((*DOCTORS, *DOCTORS, None)), wide=rng.random() < 0.5)


def _bound(rng: Random, type_name: str) -> Bound | None:
    return rng.choice(BOUNDS[type_name]) if type_name in BOUNDS and rng.random() < SOME else None
